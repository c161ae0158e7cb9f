//! TLS of a notifier: what it trusts beside what the machine trusts, and what it shows of itself.

use std::path::Path;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls_platform_verifier::Verifier;

use crate::config::notifiers::Tls;

/// TLS as it is configured.
///
/// # Errors
///
/// Which setting is wrong, and why.
pub(super) fn config(tls: &Tls) -> Result<ClientConfig, String> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let roots = match &tls.ca_file {
        Some(path) => certificates("ca_file", path)?,
        None => Vec::new(),
    };
    let unusable = |error: rustls::Error| format!("TLS can't be used: {error}");
    let verifier = Verifier::new_with_extra_roots(roots, Arc::clone(&provider)).map_err(unusable)?;
    let builder = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(unusable)?.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    let Some((cert_file, key_file)) = &tls.identity else { return Ok(builder.with_no_client_auth()) };
    let chain = certificates("cert_file", cert_file)?;
    let key = PrivateKeyDer::from_pem_file(key_file).map_err(|error| wrong("key_file", key_file, &error))?;
    builder.with_client_auth_cert(chain, key).map_err(|error| wrong("cert_file", cert_file, &error))
}

fn certificates(key: &str, path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = read.map_err(|error| wrong(key, path, &error))?;
    if certificates.is_empty() {
        return Err(wrong(key, path, &"there is no certificate in it"));
    }
    Ok(certificates)
}

/// What the parser says of a file quotes nothing of it.
fn wrong(key: &str, path: &Path, error: &dyn std::fmt::Display) -> String {
    format!("wrong `{key}` setting: {}: {error}", path.display())
}

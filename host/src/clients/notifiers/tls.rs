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

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    use rustls::pki_types::PrivatePkcs8KeyDer;
    use rustls::server::WebPkiClientVerifier;
    use rustls::{RootCertStore, ServerConfig};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    use super::*;
    use crate::clients::web;

    /// A server that wants to see a certificate of this authority, and whose own is of it too.
    async fn serve(authority: &rcgen::Certificate, issuer: &Issuer<'_, KeyPair>) -> String {
        let key = KeyPair::generate().unwrap();
        let names = vec!["127.0.0.1".to_owned()];
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, issuer).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(authority.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(vec![certificate.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}/", listener.local_addr().unwrap());
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n").await;
                let _ = stream.shutdown().await;
            }
        });
        url
    }

    #[tokio::test]
    async fn both_sides_show_who_they_are() {
        let key = KeyPair::generate().unwrap();
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = parameters.self_signed(&key).unwrap();
        let issuer = Issuer::new(parameters, key);
        let url = serve(&authority, &issuer).await;

        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: String| -> PathBuf {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let key = KeyPair::generate().unwrap();
        let shown = CertificateParams::new(vec!["talon".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        let ca_file = Some(write("ca.pem", authority.pem()));
        let identity = Some((write("cert.pem", shown.pem()), write("key.pem", key.serialize_pem())));
        for (tls, expected) in [
            (Tls { ca_file: ca_file.clone(), identity: identity.clone() }, Some(204)),
            (Tls { ca_file: ca_file.clone(), identity: None }, None),
            (Tls { ca_file: None, identity }, None),
        ] {
            let client = web::build(web::client_with(config(&tls).unwrap())).unwrap();
            let status = client.get(&url).send().await.ok().map(|response| response.status().as_u16());
            assert_eq!(status, expected, "{tls:?}");
        }
        let swapped = Tls { ca_file: Some(folder.path().join("key.pem")), identity: None };
        assert!(config(&swapped).unwrap_err().ends_with("key.pem: there is no certificate in it"));
    }
}

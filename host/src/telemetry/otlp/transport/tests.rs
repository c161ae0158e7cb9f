//! Whom a collector is trusted by, and which answers are worth another attempt.

use std::path::Path;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use policy::Secret;

use super::*;

/// A collector whose certificate an authority of its own has signed, which is written there. It takes whoever trusts it,
/// says so, and leaves.
async fn collector(authority: &Path) -> (String, tokio::sync::mpsc::UnboundedReceiver<bool>) {
    let key = KeyPair::generate().unwrap();
    let mut parameters = CertificateParams::new(Vec::new()).unwrap();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    std::fs::write(authority, parameters.self_signed(&key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(parameters, key);
    let key = KeyPair::generate().unwrap();
    let parameters = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = parameters.signed_by(&key, &issuer).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
    let mut config = config.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let (say, said) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        let acceptor = TlsAcceptor::from(Arc::new(config));
        while let Ok((stream, _)) = listener.accept().await {
            let _ = say.send(acceptor.accept(stream).await.is_ok());
        }
    });
    (url, said)
}

#[tokio::test]
async fn whoever_is_named_vouches_for_a_collector() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    let (url, mut said) = collector(&path).await;
    for protocol in [Protocol::Grpc, Protocol::Http] {
        for authority in [Some(path.clone()), None] {
            let (is_trusted, timeout) = (authority.is_some(), Duration::from_millis(200));
            let target = Target { protocol, url: url.clone(), headers: Vec::new(), timeout, authority };
            let transport = Transport::new(&target).unwrap();
            let export = Export::Traces(ExportTraceServiceRequest::default());
            // Nobody answers.
            transport.send(&export).await.unwrap_err();
            assert_eq!(said.recv().await, Some(is_trusted), "{protocol:?}");
            while said.try_recv().is_ok() {}
        }
    }
}

#[tokio::test]
async fn what_can_not_be_used_is_said() {
    let target = Target {
        protocol: Protocol::Http,
        url: "https://user:hunter2@collector?key=hunter3".to_owned(),
        headers: Vec::new(),
        timeout: Duration::from_secs(1),
        authority: Some("/nowhere/ca.pem".into()),
    };
    let said = |target: &Target| Transport::new(target).unwrap_err().to_string();
    let missing = "the certificates of the collector's authority can't be read of '/nowhere/ca.pem': ";
    assert!(said(&target).starts_with(missing), "{}", said(&target));
    let error = said(&Target { headers: vec![("a b".to_owned(), Secret::new("x"))], authority: None, ..target });
    assert_eq!(error, "the collector can't be spoken to at https://…@collector: 'a b' is no name of a header");
}

#[tokio::test]
async fn the_query_of_an_address_is_not_said() {
    let target = Target {
        protocol: Protocol::Http,
        url: "http://127.0.0.1:1/v1/traces?key=hunter2".to_owned(),
        headers: Vec::new(),
        timeout: Duration::from_millis(200),
        authority: None,
    };
    let export = Export::Traces(ExportTraceServiceRequest::default());
    let error = Transport::new(&target).unwrap().send(&export).await.unwrap_err();
    assert!(error.starts_with("the collector at http://127.0.0.1:1/v1/traces does not take in"), "{error}");
    assert!(!error.contains("hunter2"), "{error}");
}

#[test]
fn what_may_be_taken_in_later_is_sent_again() {
    let again = |status| of_answer(status, &Bytes::from_static(b"x\ny")).may_be_tried_again;
    assert!(again(StatusCode::SERVICE_UNAVAILABLE) && again(StatusCode::TOO_MANY_REQUESTS));
    assert!(!again(StatusCode::BAD_REQUEST) && !again(StatusCode::INTERNAL_SERVER_ERROR));
    assert!(of_status(tonic::Status::unavailable("")).may_be_tried_again);
    assert!(!of_status(tonic::Status::unauthenticated("")).may_be_tried_again);
    assert_eq!(of_answer(StatusCode::BAD_REQUEST, &Bytes::from_static(b"x\ny")).error, "400 Bad Request: xy");
    assert!(
        refused("spans", Some((2, "too long".to_owned()))).is_err()
            && refused("spans", Some((0, String::new()))).is_ok()
    );
}

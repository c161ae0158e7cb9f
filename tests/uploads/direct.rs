//! Artifacts whose keys are the same.

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Config, Credentials, Region};
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_http_client::{Builder, tls};
use outputs::s3::{S3, store};
use outputs::{Artifact, Place, Source, Target};
use serde_json::json;

use super::{Bucket, LARGE_BYTES, SMALL_BYTES};

fn client(url: &str) -> S3 {
    let http = Builder::new().tls_provider(tls::Provider::Rustls(CryptoMode::Ring)).build_https();
    let config = Config::builder().behavior_version(BehaviorVersion::latest()).http_client(http).endpoint_url(url);
    let config = config.credentials_provider(Credentials::new("root", "secretsecret", None, None, "test"));
    let config = config.region(Region::new("us-east-1")).force_path_style(true).build();
    S3 { client: Client::from_conf(config), server: "server".to_owned() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_object_is_replaced_and_none_is_stored_twice() {
    let Some(bucket) = Bucket::start(&[]).await else { return };
    let s3 = client(bucket.url());
    let parameters = json!({"bucket": "evidence", "server_side_encryption": "", "storage_class": "STANDARD"});
    let place = Place::new(Target::MinioS3, &parameters);
    let stored = async |content: u8, bytes| {
        let mut artifact = Artifact::new("tcpdump.pcap".to_owned(), "application/vnd.tcpdump.pcap".to_owned());
        artifact.append(&vec![content; bytes]).unwrap();
        let source = Source::new(artifact);
        let stored = store(&s3, &place, "a.pcap", &source).await.unwrap();
        let key = stored.objects.into_iter().find(|(kind, _)| *kind == "key").unwrap();
        key.1
    };
    for (content, bytes, expected) in [
        (1, SMALL_BYTES, "a.pcap"),
        (1, SMALL_BYTES, "a.pcap"),
        (2, SMALL_BYTES, "a_2.pcap"),
        (3, LARGE_BYTES, "a_3.pcap"),
        (3, LARGE_BYTES, "a_3.pcap"),
        (2, SMALL_BYTES, "a_2.pcap"),
    ] {
        assert_eq!(stored(content, bytes).await, expected);
    }
    // Whoever is first is the one that has it.
    let keys = tokio::join!(stored(7, SMALL_BYTES), stored(8, SMALL_BYTES), stored(9, SMALL_BYTES));
    let mut keys = [keys.0, keys.1, keys.2];
    keys.sort();
    assert_eq!(keys, ["a_4.pcap", "a_5.pcap", "a_6.pcap"]);
    assert_eq!(bucket.objects().len(), 6);
    let head = bucket.ask(&["-I"], "//a_3.pcap").await.to_lowercase();
    assert!(head.contains("content-type: application/vnd.tcpdump.pcap"), "{head}");
}

//! `gcp:gcs`.

use std::sync::Arc;

use host::testing::clouds::Clouds;
use serde_json::{Value, json};

use super::proxy::{Fault, Proxy};
use super::{LARGE_BYTES, SMALL_BYTES, Upload, curl, start};
use crate::outside::Outside;
use crate::running::{text, told};
use crate::servers::Server;

/// A storage, who stands before it, and who knows the host's key.
struct Google {
    server: Arc<Server>,
    proxy: Proxy,
    outside: Outside,
}

impl Google {
    async fn start() -> Option<Self> {
        let server = start("gcs", &[]).await?;
        let proxy = Proxy::start(server.value("url")).await;
        Some(Self { server, proxy, outside: Outside::start().await })
    }

    fn clouds(&self) -> Clouds {
        let mut clouds = self.outside.config();
        clouds.google.storage_endpoint = Some(format!("http://{}", self.proxy.address));
        clouds
    }

    /// What is there, as the server describes it.
    async fn objects(&self) -> Vec<Value> {
        let answer = curl(["-s", &format!("{}/storage/v1/b/evidence/o", self.server.value("url"))]).await;
        let answer: Value = serde_json::from_str(&answer).unwrap();
        let all = answer["items"].as_array().cloned().unwrap_or_default();
        all.into_iter().filter(|object| object["name"] != ".keep").collect()
    }

    async fn digest(&self, object: &Value) -> String {
        let path = text(object, "name").replace('/', "%2F");
        let url = format!("{}/storage/v1/b/evidence/o/{path}?alt=media", self.server.value("url"));
        let file = tempfile::NamedTempFile::new().unwrap();
        curl(["-s", "-o", &file.path().display().to_string(), &url]).await;
        super::sha256(&std::fs::read(file.path()).unwrap())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_artifact_arrives_whole_and_says_what_it_is() {
    let Some(google) = Google::start().await else { return };
    for (number, (prefix, expected, bytes)) in
        [("captures/", "captures/", SMALL_BYTES), ("", "", LARGE_BYTES)].into_iter().enumerate()
    {
        let upload = Upload::new("gcp:gcs", &json!({"bucket": "evidence", "prefix": prefix}), bytes);
        let (line, lines) = upload.run(google.clouds()).await;
        assert_eq!(text(&line, "status"), "success", "{}", told(&lines));
        let (file, key) = (text(&line, "file"), text(&line, "key"));
        let output =
            format!("The file '{file}' has been uploaded as the key '{expected}{key}' to the bucket 'evidence'");
        let fields = ["output", "bucket", "prefix", "sha256"].map(|field| text(&line, field));
        assert_eq!(fields, [&*output, "evidence", expected, &upload.sha256()]);
        let objects = google.objects().await;
        assert_eq!(objects.len(), number + 1);
        let name = format!("{expected}{key}");
        let object = objects.iter().find(|object| object["name"] == *name).unwrap();
        assert_eq!(text(object, "contentType"), "application/octet-stream");
        assert_eq!(object["metadata"]["sha256"], upload.sha256());
        assert_eq!(google.digest(object).await, upload.sha256());
    }
}

async fn with_fault(bytes: usize, fault: (&'static str, &'static str, Fault, usize), is_delayed: bool) {
    let Some(google) = Google::start().await else { return };
    let upload = Upload::new("gcp:gcs", &json!({"bucket": "evidence"}), bytes);
    let (method, part, fault, times) = fault;
    google.proxy.fail(method, part, fault, times);
    let host = upload.begin(google.clouds()).await;
    if is_delayed {
        host.log.line("output", |line| text(line, "status") == "due").await;
        let aborts = google.proxy.heard().into_iter().filter(|line| line.starts_with("DELETE "));
        assert!(method != "PUT" || aborts.count() > 0, "{:?}", google.proxy.heard());
        google.proxy.mend();
    }
    host.log.line("output", |line| text(line, "status") == "success").await;
    let lines = host.stop().await;
    assert_eq!(lines.iter().any(|line| text(line, "status") == "due"), is_delayed, "{}", told(&lines));
    let objects = google.objects().await;
    assert_eq!(objects.len(), 1, "{objects:?}");
    assert_eq!(google.digest(&objects[0]).await, upload.sha256());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_busy_twice_is_asked_again() {
    with_fault(SMALL_BYTES, ("PUT", "", Fault::Busy, 2), false).await;
    with_fault(LARGE_BYTES, ("PUT", "", Fault::Busy, 2), false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stays_busy_gets_it_later() {
    with_fault(SMALL_BYTES, ("PUT", "", Fault::Busy, 1_000), true).await;
    with_fault(LARGE_BYTES, ("POST", "", Fault::Busy, 1_000), true).await;
    with_fault(LARGE_BYTES, ("GET", "", Fault::Busy, 1_000), true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_stored_without_an_answer_is_not_stored_again() {
    with_fault(SMALL_BYTES, ("PUT", "", Fault::Unanswered, 1_000), true).await;
    with_fault(LARGE_BYTES, ("PUT", "", Fault::Unanswered, 1_000), true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bucket_that_is_not_there_fails_at_once() {
    let Some(google) = Google::start().await else { return };
    let upload = Upload::new("gcp:gcs", &json!({"bucket": "nowhere"}), SMALL_BYTES);
    let (line, _) = upload.run(google.clouds()).await;
    let fields = ["status", "error", "bucket"].map(|field| text(&line, field));
    assert_eq!(fields, ["failure", "the bucket 'nowhere' does not exist", "nowhere"]);
}

//! `aws:s3` and `minio:s3`.

use std::fs;
use std::process::Command;
use std::time::Duration;

use expect_test::expect;
use host::testing::clouds::{Aws, Clouds, Keys, Role, Secret};
use serde_json::json;

use super::proxy::{Fault, Proxy};
use super::{Bucket, CLUSTER, LARGE_BYTES, SMALL_BYTES, Upload, curl, minio, start, touched};
use crate::running::{Host, config, text, told};
use crate::world::World;

/// Says to a process of this test binary that it finds its credentials itself, and where its files and server are.
const FINDS: &str = "FALCO_TALON_TEST_FINDS_CREDENTIALS";

fn aws(address: &str) -> Clouds {
    let keys = Keys { access_key: "root".to_owned(), secret_key: Secret::new("secretsecret") };
    let endpoint = Some(format!("http://{}", address.trim_start_matches("http://")));
    let region = Some("us-east-1".to_owned());
    Clouds { aws: Aws { keys: Some(keys), region, endpoint, ..Aws::default() }, ..Clouds::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_artifact_arrives_whole_and_says_what_it_is() {
    let Some(bucket) = Bucket::start(&[]).await else { return };
    for (target, prefix, expected) in [
        ("minio:s3", "/files/", "/files/"),
        ("aws:s3", "/captures/", "captures/"),
        ("aws:s3", "", "/"),
        ("minio:s3", "", "/"),
    ] {
        for bytes in [SMALL_BYTES, LARGE_BYTES] {
            let upload = Upload::new(target, &json!({"bucket": "evidence", "prefix": prefix}), bytes);
            let clouds = if target == "minio:s3" { minio(bucket.url()) } else { aws(bucket.url()) };
            let before = bucket.objects().len();
            let (line, lines) = upload.run(clouds).await;
            assert_eq!(text(&line, "status"), "success", "{}", told(&lines));
            let (file, key) = (text(&line, "file"), text(&line, "key"));
            assert!(file.ends_with("/evidence"));
            let output =
                format!("the file '{file}' has been uploaded as the key '{expected}{key}' to the bucket 'evidence'");
            let expected_fields =
                [&output, "evidence", expected, &upload.sha256(), target, target.split(':').next().unwrap()];
            let fields = ["output", "bucket", "prefix", "sha256", "output_target", "category"];
            assert_eq!(fields.map(|field| text(&line, field)), expected_fields);
            assert_eq!(text(&line, "region"), if target == "aws:s3" { "us-east-1" } else { "" });
            let objects = bucket.objects();
            assert_eq!(objects.len(), before + 1, "{target} {prefix}");
            let found = objects.iter().find(|(name, _)| name.ends_with(key)).unwrap();
            assert!(found.1 == upload.evidence, "{target} {bytes}: other content");
            let head = bucket.ask(&["-I"], &format!("/{expected}{key}")).await.to_lowercase();
            assert!(head.contains(&format!("x-amz-meta-sha256: {}", upload.sha256())), "{head}");
            assert!(head.contains("content-type: application/octet-stream"), "{head}");
        }
    }
    assert_eq!(bucket.unfinished().await, 0);
}

/// An upload through who does this to requests, once to be seen.
async fn with_fault(bytes: usize, fault: (&'static str, &'static str, Fault, usize), is_delayed: bool) {
    let Some(bucket) = Bucket::start(&[]).await else { return };
    let upload = Upload::new("minio:s3", &json!({"bucket": "evidence"}), bytes);
    let proxy = Proxy::start(bucket.url()).await;
    let (method, part, fault, times) = fault;
    proxy.fail(method, part, fault, times);
    let host = upload.begin(minio(&proxy.address)).await;
    if is_delayed {
        let due = host.log.line("output", |line| text(line, "status") == "due").await;
        assert_eq!((text(&due, "bucket"), text(&due, "prefix")), ("evidence", "/"), "{due}");
        assert_eq!(bucket.unfinished().await, 0, "what has failed is aborted");
        proxy.mend();
    }
    let line = host.log.line("output", |line| text(line, "status") == "success").await;
    let lines = host.stop().await;
    let is_due = lines.iter().any(|line| text(line, "status") == "due");
    assert_eq!(is_due, is_delayed, "{}", told(&lines));
    let objects = bucket.objects();
    assert_eq!(objects.len(), 1, "{:?}", objects.iter().map(|(key, _)| key).collect::<Vec<_>>());
    assert!(objects[0].0.ends_with(text(&line, "key")) && objects[0].1 == upload.evidence);
    assert_eq!(bucket.unfinished().await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_busy_twice_is_asked_again() {
    with_fault(SMALL_BYTES, ("PUT", "", Fault::Busy, 2), false).await;
    with_fault(LARGE_BYTES, ("PUT", "partNumber=2", Fault::Busy, 2), false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stays_busy_gets_it_later_and_keeps_nothing_until_then() {
    with_fault(SMALL_BYTES, ("PUT", "", Fault::Busy, 1_000), true).await;
    with_fault(LARGE_BYTES, ("PUT", "partNumber=2", Fault::Busy, 1_000), true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_held_in_memory_alone_is_sent_again() {
    let Some(bucket) = Bucket::start(&[]).await else { return };
    let upload = Upload { lasts: false, ..Upload::new("minio:s3", &json!({"bucket": "evidence"}), LARGE_BYTES) };
    let proxy = Proxy::start(bucket.url()).await;
    proxy.fail("PUT", "partNumber=2", Fault::Busy, 1_000);
    let host = upload.begin(minio(&proxy.address)).await;
    host.log.line("output", |line| text(line, "status") == "due").await;
    proxy.mend();
    let line = host.log.line("output", |line| matches!(text(line, "status"), "success" | "failure")).await;
    let lines = host.stop().await;
    assert_eq!(text(&line, "status"), "success", "{}", told(&lines));
    assert!(bucket.objects()[0].1 == upload.evidence);
}

/// As many as are sent at once to one target.
const HANGING: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn destinations_that_hang_hold_up_no_other_target() {
    // A pod each, since what is done about one waits for what was done about it before.
    let pods: String =
        (0..=HANGING).map(|number| format!("---{}", CLUSTER.replace("web-0", &format!("web-{number}")))).collect();
    let upload = Upload::new("minio:s3", &json!({"bucket": "evidence"}), SMALL_BYTES);
    let upload = Upload { world: World::simulated(&pods), ..upload };
    let (folder, mut rules) = (upload.folder.path(), String::new());
    let mut rule = |name: &str, target: &str, parameters: serde_json::Value| {
        let file = folder.join("evidence");
        rules += &format!(
            "
- rule: {name}
  match: {{rules: [{name}]}}
  actions:
    - action: Fetch it
      actionner: kubernetes:download
      parameters: {{file: {}}}
      output: {{target: '{target}', parameters: {parameters}}}
",
            file.display()
        );
    };
    for number in 0..HANGING {
        rule(&format!("r{number}"), "minio:s3", json!({"bucket": format!("bucket-{number}")}));
    }
    rule("local", "local:file", json!({"destination": folder}));
    fs::write(folder.join("rules.yaml"), rules).unwrap();
    fs::write(folder.join("config.yaml"), "shutdown: {deadline_ms: 1000}\n").unwrap();
    let proxy = Proxy::start("127.0.0.1:0").await;
    proxy.fail("HEAD", "", Fault::Silent, 1_000);
    let host = upload.start(minio(&proxy.address)).await;
    for number in 0..HANGING {
        host.post(touched(&format!("r{number}"), &format!("web-{number}"))).await;
    }
    while proxy.heard().len() < HANGING {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    host.post(touched("local", &format!("web-{HANGING}"))).await;
    let line = host.log.line("output", |line| text(line, "rule") == "local").await;
    assert_eq!(text(&line, "status"), "success", "{line}");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_stored_without_an_answer_is_not_stored_again() {
    with_fault(SMALL_BYTES, ("PUT", "", Fault::Unanswered, 1), false).await;
    with_fault(LARGE_BYTES, ("POST", "uploadId=", Fault::Unanswered, 1), false).await;
    with_fault(SMALL_BYTES, ("PUT", "", Fault::Unanswered, 1_000), true).await;
    with_fault(LARGE_BYTES, ("POST", "uploadId=", Fault::Unanswered, 1_000), true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_the_end_cuts_off_is_aborted_and_goes_on_with_the_next_process() {
    let Some(bucket) = Bucket::start(&[]).await else { return };
    let upload = Upload::new("minio:s3", &json!({"bucket": "evidence"}), LARGE_BYTES);
    fs::write(upload.folder.path().join("config.yaml"), "shutdown: {deadline_ms: 1000}\n").unwrap();
    let proxy = Proxy::start(bucket.url()).await;
    proxy.fail("PUT", "partNumber=2", Fault::Silent, 1);
    let host = upload.begin(minio(&proxy.address)).await;
    while !proxy.heard().iter().any(|line| line.contains("partNumber=2")) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    host.stop().await;
    while bucket.unfinished().await > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(bucket.objects(), []);
    let host = upload.start(minio(&proxy.address)).await;
    host.log.line("output", |line| text(line, "status") == "success").await;
    host.stop().await;
    assert!(bucket.objects().iter().all(|(_, content)| *content == upload.evidence));
    assert_eq!(bucket.objects().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_server_misses_while_it_is_away_arrives_when_it_is_back() {
    let Some(bucket) = Bucket::start(&[]).await else { return };
    let upload = Upload::new("minio:s3", &json!({"bucket": "evidence"}), LARGE_BYTES);
    let url = bucket.url().to_owned();
    drop(bucket);
    let host = upload.begin(minio(&url)).await;
    let due = host.log.line("output", |line| text(line, "status") == "due").await;
    let address = url.trim_start_matches("http://");
    assert!(text(&due, "error").starts_with(&format!("{address} does not take it: ")), "{due}");
    let port: &'static str = address.rsplit(':').next().unwrap().to_owned().leak();
    let arguments: &'static [&str] = vec!["-on", port].leak();
    let bucket = Bucket::start(arguments).await.unwrap();
    host.log.line("output", |line| text(line, "status") == "success").await;
    host.stop().await;
    assert!(bucket.objects()[0].1 == upload.evidence);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_way_that_is_slow_or_cut_brings_all_of_it_or_nothing() {
    let Some(bucket) = Bucket::start(&[]).await else { return };
    let address: &'static str = bucket.url().trim_start_matches("http://").to_owned().leak();
    let arguments: &'static [&str] = vec![address].leak();
    let Some(toxiproxy) = start("toxiproxy", arguments).await else { return };
    let toxics = format!("{}/proxies/p/toxics", toxiproxy.value("api"));
    for (toxic, is_cut) in [
        (r#"{"name": "t", "type": "limit_data", "stream": "upstream", "attributes": {"bytes": 4000000}}"#, true),
        (r#"{"name": "t", "type": "reset_peer", "stream": "upstream", "attributes": {"timeout": 20}}"#, true),
        (r#"{"name": "t", "type": "bandwidth", "stream": "upstream", "attributes": {"rate": 8000}}"#, false),
        (r#"{"name": "t", "type": "latency", "stream": "downstream", "attributes": {"latency": 200}}"#, false),
    ] {
        let before = bucket.objects().len();
        curl(["-s", &toxics, "-d", toxic]).await;
        let upload = Upload::new("minio:s3", &json!({"bucket": "evidence"}), LARGE_BYTES);
        let host = upload.begin(minio(toxiproxy.value("address"))).await;
        if is_cut {
            host.log.line("output", |line| text(line, "status") == "due").await;
            assert_eq!(bucket.objects().len(), before, "{toxic}");
            curl(["-s", "-X", "DELETE", &format!("{toxics}/t")]).await;
        }
        let line = host.log.line("output", |line| text(line, "status") == "success").await;
        host.stop().await;
        if !is_cut {
            curl(["-s", "-X", "DELETE", &format!("{toxics}/t")]).await;
        }
        let objects = bucket.objects();
        assert_eq!(objects.len(), before + 1);
        let found = objects.iter().find(|(key, _)| key.ends_with(text(&line, "key"))).unwrap();
        assert!(found.1 == upload.evidence, "{toxic}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_rule_asks_for_and_there_is_not_fails_at_once() {
    let Some(bucket) = Bucket::start(&[]).await else { return };
    for bytes in [SMALL_BYTES, LARGE_BYTES] {
        let upload = Upload::new("minio:s3", &json!({"bucket": "nowhere"}), bytes);
        let (line, _) = upload.run(minio(bucket.url())).await;
        let fields = ["status", "error", "bucket", "prefix"].map(|field| text(&line, field));
        assert_eq!(fields, ["failure", "the bucket 'nowhere' does not exist", "nowhere", "/"]);
    }
    let upload = Upload::new("aws:s3", &json!({"bucket": "evidence", "storage_class": "FAST"}), 10);
    let host = Host::start(config(upload.folder.path()), upload.world.client().0).await;
    let Err(log) = host else { panic!("it started") };
    assert!(told(&log.lines()).contains("storage_class"), "{}", told(&log.lines()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_is_not_known_there_keeps_what_it_has() {
    let Some(bucket) = Bucket::start(&[]).await else { return };
    let upload = Upload::new("minio:s3", &json!({"bucket": "evidence"}), SMALL_BYTES);
    let mut clouds = minio(bucket.url());
    clouds.minio.keys.secret_key = Secret::new("another");
    let host = upload.begin(clouds).await;
    let due = host.log.line("output", |line| text(line, "status") == "due").await;
    assert!(text(&due, "error").contains("SignatureDoesNotMatch"), "{due}");
    let (_, ready) = host.request("GET", "/readyz?verbose", b"").await;
    assert!(ready.contains("outputs") && ready.contains("minio:s3"), "{ready}");
    host.stop().await;
    let host = upload.start(minio(bucket.url())).await;
    host.log.line("output", |line| text(line, "status") == "success").await;
    let (_, ready) = host.request("GET", "/readyz?verbose", b"").await;
    assert!(!ready.contains("minio:s3"), "{ready}");
    host.stop().await;
    assert_eq!(bucket.objects().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_output_without_a_client_ends_the_start() {
    let upload = Upload::new("minio:s3", &json!({"bucket": "evidence"}), SMALL_BYTES);
    let host = Host::start(config(upload.folder.path()), upload.world.client().0).await;
    let Err(log) = host else { panic!("it started") };
    expect![[r#"
        error init: 'minio.endpoint' is not set category="minio" status="failure"
    "#]]
    .assert_eq(&told(&log.lines()));
}

/// The keys of AWS' own tools, for a bucket on a server that knows roles.
async fn moto() -> Option<(std::sync::Arc<crate::servers::Server>, Proxy)> {
    let server = start("aws", &[]).await?;
    let url = server.value("url");
    let keys = ["-s", "--aws-sigv4", "aws:amz:us-east-1:s3", "-u", "test:test", "-X", "PUT"];
    curl(keys.into_iter().chain([&*format!("{url}/evidence")])).await;
    let proxy = Proxy::start(url).await;
    Some((server, proxy))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_sent_in_the_role_that_was_taken_on() {
    let Some((_server, proxy)) = moto().await else { return };
    let upload = Upload::new("aws:s3", &json!({"bucket": "evidence", "region": "eu-west-1"}), LARGE_BYTES);
    let mut clouds = aws(&proxy.address);
    let arn = "arn:aws:iam::123456789012:role/talon".to_owned();
    clouds.aws.role = Some(Role { arn, external_id: Some("of-acme".to_owned()) });
    let (line, lines) = upload.run(clouds).await;
    assert_eq!((text(&line, "status"), text(&line, "region")), ("success", "eu-west-1"), "{}", told(&lines));
    let heard = proxy.heard();
    assert!(heard[0].starts_with("POST / root"), "{heard:?}");
    let uploads: Vec<_> = heard.iter().filter(|line| line.contains("/evidence/")).collect();
    assert!(!uploads.is_empty() && uploads.iter().all(|line| line.contains(" ASIA")), "{heard:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_sent_by_the_identity_of_the_pod() {
    if let Some(address) = std::env::var_os(FINDS) {
        let upload = Upload::new("aws:s3", &json!({"bucket": "evidence"}), SMALL_BYTES);
        let endpoint = Some(format!("http://{}", address.display()));
        let aws = Aws { endpoint, ..Aws::default() };
        let (line, lines) = upload.run(Clouds { aws, ..Clouds::default() }).await;
        assert_eq!(text(&line, "status"), "success", "{}", told(&lines));
        return;
    }
    let Some((_server, proxy)) = moto().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    fs::write(&token, "a.token.of-the-cluster").unwrap();
    let mut test = Command::new(std::env::current_exe().unwrap());
    test.args(["uploads::s3::it_is_sent_by_the_identity_of_the_pod", "--exact"]).env(FINDS, &proxy.address);
    test.env("AWS_WEB_IDENTITY_TOKEN_FILE", &token).env("AWS_ROLE_ARN", "arn:aws:iam::123456789012:role/talon");
    test.env("AWS_ENDPOINT_URL", format!("http://{}", proxy.address))
        .env("AWS_REGION", "eu-west-1")
        .env("AWS_EC2_METADATA_DISABLED", "true");
    let ended = tokio::task::spawn_blocking(move || test.output()).await.unwrap().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stdout));
    let heard = proxy.heard();
    // What proves who it is stands in the request, which nobody signs.
    assert!(heard[0].starts_with("POST / ") && !heard[0].contains("root"), "{heard:?}");
    assert!(heard.iter().any(|line| line.starts_with("PUT /evidence/") && line.contains(" ASIA")), "{heard:?}");
}

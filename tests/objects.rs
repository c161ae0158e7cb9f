//! Objects of buckets, by the example for those who write actionners, on an S3 server.

use expect_test::expect;
use serde_json::{Value, json};
use simulation::Simulation;

use crate::outside::{Guest, Outside};
use crate::running::{Host, config, told};

fn archive(target: &str, rest: &str) -> Guest {
    let place = format!("label: evidence, target: {target}, bucket: acme-evidence, prefix: falco/");
    let grants = format!("    objects:\n      - {{{place}, verbs: [get, put]}}\n{rest}");
    Guest { actionner: "acme:archive", component: "EXAMPLE_OBJECTS", grants, dry_run: false }
}

async fn archives_in(target: &str) {
    let (outside, guest) = (Outside::start().await, archive(target, ""));
    let latest = json!({"bucket": "evidence", "key": "shells/la test.json"});
    guest
        .check(
            &outside,
            &latest,
            &expect!["success: the event has been put into 'shells/la test.json' of the bucket 'evidence'"],
        )
        .await;
    let stored: Value =
        serde_json::from_str(&outside.object("acme-evidence", "falco/shells/la test.json").unwrap()).unwrap();
    assert_eq!((&stored["rule"], &stored["output_fields"]["k8s.pod.name"]), (&json!("shell"), &json!("web-0")));

    outside.store("acme-evidence", "falco/shells/la test.json", "of earlier");
    guest.check(&outside, &latest, &expect!["success: the event has been put into 'shells/la test.json' of the bucket 'evidence', and the one before beside it"]).await;
    let earlier = outside.object("acme-evidence", "falco/shells/la test.json.old");
    assert_eq!(earlier.as_deref(), Some("of earlier"));
}

#[tokio::test]
async fn an_archive_in_s3() {
    archives_in("aws:s3").await;
}

#[tokio::test]
async fn an_archive_in_minio() {
    archives_in("minio:s3").await;
}

#[tokio::test]
async fn denied_objects() {
    let outside = Outside::start().await;
    let read_only = "    objects:
      - {label: evidence, target: minio:s3, bucket: acme-evidence, prefix: falco/, verbs: [get]}
      - {label: other, target: minio:s3, bucket: acme-other, verbs: [put]}
";
    let guest = Guest { grants: read_only.to_owned(), ..archive("minio:s3", "") };
    let check = async |bucket: &str, key: &str, expected| {
        guest.check(&outside, &json!({"bucket": bucket, "key": key}), &expected).await;
    };
    check("evidence", "a", expect!["denied: can't write the object 'a' of the bucket 'evidence': denied by the policy: `acme:archive` may not put a in evidence: it has no grant for this"]).await;
    check("other", "a", expect!["denied: can't read the object 'a' of the bucket 'other': denied by the policy: `acme:archive` may not get a in other: it has no grant for this"]).await;
    check("acme-evidence", "a", expect!["denied: can't read the object 'a' of the bucket 'acme-evidence': denied by the policy: `acme:archive` may not get a in acme-evidence: it has no grant for this"]).await;
    check("evidence", "../secret", expect!["failure: can't read the object '../secret' of the bucket 'evidence': `../secret`: a key is made of names with single `/` between them: no `.`, no `..`, no control characters"]).await;
    check("evidence", "/secret", expect!["failure: can't read the object '/secret' of the bucket 'evidence': `/secret`: a key is made of names with single `/` between them: no `.`, no `..`, no control characters"]).await;
    assert_eq!(outside.object("acme-evidence", "falco/a"), None);
}

#[tokio::test]
async fn an_object_past_the_limit_is_not_read() {
    let outside = Outside::start().await;
    outside.store("acme-evidence", "falco/large", &"x".repeat(100_000));
    let guest = archive("minio:s3", "    limits: {response_bytes: 64Ki}\n");
    let large = json!({"bucket": "evidence", "key": "large"});
    guest
        .check(
            &outside,
            &large,
            &expect!["failure: can't read the object 'large' of the bucket 'evidence': the answer is too large"],
        )
        .await;
}

#[tokio::test]
async fn a_dry_run_stores_nothing() {
    let outside = Outside::start().await;
    let guest = Guest { dry_run: true, ..archive("aws:s3", "") };
    guest.act(&outside, &json!({"bucket": "evidence", "key": "a"})).await;
    assert_eq!(outside.object("acme-evidence", "falco/a"), None);
}

#[tokio::test]
async fn a_storage_that_refuses_the_host_is_told_without_its_names() {
    let (outside, guest) = (Outside::start().await, archive("minio:s3", ""));
    let folder = guest.folder(&outside, &json!({"bucket": "evidence", "key": "a"}));
    let mut config = config(folder.path());
    config.clouds = outside.config();
    config.clouds.minio.keys.access_key = "SOMEBODY".to_owned();
    config.retry.attempts_max = 1;
    let host = Host::start(config, Simulation::new(Vec::new()).unwrap().client()).await;
    let host = host.unwrap_or_else(|log| panic!("{}", told(&log.lines())));
    host.post(crate::hostile::event("shell", "web-0")).await;
    let lines = host.stop().await;
    let line = lines.iter().find(|line| line["message"] == "action").unwrap();
    expect!["can't read the object 'a' of the bucket 'evidence': the storage forbids it to the host"]
        .assert_eq(line["error"].as_str().unwrap());
    assert!(lines.iter().any(|line| line["message"] == "capability" && line["capability"] == "objects.get"));
}

#[tokio::test]
async fn a_storage_that_is_not_configured_ends_the_start() {
    let (outside, guest) = (Outside::start().await, archive("minio:s3", ""));
    let folder = guest.folder(&outside, &json!({"bucket": "evidence", "key": "a"}));
    let host = Host::start(config(folder.path()), Simulation::new(Vec::new()).unwrap().client()).await;
    let Err(log) = host else { panic!("it started") };
    expect![[r#"
        error init: 'minio.endpoint' is not set category="minio" status="failure"
    "#]]
    .assert_eq(&told(&log.lines()));
}

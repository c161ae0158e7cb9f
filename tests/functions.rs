//! Functions of clouds, called by a component through the host, on servers that speak their
//! protocols.

use expect_test::expect;
use host::testing::clouds::Role;
use serde_json::{Value, json};
use simulation::Simulation;

use crate::hostile::event;
use crate::outside::{Guest, Outside};
use crate::running::{Host, config, text, told};

const GRANTS: &str = "    functions:
      - {provider: aws}
      - {provider: gcp, locations: [europe-west1]}
";

fn probe(grants: &str) -> Guest {
    Guest { actionner: "probe:functions", component: "PROBE_FUNCTIONS", grants: grants.to_owned(), dry_run: false }
}

#[tokio::test]
async fn lambda_answers_as_it_does() {
    let (outside, guest) = (Outside::start().await, probe(GRANTS));
    let check = async |parameters: Value, expected| guest.check(&outside, &parameters, &expected).await;
    check(json!({"name": "echo"}), expect![[r#"success: 200: {"rule":"shell"}"#]]).await;
    check(json!({"name": "queued"}), expect!["success: 202: "]).await;
    check(json!({"name": "echo", "invocation_type": "Event"}), expect!["success: 202: "]).await;
    check(json!({"name": "echo", "invocation_type": "DryRun"}), expect!["success: 204: "]).await;
    check(json!({"name": "echo", "qualifier": "prod"}), expect![[r#"success: 200: {"rule":"shell"}"#]]).await;
    check(
        json!({"name": "raises"}),
        expect![[r#"success: 200 (Unhandled): {"errorMessage":"boom","errorType":"Error"}"#]],
    )
    .await;
    check(json!({"name": "missing"}), expect!["failure: can't call 'missing': it doesn't exist"]).await;
    check(json!({"name": "busy"}), expect!["failure: can't call 'busy': AWS Lambda is busy: TooManyRequestsException"])
        .await;
    check(
        json!({"name": "forbidden"}),
        expect!["failure: can't call 'forbidden': AWS Lambda forbids it to the host: AccessDeniedException"],
    )
    .await;
    check(json!({"name": "a/b"}), expect!["failure: can't call 'a/b': `a/b`: a function of Lambda is a name or an ARN: letters, digits, `-`, `_`, `.` and `:` only"]).await;
    check(
        json!({"name": "echo", "qualifier": "../x"}),
        expect!["failure: can't call 'echo': a version or an alias is written as `$LATEST`, `7` or `prod`"],
    )
    .await;
    let heard: Vec<_> = outside.heard().into_iter().filter(|line| line != "google access token").collect();
    assert_eq!(heard[0], r#"lambda RequestResponse echo Qualifier=%24LATEST {"rule":"shell"}"#);
    assert_eq!(heard[4], r#"lambda RequestResponse echo Qualifier=prod {"rule":"shell"}"#);
    assert_eq!(heard.len(), 9, "{heard:#?}");
}

#[tokio::test]
async fn an_answer_of_lambda_past_the_limit_is_cut_off() {
    let outside = Outside::start().await;
    let guest = probe(&format!("{GRANTS}    limits: {{response_bytes: 64Ki}}\n"));
    guest
        .check(
            &outside,
            &json!({"name": "endless"}),
            &expect!["failure: can't call 'endless': the answer is too large"],
        )
        .await;
}

#[tokio::test]
async fn google_functions_answer_as_they_do() {
    let (outside, guest) = (Outside::start().await, probe(GRANTS));
    let check = async |name: &str, expected| {
        guest.check(&outside, &json!({"name": name, "location": "europe-west1"}), &expected).await;
    };
    check("echo", expect![[r#"success: 200: {"rule":"shell"}"#]]).await;
    check("first", expect![[r#"success: 200: {"rule":"shell"}"#]]).await;
    check("raises", expect!["success: 500: boom"]).await;
    check("queued", expect!["success: 202: "]).await;
    check("moved", expect!["success: 302: "]).await;
    check("missing", expect!["failure: can't call 'missing': it doesn't exist"]).await;
    check("forbidden", expect!["failure: can't call 'forbidden': Google forbids it to the host"]).await;
    check(
        "triggered",
        expect!["failure: can't call 'triggered': the function triggered has no address: it takes no HTTP"],
    )
    .await;
    let silent = json!({"name": "silent", "location": "europe-west1", "timeout_ms": 100});
    guest
        .check(
            &outside,
            &silent,
            &expect!["unknown: can't call 'silent': it may have been carried out: the function did not answer in time"],
        )
        .await;
    assert_eq!(
        outside.heard()[..4],
        [
            "google access token",
            "google describe europe-west1/echo",
            "google identity token",
            r#"google call europe-west1/echo {"rule":"shell"}"#
        ]
    );
}

#[tokio::test]
async fn denied_functions() {
    let grants = "    functions:
      - {provider: aws, names: [respond]}
      - {provider: gcp, names: [team-*], locations: [europe-west1]}
";
    let (outside, guest) = (Outside::start().await, probe(grants));
    let check = async |parameters: Value, expected| guest.check(&outside, &parameters, &expected).await;
    check(json!({"name": "echo"}), expect![[r#"
        denied: can't call 'echo': denied by the policy: `probe:functions` may not call the function echo of aws: it has no grant for this; to allow it, add under `functions:` of `probe:functions` in the policy:
          - {provider: aws, names: [echo]}
          # it also allows any payload"#]]).await;
    check(json!({"name": "team-a", "location": "us-east1"}), expect![[r#"
        denied: can't call 'team-a': denied by the policy: `probe:functions` may not call the function team-a of gcp in us-east1: it has no grant for this; to allow it, add under `functions:` of `probe:functions` in the policy:
          - {provider: gcp, names: [team-a], locations: [us-east1]}
          # it also allows any payload"#]]).await;
    check(json!({"name": "respond"}), expect![[r#"success: 200: {"rule":"shell"}"#]]).await;
    let (_, lines) = guest.act(&outside, &json!({"name": "echo"})).await;
    assert!(lines.iter().any(|line| line["message"] == "policy" && line["capability"] == "functions.invoke-lambda"));
}

/// It imports both providers' functions, is granted one, and no client of the other is made for it.
#[tokio::test]
async fn what_is_not_granted_is_denied_where_the_entry_says_so() {
    let grants = "    functions: [{provider: aws}]\n    ungranted: deny\n";
    let (outside, guest) = (Outside::start().await, probe(grants));
    let check = async |parameters: Value, expected| guest.check(&outside, &parameters, &expected).await;
    check(json!({"name": "echo"}), expect![[r#"success: 200: {"rule":"shell"}"#]]).await;
    check(json!({"name": "echo", "location": "europe-west1"}), expect![[r#"
        denied: can't call 'echo': denied by the policy: `probe:functions` may not call the function echo of gcp in europe-west1: it has no grant for this; to allow it, add under `functions:` of `probe:functions` in the policy:
          - {provider: gcp, names: [echo], locations: [europe-west1]}
          # it also allows any payload"#]]).await;
    assert_eq!(outside.heard(), [r#"lambda RequestResponse echo Qualifier=%24LATEST {"rule":"shell"}"#]);
}

#[tokio::test]
async fn a_dry_run_calls_no_function() {
    let (outside, guest) = (Outside::start().await, Guest { dry_run: true, ..probe(GRANTS) });
    guest.act(&outside, &json!({"name": "echo"})).await;
    guest.act(&outside, &json!({"name": "echo", "location": "europe-west1"})).await;
    let heard: Vec<_> = outside.heard().into_iter().filter(|line| !line.as_str().unwrap().contains("token")).collect();
    assert_eq!(
        heard,
        [r#"lambda DryRun echo Qualifier=%24LATEST {"rule":"shell"}"#, "google describe europe-west1/echo"]
    );
}

/// What a host says that starts with this configuration of clouds, or why it does not.
async fn start(outside: &Outside, grants: &str, clouds: host::testing::clouds::Clouds) -> Result<Vec<Value>, String> {
    let folder = probe(grants).folder(outside, &json!({"name": "echo", "location": "europe-west1"}));
    let mut config = config(folder.path());
    config.clouds = clouds;
    let place = format!("{}/", folder.path().display());
    match Host::start(config, Simulation::new(Vec::new()).unwrap().client()).await {
        Ok(host) => {
            host.post(event("shell", "web-0")).await;
            Ok(host.stop().await)
        }
        Err(log) => Err(outside.read(&told(&log.lines())).replace(&place, "")),
    }
}

#[tokio::test]
async fn credentials_are_looked_at_before_the_first_event() {
    let outside = Outside::start().await;
    let lines = start(&outside, GRANTS, outside.config()).await.unwrap();
    let init =
        |category: &str| lines.iter().any(|line| text(line, "category") == category && line["status"] == "success");
    assert!(init("aws") && init("gcp") && !init("minio") && !init("kubernetes"), "{lines:#?}");

    let mut clouds = outside.config();
    clouds.google.credentials_path = Some("/nonexistent/key.json".into());
    clouds.aws.role = Some(role(None));
    expect![[r#"
        error init: no credentials: an error occurred while loading credentials: service error: unhandled error (AccessDenied): Error { code: "AccessDenied", message: "not authorized to perform: sts:AssumeRole" } category="aws" status="failure"
        error init: /nonexistent/key.json: No such file or directory (os error 2) category="gcp" status="failure"
    "#]].assert_eq(&start(&outside, GRANTS, clouds).await.unwrap_err());
}

fn role(external_id: Option<&str>) -> Role {
    let external_id = external_id.map(str::to_owned);
    Role { arn: "arn:aws:iam::123456789012:role/talon".to_owned(), external_id }
}

#[tokio::test]
async fn a_role_is_taken_on() {
    let outside = Outside::start().await;
    let mut clouds = outside.config();
    clouds.aws.role = Some(role(Some("of-acme")));
    let guest = probe(GRANTS);
    let folder = guest.folder(&outside, &json!({"name": "echo"}));
    let mut config = config(folder.path());
    config.clouds = clouds;
    let host = Host::start(config, Simulation::new(Vec::new()).unwrap().client()).await;
    let host = host.unwrap_or_else(|log| panic!("{}", told(&log.lines())));
    host.post(event("shell", "web-0")).await;
    let lines = host.stop().await;
    let line = lines.iter().find(|line| line["message"] == "action").unwrap();
    assert_eq!(text(line, "output"), r#"200: {"rule":"shell"}"#, "{lines:#?}");
    assert_eq!(outside.heard()[0], "sts AssumeRole arn:aws:iam::123456789012:role/talon of-acme");
}

#[tokio::test]
async fn a_key_that_google_does_not_know_ends_the_start() {
    let outside = Outside::start().await;
    let folder = tempfile::tempdir().unwrap();
    let refused = async |text: &str| {
        let path = folder.path().join("key.json");
        std::fs::write(&path, text).unwrap();
        let mut clouds = outside.config();
        clouds.google.credentials_path = Some(path);
        let said = start(&outside, GRANTS, clouds).await.unwrap_err();
        said.replace(&folder.path().display().to_string(), "KEYS")
    };
    expect![[r#"
        error init: KEYS/key.json: not a key file of a service account (line 1) category="gcp" status="failure"
    "#]]
    .assert_eq(&refused("not json, but a s3cret").await);
    expect![[r#"
        error init: KEYS/key.json: credentials of the type 'authorized_user' can't call functions: a key of a 'service_account' is needed category="gcp" status="failure"
    "#]].assert_eq(&refused(r#"{"type": "authorized_user", "refresh_token": "s3cret"}"#).await);
    for text in [
        r#"{"type": "hunter2-s3cret"}"#,
        r#"{"type": ["hunter2-s3cret"]}"#,
        r#"{"type": "service_account", "project_id": {"hunter2-s3cret": 1}}"#,
        r#"{"type": "service_account", "private_key": "-----BEGIN s3cret-----\ns3cret\n-----END s3cret-----"}"#,
    ] {
        assert!(!refused(text).await.contains("s3cret"), "{text}");
    }
    expect![[r#"
        error init: KEYS/key.json: its 'private_key' is not an RSA key in PEM category="gcp" status="failure"
    "#]]
    .assert_eq(&refused(r#"{"type": "service_account", "private_key": "s3cret"}"#).await);
}

#[tokio::test]
async fn without_a_key_the_machine_is_asked() {
    let outside = Outside::start().await;
    let mut clouds = outside.config();
    clouds.google.credentials_path = None;
    let lines = start(&outside, GRANTS, clouds).await.unwrap();
    let line = lines.iter().find(|line| line["message"] == "action").unwrap();
    assert_eq!(text(line, "output"), r#"200: {"rule":"shell"}"#);
    let account = "google metadata /computeMetadata/v1/instance/service-accounts/default";
    let expected = json!([
        "google metadata /computeMetadata/v1/project/project-id",
        format!("{account}/token"),
        "google describe europe-west1/echo",
        format!("{account}/identity"),
        r#"google call europe-west1/echo {"rule":"shell"}"#,
    ]);
    assert_eq!(json!(outside.heard()), expected);
}

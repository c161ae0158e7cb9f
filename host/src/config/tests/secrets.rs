//! What stands where a secret is expected, or could be one, is said nowhere.

use super::*;

/// A part of the secret of all cases.
const MARKER: &str = "hunter2";

/// Reads a configuration, and looks for the marker in all that is said of it.
#[track_caller]
fn check(name: &str, text: &str, environment: &[(&str, &str)]) {
    let said = match load_file(name, text, environment) {
        Ok((config, warnings)) => {
            let warnings: Vec<String> = warnings.iter().map(ToString::to_string).collect();
            format!("{} {config:?}", warnings.join("\n"))
        }
        Err(error) => format!("{error} {error:?}"),
    };
    assert!(!said.contains(MARKER), "{text}: {said}");
}

#[test]
fn secrets_that_are_misread_are_not_quoted() {
    for group in ["aws", "minio"] {
        for text in [
            "{access_key: a, secret_key: hunter2-secret}",
            "{access_key: '', secret_key: hunter2-secret}",
            "{secret_key: hunter2-secret}",
            "{secret_key: [hunter2-secret]}",
            "{secret_key: [[hunter2-secret]]}",
            "{secret_key: {hunter2-secret: a}}",
            "{secret_key: a,hunter2-secret}",
            "{secret_key: a, secret_key: hunter2-secret}",
            "{secret_key: !hunter2-secret a}",
            "{secret_key: !hunter2-secret}",
            "{secret_key: *hunter2-secret}",
            "{secret_key: &hunter2-secret *hunter2-secret}",
            "{secret_key: hunter2-secret: a}",
            "{secret_key: @hunter2-secret}",
            "{secret_key: %hunter2-secret}",
            "{secret_key: `hunter2-secret`}",
            "{secret_key: 'hunter2-secret}",
            "{secret_key: \"hunter2-secret\\q\"}",
            "{secret_key: \"hunter2-secret\" b}",
            "hunter2-secret",
            "[hunter2-secret]",
            "\n  secret_key: a\n  hunter2-secret\n",
            "\n  secret_key:\n  hunter2-secret:\n",
            "\n  secret_key: |hunter2-secret\n",
            "\n  secret_key: hunter2-secret: b\n",
            "\n\tsecret_key: hunter2-secret\n",
        ] {
            check("c.yaml", &format!("{group}: {text}\n"), &[]);
        }
        for text in [
            "secret_key = hunter2-secret",
            "secret_key = 'hunter2-secret",
            "secret_key = \"hunter2-secret\\q\"",
            "secret_key = ['hunter2-secret'",
            "secret_key = {a = 'hunter2-secret'}",
            "secret_key = 'a'\nsecret_key = 'hunter2-secret'",
            "secret_key 'hunter2-secret'",
            "secret_key = 'a' hunter2-secret",
        ] {
            check("c.toml", &format!("[{group}]\n{text}\n"), &[]);
        }
        check("c.json", &format!("{{\"{group}\": {{\"secret_key\": \"hunter2-secret}}}}"), &[]);
    }
    check("c.yaml", "notifiers: {smtp: {password: hunter2-secret}, slack: hunter2-secret}\n", &[]);
    for text in [
        "slack: {webhook_url: https://h/hunter2-secret}",
        "slack: {webhook_url: {env: A, hunter2-secret: b}}",
        "slack: {webhook_url: {hunter2-secret: b}}",
        "slack: {webhook_url: {env: [hunter2-secret]}}",
        "slack: {webhook_url: [hunter2-secret]}",
        "slack: {webhook_url: a, webhook_url: hunter2-secret}",
        "slack:\n  webhook_url:\n  hunter2-secret:\n",
        "webhook: {custom_headers: hunter2-secret}",
        "webhook: {custom_headers: {a: hunter2-secret}}",
        "webhook: {custom_headers: {a: [hunter2-secret]}}",
        "smtp: {password: hunter2-secret, user: a}",
    ] {
        let text = text.replace('\n', "\n  ");
        check("c.yaml", &format!("notifiers:\n  {text}\n"), &[]);
    }
    let custom_headers = ("NOTIFIERS_LOKI_CUSTOM_HEADERS", "hunter2-secret");
    check("c.yaml", "", &[("NOTIFIERS_SLACK_WEBHOOK_URL", "hunter2-secret"), custom_headers]);
    check("c.yaml", "aws:\nminio:\n", &[("AWS_SECRET_KEY", "hunter2-secret"), ("MINIO_SECRET_KEY", "hunter2-secret")]);
}

#[test]
fn users_in_addresses_are_not_quoted() {
    check("c.yaml", "minio: {endpoint: 'https://u:hunter2-secret@minio:9000'}\n", &[]);
    check("c.yaml", "minio: {endpoint: 'u:hunter2-secret@minio:9000'}\n", &[]);
    check("c.yaml", "minio:\n", &[("MINIO_ENDPOINT", "u:hunter2-secret@minio:9000")]);
}

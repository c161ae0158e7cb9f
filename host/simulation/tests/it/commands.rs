//! Commands in containers, as steps of the differential test.

use http::Uri;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, AttachParams};
use kube::client::UpgradeConnectionError;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};

/// Run the `command` of a body in the container that `path` names, with the body's `stdin`. The answer is what came of
/// it.
pub(crate) async fn exec(client: &kube::Client, path: &str, body: &str) -> (String, String) {
    let uri: Uri = path.parse().expect("a path");
    let parts: Vec<&str> = uri.path().split('/').collect();
    let [_, "api", "v1", "namespaces", namespace, "pods", pod, "exec"] = parts.as_slice() else {
        unreachable!("{path}")
    };
    let body: Value = serde_json::from_str(body).expect("a body");
    let command = body["command"].as_array().expect("a command").iter().filter_map(Value::as_str);
    let stdin = body["stdin"].as_str();
    let mut parameters = AttachParams::default().stdin(stdin.is_some()).stderr(true);
    if let Some(container) = uri.query().and_then(|query| query.strip_prefix("container=")) {
        parameters = parameters.container(container);
    }
    let pods: Api<Pod> = Api::namespaced(client.clone(), namespace);
    let mut process = match pods.exec(pod, command, &parameters).await {
        Ok(process) => process,
        Err(kube::Error::Api(status)) => {
            let mut answer = serde_json::to_value(&status).expect("JSON");
            answer["kind"] = json!("Status");
            return (status.code.to_string(), answer.to_string());
        }
        Err(kube::Error::UpgradeConnection(UpgradeConnectionError::ProtocolSwitch(status))) => {
            return (status.as_str().to_owned(), "no upgrade".to_owned());
        }
        Err(error) => unreachable!("{path}: {error}"),
    };
    if let (Some(mut input), Some(text)) = (process.stdin(), stdin) {
        // A command need not read what it is given.
        let _ = input.write_all(text.as_bytes()).await;
        let _ = input.shutdown().await;
    }
    let (stdout, stderr) = (process.stdout().expect("stdout"), process.stderr().expect("stderr"));
    let status = process.take_status().expect("a status");
    let (stdout, stderr) = tokio::join!(read(stdout), read(stderr));
    let status = status.await.expect("a status at the end");
    let answer = json!({"kind": "Exit", "stdout": stdout, "stderr": stderr, "status": status});
    ("101".to_owned(), answer.to_string())
}

async fn read(mut stream: impl AsyncRead + Unpin) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.expect("text");
    text
}

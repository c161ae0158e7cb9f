//! Each server that a host sends to goes away in turn and comes back: meanwhile all others get what is theirs, and in the
//! end each has got everything.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::running::{Host, config, text, told};
use crate::servers::{self, Server};
use crate::world::World;

const CLUSTER: &str = "
apiVersion: v1
kind: Pod
metadata: {name: web-0, namespace: shop}
spec: {nodeName: node-1, containers: [{name: web, image: nginx}]}
";

/// A server behind a proxy, by which it is cut off.
struct Far {
    server: Server,
    proxy: Server,
}

impl Far {
    /// `at` names the value by which the server says where it is.
    fn start(script: &str, at: &str) -> Option<Self> {
        let server = servers::start(script, &[])?;
        let address = server.value(at).trim_start_matches("http://").to_owned();
        let proxy = servers::start("toxiproxy", &[&address])?;
        Some(Self { server, proxy })
    }

    fn address(&self) -> &str {
        self.proxy.value("address")
    }

    /// Break all connections and refuse new ones, or let them through again.
    async fn enable(&self, is_there: bool) {
        let host = self.proxy.value("api").trim_start_matches("http://");
        let body = json!({"enabled": is_there}).to_string();
        let mut stream = TcpStream::connect(host).await.unwrap();
        let length = body.len();
        let head = format!("POST /proxies/p HTTP/1.0\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n");
        stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains(" 200 "), "{answer}");
    }
}

fn furnish(folder: &Path, far: &BTreeMap<&str, Far>) {
    let (smtp, s3) = (&far["smtp"], &far["minio:s3"]);
    let config = json!({
        "retry": {"backoff_ms_min": 1, "backoff_ms_max": 50},
        "default_notifiers": ["loki", "elasticsearch", "smtp"],
        "notifiers": {
            "loki": {"url": format!("http://{}/insert", far["loki"].address())},
            "elasticsearch": {"url": format!("http://{}", far["elasticsearch"].address())},
            "smtp": {
                "host_port": smtp.address().replace("127.0.0.1", "localhost"), "tls": true,
                "from": "talon@example.com", "to": "ops@example.com", "user": "user", "password": "secret",
                "ca_file": smtp.server.value("ca"),
            },
        },
        "minio": {"endpoint": s3.address(), "access_key": "root", "secret_key": "secretsecret"},
    });
    let rules = format!(
        "
- rule: Keep it
  match: {{rules: [touched]}}
  actions:
    - action: Fetch
      actionner: kubernetes:download
      parameters: {{file: {}}}
      output: {{target: 'minio:s3', parameters: {{bucket: evidence}}}}
",
        folder.join("evidence").display()
    );
    fs::write(folder.join("evidence"), "what was touched").unwrap();
    fs::write(folder.join("config.yaml"), config.to_string()).unwrap();
    fs::write(folder.join("rules.yaml"), rules).unwrap();
}

async fn touch(host: &Host, number: usize) {
    let event = json!({
        "rule": "touched", "priority": "Notice", "source": "syscall", "output": format!("number {number}"),
        "time": "2025-11-22T13:24:41Z", "output_fields": {"k8s.ns.name": "shop", "k8s.pod.name": "web-0", "n": number},
    });
    host.post(event.to_string()).await;
}

/// Whether a line says that this server got what is of this event, or did not in the first place.
fn of(line: &Value, server: &str, status: &str, trace_id: &str) -> bool {
    let told =
        text(line, "notifier") == server || (line["message"] == "output" && text(line, "output_target") == server);
    told && text(line, "status") == status && (trace_id.is_empty() || text(line, "trace_id") == trace_id)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_server_in_turn_is_killed_and_comes_back_and_gets_everything() {
    let started = [("loki", "loki", "url"), ("elasticsearch", "opensearch", "url"), ("smtp", "smtp", "smtp")];
    let started = started.into_iter().chain([("minio:s3", "s3", "url")]);
    let far = started.map(|(name, script, at)| Some((name, Far::start(script, at)?)));
    let Some(far) = far.collect::<Option<BTreeMap<_, _>>>() else { return };
    let folder = tempfile::tempdir().unwrap();
    furnish(folder.path(), &far);
    let mut config = config(folder.path());
    config.data_dir = Some(folder.path().join("data"));
    let host = Host::start(config, World::simulated(CLUSTER).client().0).await;
    let host = host.unwrap_or_else(|log| panic!("{}", told(&log.lines())));
    for (number, (killed, proxy)) in far.iter().enumerate() {
        proxy.enable(false).await;
        touch(&host, number).await;
        let tag = if *killed == "minio:s3" { "output" } else { "notification" };
        let due = host.log.line(tag, |line| of(line, killed, "due", "")).await;
        let trace_id = text(&due, "trace_id").to_owned();
        for other in far.keys().filter(|other| *other != killed) {
            let tag = if *other == "minio:s3" { "output" } else { "notification" };
            host.log.line(tag, |line| of(line, other, "success", &trace_id)).await;
        }
        proxy.enable(true).await;
        host.log.line(tag, |line| of(line, killed, "success", &trace_id)).await;
    }
    host.wait_until_idle().await;
    let lines = host.stop().await;
    let count = |server: &str, status: &str| lines.iter().filter(|line| of(line, server, status, "")).count();
    for server in far.keys() {
        // Of each event a notifier is told twice: of the action, and of the artifact.
        let expected = if *server == "minio:s3" { far.len() } else { 2 * far.len() };
        assert_eq!((count(server, "success"), count(server, "failure")), (expected, 0), "{server}: {}", told(&lines));
    }
}

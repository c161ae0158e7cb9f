//! What lies outside of the cluster: servers that speak the protocols of clouds, of object
//! storage and of the web, on this machine.
//!
//! [`Outside::start`] gives all of them, and the configuration under which a host finds them.
//! Texts of cases name them by words that [`Outside::write`] puts addresses in for.

mod google;
mod lambda;
mod storage;
mod web;

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use expect_test::Expect;
use host::testing::clouds::{Aws, Clouds, Google, Keys, Minio, Secret};
use host::testing::digest;
use regex::Regex;
use serde_json::{Value, json};
use simulation::Simulation;
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::hostile::event;
use crate::published;
use crate::running::{Host, config, text, told};

pub(crate) const ACCESS_KEY: &str = "AKIDOFTHETEST";
const SECRET_KEY: &str = "the-secret-of-the-test";
const REGION: &str = "eu-west-1";

/// Components that a case can name in its policy, as `DIGEST_OF_EXAMPLE_HTTP` for one.
const COMPONENTS: [(&str, &[u8]); 11] = [
    ("EXAMPLE_ACCOUNT", include_bytes!(concat!(env!("OUT_DIR"), "/example-account.wasm"))),
    ("EXAMPLE_DEBUG", include_bytes!(concat!(env!("OUT_DIR"), "/example-debug.wasm"))),
    ("EXAMPLE_HTTP", include_bytes!(concat!(env!("OUT_DIR"), "/example-http.wasm"))),
    ("EXAMPLE_OBJECTS", include_bytes!(concat!(env!("OUT_DIR"), "/example-objects.wasm"))),
    ("EXAMPLE_RESTART", include_bytes!(concat!(env!("OUT_DIR"), "/example-restart.wasm"))),
    ("EXAMPLE_SCALE", include_bytes!(concat!(env!("OUT_DIR"), "/example-scale.wasm"))),
    ("EXAMPLE_SUSPEND", include_bytes!(concat!(env!("OUT_DIR"), "/example-suspend.wasm"))),
    ("EXAMPLE_TAINT", include_bytes!(concat!(env!("OUT_DIR"), "/example-taint.wasm"))),
    ("EXAMPLE_TICKET", include_bytes!(concat!(env!("OUT_DIR"), "/example-ticket.wasm"))),
    ("PROBE_FUNCTIONS", include_bytes!(concat!(env!("OUT_DIR"), "/probe-functions.wasm"))),
    ("PUBLISHED_1_0_0", published::V1_0_0),
];

/// The servers, until it is dropped.
pub(crate) struct Outside {
    lambda: String,
    google: String,
    storage: String,
    web: String,
    heard: Heard,
    /// Where objects lie and the key of the service account.
    folder: TempDir,
}

/// What servers were asked, in the order in which it came.
#[derive(Clone, Default)]
pub(crate) struct Heard(Arc<Mutex<Vec<Value>>>);

impl Heard {
    fn add(&self, line: impl Into<String>) {
        self.0.lock().unwrap().push(json!(line.into()));
    }

    /// All so far.
    pub(crate) fn all(&self) -> Vec<Value> {
        self.0.lock().unwrap().clone()
    }
}

impl Outside {
    /// Start all servers, each with what `heard` says of it.
    pub(crate) async fn start() -> Outside {
        let heard = Heard::default();
        let folder = tempfile::tempdir().unwrap();
        let google = google::start(heard.clone(), &folder.path().join("service-account.json")).await;
        Outside {
            lambda: lambda::start(heard.clone()).await,
            google,
            storage: storage::start(&folder.path().join("storage")).await,
            web: web::start(heard.clone()).await,
            heard,
            folder,
        }
    }

    /// Under which a host finds all of them.
    pub(crate) fn config(&self) -> Clouds {
        let keys = Keys { access_key: ACCESS_KEY.to_owned(), secret_key: Secret::new(SECRET_KEY) };
        Clouds {
            aws: Aws {
                keys: Some(keys.clone()),
                region: Some(REGION.to_owned()),
                role: None,
                // That of Lambda knows roles, too.
                endpoint: Some(format!("http://{}", self.lambda)),
                lambda_endpoint: None,
                s3_endpoint: Some(format!("http://{}", self.storage)),
                ..Aws::default()
            },
            google: Google {
                credentials_path: Some(self.folder.path().join("service-account.json")),
                project: None,
                functions_endpoint: Some(format!("http://{}", self.google)),
                storage_endpoint: None,
                metadata_host: Some(self.google.clone()),
            },
            minio: Minio { endpoint: self.storage.clone(), keys, use_ssl: false },
        }
    }

    /// What the servers were asked.
    pub(crate) fn heard(&self) -> Vec<Value> {
        self.heard.all()
    }

    /// The content of an object, none where there is no such.
    pub(crate) fn object(&self, bucket: &str, key: &str) -> Option<String> {
        std::fs::read_to_string(self.folder.path().join("storage").join(bucket).join(key)).ok()
    }

    /// Store an object, as somebody else would.
    pub(crate) fn store(&self, bucket: &str, key: &str, content: &str) {
        let path = self.folder.path().join("storage").join(bucket).join(key);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        // What the server has noted of the object before, its digests among it.
        for entry in std::fs::read_dir(self.folder.path().join("storage")).unwrap() {
            let path = entry.unwrap().path();
            if path.display().to_string().ends_with(".internal.json") {
                std::fs::remove_file(path).unwrap();
            }
        }
    }

    /// A text with addresses and digests in the place of their words.
    pub(crate) fn write(&self, text: &str) -> String {
        let text = text.replace("WEB_SERVER", &self.web);
        COMPONENTS.iter().fold(text, |text, (name, bytes)| {
            if text.contains(name) { text.replace(&format!("DIGEST_OF_{name}"), &digest(bytes)) } else { text }
        })
    }

    /// The components whose digests a text asks for.
    pub(crate) fn components(text: &str) -> impl Iterator<Item = (&'static str, &'static [u8])> {
        COMPONENTS.into_iter().filter(move |(name, _)| text.contains(&format!("DIGEST_OF_{name}")))
    }

    /// A text with words in the place of what differs from run to run.
    pub(crate) fn read(&self, text: &str) -> String {
        // Payloads carry the identity of an event, in a text within a text.
        let trace_id = Regex::new(r#"(trace_id\\*": ?\\*")[0-9a-f]{32}"#).unwrap();
        let text = trace_id.replace_all(text, "${1}TRACE_ID");
        text.replace(&self.web, "WEB_SERVER").replace(&self.google, "GOOGLE_SERVER")
    }
}

/// A free port of this machine, and its address.
async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

/// Serve until the test ends.
pub(crate) async fn serve(router: axum::Router) -> String {
    let (listener, address) = listen().await;
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// A guest, what the policy grants to it, and how its rule is.
pub(crate) struct Guest {
    /// As the rule names it.
    pub(crate) actionner: &'static str,
    /// As a policy names its digest.
    pub(crate) component: &'static str,
    /// The grants, each key a line of its own.
    pub(crate) grants: String,
    /// Whether the rule is only rehearsed.
    pub(crate) dry_run: bool,
}

impl Guest {
    /// The files of a host that has this guest, with one rule for it.
    pub(crate) fn folder(&self, outside: &Outside, parameters: &Value) -> TempDir {
        let Guest { actionner, component, grants, dry_run } = self;
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
        let rules = format!(
            "- rule: Respond\n  dry_run: {dry_run}\n  match: {{rules: [shell]}}\n  actions:\n    \
             - {{action: Do it, actionner: '{actionner}', parameters: {parameters}}}\n"
        );
        write("rules.yaml", outside.write(&rules).as_bytes());
        let policy = format!("actionners:\n  {actionner}:\n    digest: DIGEST_OF_{component}\n{grants}");
        write("policy.yaml", outside.write(&policy).as_bytes());
        std::fs::create_dir(folder.path().join("actionners")).unwrap();
        for (name, bytes) in Outside::components(&policy) {
            write(&format!("actionners/{name}.wasm"), bytes);
        }
        folder
    }

    /// Respond to one event. How the action ended, as "status: words", and all lines of the log.
    pub(crate) async fn act(&self, outside: &Outside, parameters: &Value) -> (String, Vec<Value>) {
        let folder = self.folder(outside, parameters);
        let mut config = config(folder.path());
        config.clouds = outside.config();
        config.retry.attempts_max = 1;
        let simulation = Simulation::new(Vec::new()).unwrap();
        let host = Host::start(config, simulation.client()).await;
        let host = host.unwrap_or_else(|log| panic!("{}", told(&log.lines())));
        host.post(event("shell", "web-0")).await;
        let lines = host.stop().await;
        let line = lines.iter().find(|line| line["message"] == "action").unwrap();
        let ended = format!("{}: {}{}", text(line, "status"), text(line, "error"), text(line, "output"));
        (outside.read(&ended), lines)
    }

    /// The same, of which only the end is looked at.
    pub(crate) async fn check(&self, outside: &Outside, parameters: &Value, expected: &Expect) {
        let (ended, lines) = self.act(outside, parameters).await;
        expected.assert_eq(&ended);
        assert!(!json!(lines).to_string().contains(SECRET_KEY), "the log tells a secret");
    }
}

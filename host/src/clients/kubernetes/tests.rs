//! An API server whose credentials change, that is away, or that says nothing, while requests are sent.

mod server;

use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Mutex;

use futures_util::future::join_all;
use policy::Limits;
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::*;
use crate::clients::Meter;
use crate::telemetry::logs::Format;
use server::{Authority, Server, Ways};

/// More than one call may have on their way at once.
const MANY: usize = 60;

/// What was written to the log.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn count(&self, words: &str) -> usize {
        String::from_utf8_lossy(&self.0.lock().unwrap()).matches(words).count()
    }
}

/// A host and its API server.
struct World {
    folder: TempDir,
    authority: Authority,
    server: Server,
    log: Log,
}

impl World {
    async fn new() -> Self {
        // The client library takes the one of the process.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let authority = Authority::new();
        let ways = Ways { tls: authority.serve(None), token: None, is_silent: false };
        let world = Self {
            folder: tempfile::tempdir().unwrap(),
            server: Server::start(ways).await,
            authority,
            log: Log::default(),
        };
        world.authority.write(&world.path("ca"));
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    /// A client whose kubeconfig has this user.
    async fn client(&self, user: &str) -> Kubernetes {
        self.write_kubeconfig(user);
        self.connect().await
    }

    async fn connect(&self) -> Kubernetes {
        let cluster = Cluster::Kubeconfig(self.path("kubeconfig"));
        let logger = Logger::new(Format::Json, self.log.clone());
        Kubernetes::connect(&cluster, Some(&logger)).await.unwrap().unwrap()
    }

    fn write_kubeconfig(&self, user: &str) {
        self.write_kubeconfig_to(self.server.address, user);
    }

    fn write_kubeconfig_to(&self, address: SocketAddr, user: &str) {
        self.write(
            "kubeconfig",
            &format!(
                "clusters: [{{name: c, cluster: {{server: 'https://{address}', certificate-authority: ca}}}}]\n\
                 contexts: [{{name: x, context: {{cluster: c, user: u}}}}]\n\
                 current-context: x\nusers: [{{name: u, user: {user}}}]\n"
            ),
        );
    }

    /// All of many writes are carried out, each once, and one renewal of the credentials serves them all.
    async fn nothing_is_lost(&self, client: &Kubernetes) {
        let (before, renewed) = (self.server.seen(|seen| seen.carried_out), self.log.count("read again"));
        let meter = meter();
        let ends = join_all((0..MANY).map(|_| write(client, &meter))).await;
        for end in ends {
            assert_eq!(end.into_result().map(|written| written.identity.uid).unwrap(), "u");
        }
        assert_eq!(self.server.seen(|seen| seen.carried_out) - before, MANY);
        assert_eq!(self.log.count("read again"), renewed + 1);
        assert!(!client.circuit().is_open());
    }
}

fn meter() -> Meter {
    Meter::new(&Limits { requests_max: 10_000, ..Limits::default() })
}

async fn write(client: &Kubernetes, meter: &Meter) -> End<Written> {
    let request = ApiRequest::write(Method::PATCH, "/api/v1/pods/a".to_owned(), JSON, Bytes::from_static(b"{}"));
    let permit = meter.permit(Instant::now() + Duration::from_secs(30), false, Arc::default());
    client.write(&request, &permit).await
}

/// Why a write was not carried out, and what is said of it in the log.
async fn refusal(client: &Kubernetes) -> (String, String) {
    let Refusal { error, said } = write(client, &meter()).await.into_result().map(drop).unwrap_err();
    (format!("{error:?}"), said.map(|said| said.words).unwrap_or_default())
}

#[tokio::test]
async fn a_token_that_is_replaced_costs_nothing() {
    let world = World::new().await;
    world.server.change(|ways| ways.token = Some("one"));
    world.write("token", "one\n");
    let client = world.client("{tokenFile: token}").await;
    write(&client, &meter()).await.into_result().map(drop).unwrap();
    world.server.change(|ways| ways.token = Some("two"));
    world.write("token", "two\r\n");
    world.nothing_is_lost(&client).await;
}

#[tokio::test]
async fn a_kubeconfig_that_is_replaced_costs_nothing() {
    let world = World::new().await;
    world.server.change(|ways| ways.token = Some("one"));
    let client = world.client("{token: one}").await;
    write(&client, &meter()).await.into_result().map(drop).unwrap();
    world.server.change(|ways| ways.token = Some("two"));
    world.write_kubeconfig("{token: two}");
    world.nothing_is_lost(&client).await;
}

#[tokio::test]
async fn a_plugin_is_asked_again_where_what_it_said_is_refused() {
    let world = World::new().await;
    world.server.change(|ways| ways.token = Some("one"));
    let said = |token: &str| {
        let credential = format!(
            "{{\"kind\": \"ExecCredential\", \"apiVersion\": \"client.authentication.k8s.io/v1\", \"status\": {{\"token\": \"{token}\"}}}}"
        );
        world.write("said", &credential);
    };
    said("one");
    world.write("plugin", &format!("#!/bin/sh\ncat {}\n", world.path("said").display()));
    std::fs::set_permissions(world.path("plugin"), std::fs::Permissions::from_mode(0o755)).unwrap();
    let plugin = world.path("plugin").display().to_string();
    let user =
        format!("{{exec: {{apiVersion: client.authentication.k8s.io/v1, command: {plugin}, interactiveMode: Never}}}}");
    let client = world.client(&user).await;
    write(&client, &meter()).await.into_result().map(drop).unwrap();
    said("two");
    world.server.change(|ways| ways.token = Some("two"));
    world.nothing_is_lost(&client).await;
}

#[tokio::test]
async fn an_authority_that_is_replaced_costs_nothing() {
    let world = World::new().await;
    let client = world.client("{token: one}").await;
    write(&client, &meter()).await.into_result().map(drop).unwrap();
    let other = Authority::new();
    other.write(&world.path("ca"));
    world.server.change(|ways| ways.tls = other.serve(None));
    world.server.is_left_alone().await;
    world.nothing_is_lost(&client).await;
}

#[tokio::test]
async fn a_client_certificate_that_is_replaced_costs_nothing() {
    let world = World::new().await;
    let renew = |clients: &Authority| {
        clients.write_client(&world.path("cert"), &world.path("key"));
        world.server.change(|ways| ways.tls = world.authority.serve(Some(clients)));
    };
    renew(&Authority::new());
    let client = world.client("{client-certificate: cert, client-key: key}").await;
    write(&client, &meter()).await.into_result().map(drop).unwrap();
    renew(&Authority::new());
    world.server.is_left_alone().await;
    world.nothing_is_lost(&client).await;
}

#[tokio::test]
async fn credentials_that_stay_refused_are_a_server_that_is_away() {
    let world = World::new().await;
    world.server.change(|ways| ways.token = Some("two"));
    let client = world.client("{token: one}").await;
    let expected = r#"Unavailable("the API server does not know the host's credentials")"#;
    for _ in 0..3 {
        assert_eq!(refusal(&client).await, (expected.to_owned(), "Unauthorized".to_owned()));
    }
    assert!(client.circuit().is_open());
    assert_eq!(world.server.seen(|seen| seen.refused), 3);
    // A file that can't be used is reported once, and the last one stays in force.
    world.write("kubeconfig", "users: [");
    for _ in 0..2 {
        client.circuit().ready().await;
        assert_eq!(refusal(&client).await.0, expected);
    }
    assert_eq!(world.log.count("this is not a kubeconfig"), 1);
    world.write_kubeconfig("{token: two}");
    client.circuit().ready().await;
    write(&client, &meter()).await.into_result().map(drop).unwrap();
    assert!(!client.circuit().is_open());
}

#[tokio::test]
async fn a_server_that_is_away_is_not_asked_by_all() {
    let world = World::new().await;
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    world.write_kubeconfig_to(address, "{token: one}");
    let client = world.connect().await;
    let meter = meter();
    let unreached = r#"Unavailable("the API server can't be reached")"#;
    for _ in 0..3 {
        let (error, words) = refusal(&client).await;
        assert_eq!(error, unreached);
        assert!(words.starts_with(&address.to_string()) && words.contains("Connection refused"), "{words}");
    }
    let end = write(&client, &meter).await;
    assert_eq!(end.ending(), crate::clients::Ending::NotSent);
    let Refusal { said, .. } = end.into_result().map(drop).unwrap_err();
    assert!(said.is_none(), "each that is not sent would be a line of the log");
    assert_eq!(meter.away().unwrap().name(), "kubernetes");
    let tls = world.authority.serve(None);
    let server = Server::start_at(address, Ways { tls, token: None, is_silent: false }).await;
    client.circuit().ready().await;
    write(&client, &meter).await.into_result().map(drop).unwrap();
    assert!(!client.circuit().is_open());
    assert_eq!(server.seen(|seen| seen.carried_out), 1);
    assert_eq!((world.log.count("is away"), world.log.count("answers again")), (1, 1));
}

#[tokio::test]
async fn an_answer_that_does_not_begin_costs_one_deadline_and_its_connections() {
    let world = World::new().await;
    let client = world.client("{token: one}").await;
    write(&client, &meter()).await.into_result().map(drop).unwrap();
    world.server.change(|ways| ways.is_silent = true);
    let sent = tokio::spawn({
        let client = client.clone();
        async move { (refusal(&client).await, Instant::now()) }
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let began = Instant::now();
    tokio::time::pause();
    let ((error, words), ended) = sent.await.unwrap();
    tokio::time::resume();
    assert_eq!(error, r#"Unknown("no answer came in time")"#);
    assert_eq!(words, format!("{}: no answer has begun within 15.0 s", world.server.address));
    assert!(ended - began <= FIRST_BYTE_MAX);
    world.server.change(|ways| ways.is_silent = false);
    let connections = world.server.seen(|seen| seen.connections);
    write(&client, &meter()).await.into_result().map(drop).unwrap();
    assert_eq!(world.server.seen(|seen| seen.connections), connections + 1);
}

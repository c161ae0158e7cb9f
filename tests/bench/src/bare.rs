//! The servers that this program is itself, each in a process of its own: the host's intake, and
//! what the host is compared with.

use std::future::pending;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use axum::serve::ListenerExt;
use bytes::Bytes;
use host::testing::{Admission, Answering};
use host::testing::{Audit, Metrics, Reporting};
use host::testing::{Config, Deduplication, ServerLimits};
use host::testing::{Format, Logger};
use host::testing::{Intake, serve as serve_host};
use host::testing::{Limits, Store, StoreOutcome, StoreSettings};
use http::StatusCode;
use rusqlite::Connection;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpListener;

use crate::{Result, stage};

/// Be the server `what`, on a free port that is printed.
pub(crate) fn serve(what: &str, api: Option<&str>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        println!("{}", listener.local_addr()?);
        match (what, api) {
            ("intake", None) => host_intake(listener, None).await,
            ("intake-stored", None) => host_intake(listener, Some(TempDir::new()?.path())).await,
            ("bare-insert", None) => {
                let folder = TempDir::new()?;
                let router = Router::new().route("/", post(insert)).with_state(table(folder.path())?);
                bare(listener, router).await
            }
            ("bare-intake", None) => bare(listener, Router::new().route("/", post(parse))).await,
            ("bare-label", Some(api)) => {
                let config = kube::Config::new(api.parse()?);
                let router = Router::new().route("/", post(label)).with_state(kube::Client::try_from(config)?);
                bare(listener, router).await
            }
            _ => Err(format!("there is no server '{what}'").into()),
        }
    })
}

/// The HTTP edge of the host, whose events are acknowledged as soon as they are stored: in this folder, or in memory.
async fn host_intake(listener: TcpListener, folder: Option<&Path>) -> Result<()> {
    let (logger, metrics) = (Logger::new(Format::Json, std::io::sink()), Metrics::new("bench", 2_000)?);
    let limits_of_store =
        Limits { entries_max: 1_000_000, stored_bytes_max: 4 << 30, loaded_bytes_max: 1 << 27, in_flight_max: 4_096 };
    let reporting = Reporting::new(logger.clone(), metrics.clone(), Audit::to_log(logger.clone()));
    let store = match folder {
        Some(folder) => Store::open(folder, StoreSettings::of(limits_of_store), &reporting)?.0,
        None => Store::in_memory(StoreSettings::of(limits_of_store), &reporting)?,
    };
    let intake = Intake {
        admission: admission(&store, &metrics),
        metrics,
        logger,
        health: reporting.health,
        print_all_events: false,
        limits: limits()?,
    };
    tokio::spawn(async move {
        while let Some(entry) = store.next().await {
            store.finish(&entry, StoreOutcome::Done, "");
        }
    });
    serve_host(listener, intake, pending()).await;
    Ok(())
}

/// The way into a store, of events that a rule answers and that are no repeats.
pub(crate) fn admission(store: &Store, metrics: &Metrics) -> Admission {
    let repeats = Deduplication { window: Duration::ZERO, fields: Vec::new(), events_max: 1 };
    let answered_by = |_: &rules::Event| Answering { is_any: true, live: Vec::new() };
    Admission::new(store.clone(), metrics.clone(), &repeats, Arc::new(answered_by))
}

/// Those of a host that is not configured.
fn limits() -> Result<ServerLimits> {
    let rules = [std::path::PathBuf::from("rules.yaml")];
    let (config, _) = Config::load(None, &rules, |_| None, |path| std::fs::read_to_string(path))?;
    Ok(config.server)
}

async fn bare(listener: TcpListener, router: Router) -> Result<()> {
    let listener = listener.tap_io(|stream| {
        // As the host does; a socket that refuses it works all the same.
        let _ = stream.set_nodelay(true);
    });
    Ok(axum::serve(listener, router).await?)
}

async fn parse(body: Bytes) -> StatusCode {
    match serde_json::from_slice::<Value>(&body) {
        Ok(event) => {
            std::hint::black_box(event);
            StatusCode::OK
        }
        Err(_) => StatusCode::BAD_REQUEST,
    }
}

/// A table as the host's, with the changes of each request with the operating system before its answer.
fn table(folder: &Path) -> Result<Table> {
    let connection = Connection::open(folder.join("bare.db"))?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection
        .execute_batch("CREATE TABLE entry (id INTEGER PRIMARY KEY AUTOINCREMENT, received INTEGER, body BLOB)")?;
    Ok(Arc::new(Mutex::new(connection)))
}

type Table = Arc<Mutex<Connection>>;

async fn insert(State(table): State<Table>, body: Bytes) -> StatusCode {
    if serde_json::from_slice::<Value>(&body).is_err() {
        return StatusCode::BAD_REQUEST;
    }
    let inserted = tokio::task::spawn_blocking(move || {
        let table = table.lock().unwrap_or_else(PoisonError::into_inner);
        let sql = "INSERT INTO entry (received, body) VALUES (unixepoch(), ?1)";
        table.prepare_cached(sql).and_then(|mut insert| insert.execute([&*body]))
    });
    match inserted.await {
        Ok(Ok(_)) => StatusCode::OK,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

async fn label(State(client): State<kube::Client>, body: Bytes) -> StatusCode {
    let Ok(event) = serde_json::from_slice::<Value>(&body) else { return StatusCode::BAD_REQUEST };
    let fields = &event["output_fields"];
    let (Some(namespace), Some(pod)) = (fields["k8s.ns.name"].as_str(), fields["k8s.pod.name"].as_str()) else {
        return StatusCode::BAD_REQUEST;
    };
    match patch(&client, namespace, pod, stage::PATCH.to_owned()).await {
        Ok(_) => StatusCode::OK,
        Err(_) => StatusCode::BAD_GATEWAY,
    }
}

/// The request that `kubernetes:label` leads to, and its answer.
pub(crate) async fn patch(client: &kube::Client, namespace: &str, pod: &str, patch: String) -> Result<Value> {
    let request = http::Request::patch(format!("/api/v1/namespaces/{namespace}/pods/{pod}?fieldManager=falco-talon"))
        .header("accept", "application/json")
        .header("content-type", "application/merge-patch+json")
        .body(patch.into_bytes())?;
    Ok(client.request::<Value>(request).await?)
}

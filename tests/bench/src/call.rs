//! One call of an actionner with one host call, and the same work without a sandbox.
//!
//! The client answers at once and without a socket, so that what is left is the instance, the
//! call, the policy and what is copied between them.

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use tokio::time::Instant;

use host::testing::Audit;
use host::testing::Call;
use host::testing::Config;
use host::testing::Loader;
use host::testing::Metrics;
use host::testing::Reporting;
use host::testing::Room;
use host::testing::TraceId;
use host::testing::{Actionner, Compiler, Engine, Invocation, Outcome};
use host::testing::{Clients, Cluster};
use host::testing::{Format, Logger};
use kube::client::Body;
use policy::Facts;
use rules::Event;
use serde_json::{Value, json};

use crate::report::{heading, median, percentile, row};
use crate::stage::{self, Files};
use crate::{ROUNDS, Result, bare};

/// Calls of each side in a round.
const CALLS: usize = 2_000;

/// What a call is made with, prepared as the host prepares it.
struct Prepared {
    actionner: Arc<Actionner>,
    clients: Clients,
    reporting: Reporting,
    event: Event,
    invocation: Invocation,
    client: kube::Client,
}

pub(crate) fn run() -> Result<()> {
    // A single thread: no wake-up of another core is taken for the cost of a call.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(measure())
}

async fn measure() -> Result<()> {
    heading("instantiate + call + one host call (kubernetes:label), a client that answers at once");
    let prepared = prepare().await?;
    let (mut p50, mut p99) = ([const { Vec::new() }; 2], [const { Vec::new() }; 2]);
    let mut overhead = Vec::new();
    for round in 0..=ROUNDS {
        let mut times = [const { Vec::new() }; 2];
        for _ in 0..CALLS {
            let began = Instant::now();
            sandboxed(&prepared).await?;
            times[0].push(began.elapsed().as_nanos() as f64 / 1e3);
            let began = Instant::now();
            native(&prepared).await?;
            times[1].push(began.elapsed().as_nanos() as f64 / 1e3);
        }
        // The first round fills caches.
        if round > 0 {
            for side in 0..2 {
                p50[side].push(median(&times[side]));
                p99[side].push(percentile(&times[side], 99.0));
            }
            overhead.push(median(&times[0]) - median(&times[1]));
        }
    }
    row("in the sandbox, p50", median(&p50[0]), "µs", "");
    row("in the sandbox, p99", median(&p99[0]), "µs", "");
    row("the same work natively, p50", median(&p50[1]), "µs", "");
    row("the same work natively, p99", median(&p99[1]), "µs", "");
    row("overhead of the sandbox, p50", median(&overhead), "µs", "aim: 60, at most 100");
    Ok(())
}

async fn prepare() -> Result<Prepared> {
    let answer = |_: http::Request<Body>| async {
        Ok::<_, Infallible>(http::Response::new(Body::from(stage::POD.as_bytes().to_vec())))
    };
    let client = kube::Client::new(tower::service_fn(answer), "default");
    let files = Files::new(0, "http://127.0.0.1:1")?;
    let read = |path: &Path| std::fs::read_to_string(path);
    let (config, _) = Config::load(None, &[files.rules()], |_| None, read)?;
    let logger = Logger::new(Format::Json, std::io::sink());
    let metrics = Metrics::new("bench", config.metrics_series_max)?;
    let reporting = Reporting::new(logger.clone(), metrics, Audit::to_log(logger));
    let engine = Engine::new(config.concurrency_events_max, Compiler::own())?;
    let loader = Loader::new(&config, Cluster::Client(client.clone()), engine, None, reporting.clone());
    let loaded = loader
        .load()
        .await
        .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))?;
    let actionners = loaded.generation.actionners;
    let actionner = actionners.get("kubernetes:label").ok_or("the rule does not need kubernetes:label")?.clone();
    let event = Event::from_json(stage::EVENT.as_bytes())?;
    let invocation = Invocation {
        event: event.to_json(),
        parameters: json!({"labels": {"suspicious": "true"}, "level": "pod"}).to_string(),
        context: json!({
            "falco-talon.rule": "Suspicious shell", "falco-talon.action": "Label the pod",
            "falco-talon.actionner": "kubernetes:label",
        })
        .to_string(),
        trace_id: TraceId::random().to_string(),
    };
    Ok(Prepared { actionner, clients: loaded.generation.clients, reporting, event, invocation, client })
}

async fn sandboxed(prepared: &Prepared) -> Result<()> {
    let Prepared { actionner, clients, reporting, event, invocation, .. } = prepared;
    let call = Call::new(
        actionner.grants().clone(),
        Facts::of(event),
        false,
        invocation.trace_id.clone(),
        clients.clone(),
        Room::new(u64::MAX),
        reporting.clone(),
    );
    match actionner.call(invocation, call).await?.result {
        Ok(Outcome::Done(_)) => Ok(()),
        Ok(Outcome::Ignored(report)) => Err(report.message.into()),
        Err(failure) => Err(failure.message.into()),
    }
}

/// What the component and the host do for it, but for the instance, the policy and the copies:
/// read the invocation, plan the patch, send it, read the answer.
async fn native(prepared: &Prepared) -> Result<()> {
    let Invocation { event, parameters, context, .. } = &prepared.invocation;
    let event = Event::from_json(event.as_bytes())?;
    let parameters: Value = serde_json::from_str(parameters)?;
    let _context: Value = serde_json::from_str(context)?;
    let pod = event.pod().ok_or("the event names no pod")?;
    let patch = json!({"metadata": {"labels": parameters["labels"]}}).to_string();
    let answer = bare::patch(&prepared.client, pod.namespace, pod.name, patch).await?;
    let message = format!("the pod '{}' in the namespace '{}' has been labeled", pod.name, pod.namespace);
    std::hint::black_box((answer, message));
    Ok(())
}

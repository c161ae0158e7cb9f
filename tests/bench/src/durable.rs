//! What it costs to forget nothing: the store on disk beside the one in memory, and beside a handler that makes the
//! same insert; what waits, in memory and in time.

use std::time::Duration;

use host::testing::{Audit, Format, Limits, Logger, Metrics, Reporting, Store, StoreSettings};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::api::Api;
use crate::load::{CONNECTIONS, act, flood, pace, store};
use crate::process::{Server, free_port};
use crate::report::{heading, median, percentile, ratio, row};
use crate::stage::Files;
use crate::{ROUND, ROUNDS, Result, bare};

/// The pace at which latencies are compared.
const EVENTS_PER_SECOND: u32 = 1_000;

/// Events that wait.
const WAITING: usize = 100_000;

pub(crate) async fn run() -> Result<()> {
    intake().await?;
    journey().await?;
    recovery().await?;
    waiting().await
}

async fn intake() -> Result<()> {
    heading(&format!("intake with the store, {CONNECTIONS} connections"));
    let servers = [Server::own(&["intake-stored"])?, Server::own(&["intake"])?, Server::own(&["bare-insert"])?];
    let mut rates = [const { Vec::new() }; 3];
    for round in 0..=ROUNDS {
        for (side, server) in servers.iter().enumerate() {
            let rate = flood(server.address, ROUND).await?;
            // The first round warms up.
            if round > 0 {
                rates[side].push(rate);
            }
        }
    }
    row("host, store on disk", median(&rates[0]), "events/s", "");
    row("host, store in memory", median(&rates[1]), "events/s", "");
    row("bare axum handler that makes the same insert", median(&rates[2]), "events/s", "");
    row("rate, on disk / in memory", ratio(&rates[0], &rates[1]), "", "");
    row("rate, host on disk / bare", ratio(&rates[0], &rates[2]), "", "");
    Ok(())
}

async fn journey() -> Result<()> {
    heading(&format!("event to API call with durability and without, {CONNECTIONS} connections, API latency 5 ms"));
    let (api, address) = Api::start().await?;
    let url = format!("http://{address}");
    let hosts = [Files::stored(free_port()?, &url)?, Files::new(free_port()?, &url)?];
    let start = |files: &Files| tokio::task::block_in_place(|| Server::host(files, files.port()));
    let servers = [start(&hosts[0])?.0, start(&hosts[1])?.0];
    let (mut rates, mut p50, mut p99) =
        ([const { Vec::new() }; 2], [const { Vec::new() }; 2], [const { Vec::new() }; 2]);
    for round in 0..=ROUNDS {
        for (side, server) in servers.iter().enumerate() {
            let (_, rate) = act(server.address, &api, ROUND).await?;
            let times = pace(server.address, &api, EVENTS_PER_SECOND, ROUND).await?;
            if round > 0 {
                rates[side].push(rate);
                p50[side].push(median(&times));
                p99[side].push(percentile(&times, 99.0));
            }
        }
    }
    row("label actions, durable", median(&rates[0]), "1/s", "");
    row("label actions, in memory", median(&rates[1]), "1/s", "");
    row("rate, durable / in memory", ratio(&rates[0], &rates[1]), "", "aim: at least 0.9");
    row(&format!("p50 at {EVENTS_PER_SECOND} events/s, durable"), median(&p50[0]), "µs", "");
    row("p50, durable / in memory", ratio(&p50[0], &p50[1]), "", "aim: at most 1.1");
    row("p99, durable / in memory", ratio(&p99[0], &p99[1]), "", "");
    Ok(())
}

/// From the start of a process until the first of those that wait is handed out.
async fn recovery() -> Result<()> {
    heading(&format!("recovery of {WAITING} events that wait"));
    let folder = TempDir::new()?;
    let limits =
        Limits { entries_max: 4 * WAITING, stored_bytes_max: 4 << 30, loaded_bytes_max: 1 << 27, in_flight_max: 4_096 };
    let logger = Logger::new(Format::Json, std::io::sink());
    let reporting = Reporting::new(logger.clone(), Metrics::new("bench", 100)?, Audit::to_log(logger));
    let open = || Store::open(folder.path(), StoreSettings::of(limits), &reporting);
    let (first, _) = open()?;
    store(&bare::admission(&first, &reporting.metrics), WAITING).await?;
    first.end_writing();
    drop(first);
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let began = Instant::now();
        let (opened, found) = open()?;
        let next = opened.next().await;
        times.push(began.elapsed().as_secs_f64());
        if found.waiting != WAITING || next.is_none() {
            return Err(format!("{} events were found again", found.waiting).into());
        }
        opened.end_writing();
    }
    row("until the first is handed out", median(&times), "s", "aim: 2");
    Ok(())
}

/// A host whose API server is away.
async fn waiting() -> Result<()> {
    heading(&format!("memory with {WAITING} events that wait for an API server that is away"));
    let files = Files::stored(free_port()?, "http://127.0.0.1:1")?;
    let (host, _) = tokio::task::block_in_place(|| Server::host(&files, files.port()))?;
    let idle = host.resident_mb()?;
    let began = Instant::now();
    crate::load::queue(host.address, WAITING).await?;
    let took = began.elapsed();
    // What was put off is out of memory a moment later.
    sleep(Duration::from_secs(3)).await;
    row("idle", idle, "MB", "");
    row("with all of them waiting", host.resident_mb()?, "MB", "aim: below 150");
    row("most meanwhile", host.resident_mb_max()?, "MB", "");
    row("accepted meanwhile", WAITING as f64 / took.as_secs_f64(), "events/s", "");
    Ok(())
}

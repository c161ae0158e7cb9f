//! From the event to the API server, through the whole host and through a bare handler.

use std::time::Duration;

use crate::api::{Api, SLOW_POD};
use crate::load::{CONNECTIONS, act, pace, pester};
use crate::process::{Server, free_port};
use crate::report::{heading, median, percentile, ratio, row};
use crate::stage::Files;
use crate::{ROUND, ROUNDS, Result};

/// The pace at which latencies are compared.
const EVENTS_PER_SECOND: u32 = 2_000;

/// How often an event about the slow pod comes.
const SLOW_EVERY: Duration = Duration::from_millis(50);

pub(crate) async fn run() -> Result<()> {
    let (api, address) = Api::start().await?;
    let url = format!("http://{address}");
    let (host, _files) = host(&url)?;
    let bare = Server::own(&["bare-label", &url])?;
    let idle_mb = host.resident_mb()?;
    let servers = [host, bare];
    throughput(&servers, &api).await?;
    latency(&servers, &api).await?;
    let [host, _] = servers;
    let busy_mb = host.resident_mb_max()?;
    let (undisturbed, _more_files) = self::host(&url)?;
    slow_neighbour(&[host, undisturbed], &api).await?;
    heading("memory of the host");
    row("idle", idle_mb, "MB", "aim: 40");
    row("most under the loads above", busy_mb, "MB", "");
    Ok(())
}

/// A host that is ready, and its files, which must outlive it.
fn host(api: &str) -> Result<(Server, Files)> {
    let port = free_port()?;
    let files = Files::new(port, api)?;
    let (host, _) = tokio::task::block_in_place(|| Server::host(&files, port))?;
    Ok((host, files))
}

async fn throughput(servers: &[Server; 2], api: &Api) -> Result<()> {
    heading(&format!("event to API call, {CONNECTIONS} connections, API latency 5 ms"));
    let (mut rates, mut cpu) = ([const { Vec::new() }; 2], [const { Vec::new() }; 2]);
    for round in 0..=ROUNDS {
        for (side, server) in servers.iter().enumerate() {
            let before = server.cpu_us()?;
            let (acted, rate) = act(server.address, api, ROUND).await?;
            // The first round warms up.
            if round > 0 {
                rates[side].push(rate);
                cpu[side].push((server.cpu_us()? - before) / acted);
            }
        }
    }
    row("host, label actions", median(&rates[0]), "1/s", "");
    row("bare axum handler with the same client", median(&rates[1]), "1/s", "");
    row("rate, host / bare", ratio(&rates[0], &rates[1]), "", "aim: at least 0.9");
    row("CPU time per action, host", median(&cpu[0]), "µs", "");
    row("CPU time per action, bare", median(&cpu[1]), "µs", "");
    Ok(())
}

async fn latency(servers: &[Server; 2], api: &Api) -> Result<()> {
    heading(&format!("event sent to API call received, {EVENTS_PER_SECOND} events/s"));
    let (mut p50, mut p99) = ([const { Vec::new() }; 2], [const { Vec::new() }; 2]);
    for _ in 0..ROUNDS {
        for (side, server) in servers.iter().enumerate() {
            let times = pace(server.address, api, EVENTS_PER_SECOND, ROUND).await?;
            p50[side].push(median(&times));
            p99[side].push(percentile(&times, 99.0));
        }
    }
    row("host, p50", median(&p50[0]), "µs", "");
    row("bare, p50", median(&p50[1]), "µs", "");
    row("p50, host / bare", ratio(&p50[0], &p50[1]), "", "aim: at most 1.2");
    row("host, p99", median(&p99[0]), "µs", "");
    row("bare, p99", median(&p99[1]), "µs", "");
    row("p99, host / bare", ratio(&p99[0], &p99[1]), "", "aim: at most 1.2");
    Ok(())
}

/// The first of two hosts has a slow neighbour beside the events that both get.
async fn slow_neighbour(hosts: &[Server; 2], api: &Api) -> Result<()> {
    heading("the same beside events about a pod whose API calls take 2 s");
    let slow = tokio::spawn(pester(hosts[0].address, SLOW_POD, SLOW_EVERY));
    let (mut p50, mut p99) = ([const { Vec::new() }; 2], [const { Vec::new() }; 2]);
    for _ in 0..ROUNDS {
        for (side, host) in hosts.iter().enumerate() {
            let times = pace(host.address, api, EVENTS_PER_SECOND, ROUND).await?;
            p50[side].push(median(&times));
            p99[side].push(percentile(&times, 99.0));
        }
    }
    if slow.is_finished() {
        // It goes on for as long as the host takes its events.
        slow.await??;
    } else {
        slow.abort();
    }
    row("p50, with / without the slow pod", ratio(&p50[0], &p50[1]), "", "aim: at most 1.2");
    row("p99, with / without the slow pod", ratio(&p99[0], &p99[1]), "", "aim: at most 1.2");
    Ok(())
}

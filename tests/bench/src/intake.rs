//! Events per second that are accepted, and that a bare handler parses.

use crate::load::{CONNECTIONS, flood};
use crate::process::Server;
use crate::report::{heading, median, ratio, row};
use crate::{ROUND, ROUNDS, Result};

pub(crate) async fn run() -> Result<()> {
    heading(&format!("intake alone, {CONNECTIONS} connections"));
    let servers = [Server::own(&["intake"])?, Server::own(&["bare-intake"])?];
    let (mut rates, mut cpu) = ([const { Vec::new() }; 2], [const { Vec::new() }; 2]);
    for round in 0..=ROUNDS {
        for (side, server) in servers.iter().enumerate() {
            let before = server.cpu_us()?;
            let rate = flood(server.address, ROUND).await?;
            // The first round warms up.
            if round > 0 {
                rates[side].push(rate);
                cpu[side].push((server.cpu_us()? - before) / (rate * ROUND.as_secs_f64()));
            }
        }
    }
    row("host", median(&rates[0]), "events/s", "");
    row("bare axum handler, serde_json::Value", median(&rates[1]), "events/s", "");
    row("rate, host / bare", ratio(&rates[0], &rates[1]), "", "aim: at least 0.8");
    row("CPU time per event, host", median(&cpu[0]), "µs", "");
    row("CPU time per event, bare", median(&cpu[1]), "µs", "");
    Ok(())
}

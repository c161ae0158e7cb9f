//! What `/readyz?verbose` says of the API server and of the log.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::time::sleep;

use crate::clients::Circuit;
use crate::generation::Generation;
use crate::health::Check;
use crate::telemetry::Reporting;

/// How often it is looked. Who asks does so every few seconds.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Say whether the API server is away and the log is read, each time that this changes. To be dropped when the host stops.
pub(super) async fn report(generation: Arc<ArcSwap<Generation>>, Reporting { health, metrics, .. }: Reporting) {
    let dropped_lines = metrics.dropped_log_lines();
    let mut dropped_before = dropped_lines.get();
    health.ok(Check::Log);
    let mut was_away = false;
    loop {
        let is_away = |circuit: &&Circuit| circuit.name() == "kubernetes" && circuit.is_open();
        let away = generation.load().clients.circuits().find(is_away).cloned();
        match away.as_ref().and_then(Circuit::since) {
            Some(since) => {
                let seconds = since.elapsed().as_secs();
                health
                    .wrong(Check::Cluster, format!("the API server has been away for {seconds} s; events wait for it"));
            }
            None if was_away => health.ok(Check::Cluster),
            None => {}
        }
        was_away = away.is_some();
        match dropped_lines.get() {
            dropped if dropped > dropped_before => {
                health.wrong(Check::Log, "lines are left out, since nobody reads them in time");
                dropped_before = dropped;
            }
            _ => health.ok(Check::Log),
        }
        sleep(LOOK_EVERY).await;
    }
}

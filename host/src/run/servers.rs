//! What `/readyz?verbose` says of the servers that actionners need.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::time::sleep;

use crate::clients::Circuit;
use crate::generation::Generation;
use crate::health::{Check, Health};

/// How often it is looked. Who asks does so every few seconds.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// Say whether the API server is away, each time that this changes. To be dropped when the host stops.
pub(super) async fn report(generation: Arc<ArcSwap<Generation>>, health: Health) {
    let mut was_away = false;
    loop {
        let circuits = generation.load().clients.circuits();
        let away = circuits.iter().find(|circuit| circuit.name() == "kubernetes" && circuit.is_open());
        match away.and_then(Circuit::since) {
            Some(since) => {
                let seconds = since.elapsed().as_secs();
                health
                    .wrong(Check::Cluster, format!("the API server has been away for {seconds} s; events wait for it"));
            }
            None if was_away => health.ok(Check::Cluster),
            None => {}
        }
        was_away = away.is_some();
        sleep(LOOK_EVERY).await;
    }
}

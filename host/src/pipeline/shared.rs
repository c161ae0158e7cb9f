//! What all responses need of the program, built once.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use outputs::Room;
use tokio::sync::{Semaphore, watch};

use super::away::Away;
use super::deliveries::Deliveries;
use super::report::Listeners;
use crate::capability::Flights;
use crate::config::Retry;
use crate::contexts::Contexts;
use crate::generation::Generation;
use crate::store::Store;
use crate::telemetry::Reporting;

/// What all responses need.
pub(super) struct Shared {
    pub(super) generation: Arc<ArcSwap<Generation>>,
    pub(super) store: Store,
    pub(super) reporting: Reporting,
    pub(super) listeners: Listeners,
    pub(super) retry: Retry,
    pub(super) max_age: Option<Duration>,
    pub(super) room: Room,
    /// Who waits for servers that are away.
    pub(super) away: Arc<Away>,
    /// What is known of the surroundings of events.
    pub(super) contexts: Contexts,
    /// The objects that are being changed.
    pub(super) flights: Flights,
    pub(super) deliveries: Deliveries,
    /// Whether nothing begins any more, and what is left stays stored.
    pub(super) stopping: watch::Receiver<bool>,
    /// For entries during which the process ended: one at a time, so that it is known which one ends it.
    pub(super) suspects: Semaphore,
}

//! Everything that is reported to, as one value to hand around.

use super::audit::Audit;
use super::logs::Logger;
use super::metrics::Metrics;
use crate::health::Health;

/// Where a call, and what the host does besides, reports to.
#[derive(Clone)]
pub struct Reporting {
    /// The host's log.
    pub logger: Logger,
    /// The host's metrics.
    pub metrics: Metrics,
    /// The record of each host call.
    pub audit: Audit,
    /// What is well with the host, and what is not.
    pub health: Health,
}

impl Reporting {
    /// Of a host that has just begun.
    pub fn new(logger: Logger, metrics: Metrics, audit: Audit) -> Self {
        Self { logger, metrics, audit, health: Health::default() }
    }
}

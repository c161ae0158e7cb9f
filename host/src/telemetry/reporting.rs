//! Everything that is reported to, as one value to hand around.

use super::audit::Audit;
use super::logs::Logger;
use super::metrics::Metrics;

/// Where a call, and what the host does besides, reports to.
#[derive(Clone)]
pub struct Reporting {
    /// The host's log.
    pub logger: Logger,
    /// The host's metrics.
    pub metrics: Metrics,
    /// The record of each host call.
    pub audit: Audit,
}

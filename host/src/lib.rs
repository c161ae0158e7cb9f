//! host

pub mod config;
pub mod dedup;
pub mod lanes;
pub mod queue;
pub mod server;
pub mod telemetry;

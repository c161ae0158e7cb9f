//! The simulated cluster: alike to a real API server, and what tests ask of it beyond that.

#[path = "../cluster/mod.rs"]
mod cluster;
mod differential;
mod harness;

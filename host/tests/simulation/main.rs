//! The simulated cluster: alike to a real API server, and what tests ask of it beyond that.

#[path = "../../../tests/cluster.rs"]
mod cluster;
mod custom_resources;
mod differential;
mod harness;

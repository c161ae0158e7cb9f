//! The simulated cluster: alike to a real API server, and what tests ask of it beyond that.

#[path = "../../../../tests/cluster.rs"]
mod cluster;
mod commands;
mod containers;
#[path = "../../../../tests/custom_resources.rs"]
mod custom_resources;
mod differential;
mod discovery;
mod harness;
#[path = "../../../../tests/material.rs"]
mod material;
#[path = "../../../../tests/processes.rs"]
mod processes;

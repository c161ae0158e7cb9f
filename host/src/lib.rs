//! Falco Talon's host: it receives Falco's events and lets sandboxed actionners respond.
//!
//! # The journey of an event
//!
//! [`server`] takes it over HTTP, checks it, and answers once it is in the [`queue`].
//! [`pipeline`] takes it from there, drops it if [`dedup`] has seen it lately, and asks the
//! rules in force ([`generation`]) which of them match. What matches runs in a lane of its
//! target ([`lanes`]): each action calls an [`actionner`] in a fresh instance. What that
//! asks of the host arrives at one file of [`capability`], which asks [`decide`] whether the
//! [`policy`] allows it, leaves a line in the [`audit`] record, and only then uses a client.
//! What an action has collected goes where its rule says (`output`).
//! When the last action has ended, the event is acknowledged to the queue.
//!
//! This crate alone knows tokio, axum, wasmtime and the clients. The modules below are in
//! reading order.

pub mod actionner;
pub mod audit;
pub mod capability;
pub mod cli;
pub mod config;
pub mod decide;
pub mod dedup;
pub mod generation;
pub mod lanes;
mod output;
pub mod pipeline;
pub mod policy;
pub mod queue;
pub mod reload;
pub mod run;
pub mod server;
pub mod simulation;
pub mod telemetry;

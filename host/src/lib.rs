//! Falco Talon's host: it receives Falco's events and lets sandboxed actionners respond.
//!
//! # The journey of an event
//!
//! [`server`] takes it over HTTP, checks it, and answers once it is in the [`store`]. The [`queue`]
//! hands it to the [`pipeline`], which drops it if it has seen it lately, and asks the rules in
//! force ([`generation`]) which of them match. What matches runs in a lane of its target: each
//! action calls an [`actionner`] in a fresh instance. What that asks of the host arrives at one
//! file of [`capability`], which asks the crate `policy` whether it may, and only then has one of
//! the [`clients`] do it. What an action has collected goes where its rule says. Everything that
//! happens is said through [`telemetry`], and when the last action has ended, the entry in the
//! store is finished.
//!
//! [`config`] says how all of this is set up, [`run`] puts it together, and [`cli`] is what people
//! type. This crate alone knows tokio, axum, wasmtime and the clients. The modules below are in
//! the order of the journey.

pub mod server;

pub mod store;

pub mod queue;

pub mod pipeline;

pub mod generation;

pub mod actionner;

pub mod capability;

pub mod clients;

pub mod telemetry;

pub mod config;

pub mod run;

pub mod cli;

// What the server and the clients both need.
mod body;

//! The host as a whole: real events over real HTTP, real components, and a cluster behind it.
//!
//! `cases` are folders that are described in `cases/`; the other modules hold what a folder
//! can't say: guests that mean harm, files that change while the host runs, and data from
//! elsewhere. `running`, `world` and `outside` are what all of them start.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends where something unexpected happens")]

mod cases;
mod proposals;
mod rbac;

mod conflicts;
mod crash;
mod crowds;
mod demo;
mod flights;
mod functions;
mod http;
mod objects;

mod audit;
mod contexts;
mod deliveries;
mod ends;
mod events;
mod exec;
mod health;
mod hostile;
mod killed;
mod languages;
mod loading;
mod memory;
mod metrics;
mod notifications;
mod notifiers;
mod process;
mod published;
mod reload;
mod replaced;
mod requests;
mod soak;
mod traces;
mod uploads;
mod waiting;

mod arrows;
mod contract;
mod data;
mod documents;
mod package;

mod outside;
mod running;
mod world;

mod real;

mod cluster;
mod custom_resources;
mod material;
mod processes;

mod servers;

//! host

pub mod simulation;

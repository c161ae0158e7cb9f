//! host

pub mod decide;
pub mod policy;
pub mod simulation;

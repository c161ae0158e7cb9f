//! What guests write: what one says of itself, and what it waits for.
//!
//! A guest is a stranger, so that all of it is bounded, and parsed before anything is done with it.
//!
//! This crate is pure: it does no I/O and reads no clock. It knows neither components nor who asks them.

mod condition;
mod description;

pub use condition::{Condition, ConditionError, Expectation};
pub use description::{Description, DescriptionError, OutputUse, SCHEMA};

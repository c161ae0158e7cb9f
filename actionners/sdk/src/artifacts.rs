//! The capability `artifacts`: files on their way to the rule's `output:`.
//!
//! Does not know where they are stored.

pub use crate::bindings::falco_talon::actionner::artifacts::Artifact;

//! What the author of an actionner in Rust depends on.
//!
//! An actionner is a type that implements [`Actionner`]: a [`Description`], its parameters as a
//! serde struct, and a `run` that responds to one [`Event`]. [`export!`] makes it the component's
//! one export:
//!
//! ```ignore
//! struct Label;
//! impl Actionner for Label { /* … */ }
//! falco_talon_sdk::export!(Label);
//! ```
//!
//! Keep what decides (a pure `plan(event, parameters)`) apart from what calls [`kubernetes`]:
//! the capabilities exist inside the host only, so calling one in a native test panics.
//!
//! This crate does not know the policy, nor what the host does with a failure: it speaks the
//! contract of `wit/` and nothing else.

mod actionner;
mod event;
mod failure;
pub mod kubernetes;
pub mod log;
pub mod names;
mod owner;
mod pod;
pub mod schema;

#[doc(hidden)]
pub mod bindings;

pub use actionner::{Actionner, Context, Description};
pub use bindings::export;
pub use bindings::exports::falco_talon::actionner::action::{
    Failure, FailureKind, Outcome, OutputUse, Report,
};
pub use event::Event;
pub use owner::Owner;
pub use pod::Pod;

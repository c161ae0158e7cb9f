//! The rules in force, and the actionners, grants and clients that they need.
//!
//! Rules, policy and components are read, checked against each other and put together as one
//! value, or not at all: a reload that fails changes nothing, and events that are on their
//! way finish with what they began with.

mod problem;

mod loaded;

mod component_file;

mod inline;
mod needs;
mod ungranted_targets;

mod load;

mod components;

mod ways;

mod watch;

pub use load::Loader;
pub(crate) use loaded::Generation;
pub(crate) use needs::contexts_of;
pub use problem::Problem;
pub(crate) use watch::{Watch, keep_current};

//! Falco events, Talon rule files, and which rule answers which event.
//!
//! A rule file goes through two phases. [`Document::parse`] reads the files, folds the blocks of one
//! name together, lets rules inherit from action blocks and checks what a rule alone can tell.
//! [`Document::check`] compares the result with a [`Catalogue`] of what there is to use, and yields
//! the rules of which a [`RuleSet`] is made, against which events are matched.
//!
//! This crate is pure: it opens no file, reads no clock and knows nothing of the host that calls it.

mod event;
mod priority;

mod actionner_name;
mod diagnostic;
pub mod nearest;
pub mod quantity;
mod source;
pub mod yaml;

mod block;
mod document;
mod merge;
mod print;
mod read;

mod condition;
mod matching;

mod catalogue;
mod check;
mod parameters;

pub use actionner_name::{ActionnerName, ActionnerNameError};
pub use catalogue::{ActionnerSpec, Catalogue, OutputUse};
pub use condition::{Condition, ConditionError};
pub use diagnostic::{Diagnostic, Severity};
pub use document::Document;
pub use event::{AuditTarget, Event, EventError, ObjectName};
pub use matching::{Action, OutputUseSite, Retry, Rule, RuleSet};
pub use parameters::{Parameter, SchemaError, SchemaErrorKind, TooLarge, When, check_schema, defaults, parameters};
pub use priority::{Priority, PriorityFilter};
pub use source::{Position, Source};

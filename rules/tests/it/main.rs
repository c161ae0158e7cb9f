//! The crate from outside: real shapes of events and rule files, in one test binary.

#![allow(
    clippy::panic,
    clippy::needless_pass_by_value,
    reason = "helpers of tests fail by panicking, and read best when handed a literal"
)]

mod catalogue;
mod data;
mod documents;
mod events;
mod falco_rules;
mod findings;
mod matching;
mod printing;

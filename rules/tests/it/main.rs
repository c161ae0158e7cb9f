//! The crate from outside: real shapes of events and rule files, in one test binary.

mod catalogue;
mod data;
mod documents;
mod events;
mod findings;
mod matching;
mod printing;

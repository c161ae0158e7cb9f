//! The policy as people meet it: its reference, and the files that they have.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test ends where something unexpected happens")]

mod published;
mod reference;

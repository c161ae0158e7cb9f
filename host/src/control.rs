//! What an operator asks of a host that runs, by a socket beside its store.
//!
//! One request a connection, one line of JSON each way, both bounded, and one connection after the other. Whoever may
//! open the socket is the user that the host runs as. Knows nothing of HTTP.

mod protocol;

mod plan;

mod ask;
mod listen;

pub(crate) use ask::{AskError, ask};
pub(crate) use listen::Control;
pub(crate) use plan::planned;
pub(crate) use protocol::{Answer, Planned, Request};

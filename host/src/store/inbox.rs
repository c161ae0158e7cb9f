//! What the writer is asked for, in the order in which it was asked.
//!
//! Whoever waits for an answer wakes the writer. What nobody waits for is done with that, or a moment later, so that it
//! wakes the writer once for all that come meanwhile. The end of the process takes what came in the last moment with it,
//! which is as if it had come that much earlier.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::command::Command;

/// How long what nobody waits for may wait.
const UNHURRIED_MAX: Duration = Duration::from_millis(2);

#[derive(Default)]
pub(super) struct Inbox {
    state: Mutex<State>,
    arrival: Condvar,
}

#[derive(Default)]
struct State {
    commands: Vec<Command>,
    /// Whether somebody waits for one of them.
    is_urgent: bool,
    /// Nobody takes them any more.
    is_closed: bool,
}

impl Inbox {
    /// Ask for something. It is dropped, and whoever waits for it hears that, once the writer has ended.
    pub(super) fn push(&self, command: Command) {
        let mut state = self.state();
        if state.is_closed {
            return;
        }
        let is_urgent = command.is_awaited();
        state.is_urgent |= is_urgent;
        state.commands.push(command);
        if is_urgent || state.commands.len() == 1 {
            self.arrival.notify_one();
        }
    }

    /// All that was asked for since, waited for as long as `pause`.
    pub(super) fn take(&self, pause: Duration) -> Vec<Command> {
        let state = self.state();
        let waited = self.arrival.wait_timeout_while(state, pause, |state| state.commands.is_empty());
        let state = waited.unwrap_or_else(PoisonError::into_inner).0;
        let has_only = |state: &mut State| !state.commands.is_empty() && !state.is_urgent;
        let waited = self.arrival.wait_timeout_while(state, UNHURRIED_MAX, has_only);
        let mut state = waited.unwrap_or_else(PoisonError::into_inner).0;
        state.is_urgent = false;
        std::mem::take(&mut state.commands)
    }

    /// Nobody takes anything any more.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.is_closed = true;
        state.commands.clear();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is complete before anything could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

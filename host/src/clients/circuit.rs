//! Whether a server can be reached, and who asks next while it can't.
//!
//! A server that is away would be tried by each of thousands that wait, each time it is their turn. So after some
//! failures in a row nobody is let through any more but one probe at a time, after pauses that grow; the first answer
//! lets all through again. Knows neither what is sent nor what an error means: who sends says whether it was answered.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

use crate::telemetry::logs::{Level, Logger};

/// So many in a row, and the server is taken to be away. One or two are a server that restarts.
const FAILURES_MAX: u32 = 3;

/// Failures that are further apart than this don't belong together.
const FAILURES_APART_MAX: Duration = Duration::from_secs(60);

/// The first pause before a probe; each one that fails doubles it.
const PAUSE_MIN: Duration = Duration::from_millis(200);

/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// How long the probe is left to who was told that it is their turn. They may have nothing to send any more.
const TURN: Duration = Duration::from_secs(1);

/// Whether one server can be reached. Clones are of the same server.
#[derive(Clone)]
pub struct Circuit(Arc<Inner>);

struct Inner {
    name: &'static str,
    logger: Option<Logger>,
    // A blocking mutex, because nothing waits while it is held.
    state: Mutex<State>,
    /// Lets all that wait go on at once.
    is_open: watch::Sender<bool>,
    /// Those that wait stand in a line, of which only the first looks at the time.
    line: tokio::sync::Mutex<()>,
    /// Wakes the first one in the line.
    probe_ended: Notify,
}

enum State {
    /// Requests pass. So many failures were the last, the latest one then.
    Closed { failures: u32, latest: Option<Instant> },
    /// Nobody passes but probes.
    Open(Outage),
}

struct Outage {
    since: Instant,
    pause: Duration,
    /// No probe before this.
    next: Instant,
    is_probing: bool,
    /// Until when the probe is left to somebody that waited.
    turn_ends: Option<Instant>,
}

/// Leave to send one request, whose end is to be said. A probe that is dropped without has failed.
#[must_use]
pub(super) struct Attempt {
    circuit: Circuit,
    is_probe: bool,
}

/// Whether a request has reached its server.
#[derive(Debug)]
pub(super) enum Reached {
    /// It was answered.
    Yes,
    /// Nobody answers there, and why: for the log, with the address.
    No(String),
    /// It does not say.
    Unclear,
}

/// What the first one in the line is to do.
enum Next {
    Go,
    At(Instant),
    AfterProbe,
}

impl Circuit {
    /// Of a server that is taken to be there. `logger` gets a line when it is gone, and one when it is back.
    pub(super) fn new(name: &'static str, logger: Option<Logger>) -> Self {
        Self(Arc::new(Inner {
            name,
            logger,
            state: Mutex::new(State::closed()),
            is_open: watch::Sender::new(false),
            line: tokio::sync::Mutex::default(),
            probe_ended: Notify::new(),
        }))
    }

    /// Which server: a short name, without its address.
    pub fn name(&self) -> &'static str {
        self.0.name
    }

    /// Whether the server is away, so that requests are not sent.
    pub fn is_open(&self) -> bool {
        *self.0.is_open.borrow()
    }

    /// Whether this is of the same server, as the same generation reaches it.
    pub fn is(&self, other: &Circuit) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Since when the server is away; nothing where it is there.
    pub fn since(&self) -> Option<Instant> {
        match &*self.state() {
            State::Closed { .. } => None,
            State::Open(outage) => Some(outage.since),
        }
    }

    /// Wait until requests may be tried: at once where the server is there, else until it is back or it is this one's
    /// turn to try. Of all that wait one is let through for each probe, in the order in which they came; the request
    /// that it sends next is the probe.
    pub async fn ready(&self) {
        let mut is_open = self.0.is_open.subscribe();
        let turn = async {
            let _first = self.0.line.lock().await;
            loop {
                match self.next() {
                    Next::Go => return,
                    Next::AfterProbe => self.0.probe_ended.notified().await,
                    Next::At(instant) => tokio::select! {
                        () = sleep_until(instant) => {}
                        () = self.0.probe_ended.notified() => {}
                    },
                }
            }
        };
        tokio::select! {
            // The sender lives as long as this does.
            _ = is_open.wait_for(|is_open| !is_open) => {}
            () = turn => {}
        }
    }

    /// Leave to send a request, or nothing where it is not to be sent.
    pub(super) fn enter(&self) -> Option<Attempt> {
        let attempt = |is_probe| Some(Attempt { circuit: self.clone(), is_probe });
        match &mut *self.state() {
            State::Closed { .. } => attempt(false),
            State::Open(outage) if outage.is_probing || Instant::now() < outage.next => None,
            State::Open(outage) => {
                outage.is_probing = true;
                attempt(true)
            }
        }
    }

    /// What the first of those that wait does now.
    fn next(&self) -> Next {
        let now = Instant::now();
        match &mut *self.state() {
            State::Closed { .. } => Next::Go,
            State::Open(outage) if outage.is_probing => Next::AfterProbe,
            State::Open(outage) if now < outage.next => Next::At(outage.next),
            State::Open(Outage { turn_ends: Some(end), .. }) if now < *end => Next::At(*end),
            State::Open(outage) => {
                outage.turn_ends = Some(now + TURN);
                Next::Go
            }
        }
    }

    fn answered(&self) {
        let outage = {
            let mut state = self.state();
            match std::mem::replace(&mut *state, State::closed()) {
                State::Closed { .. } => return,
                State::Open(outage) => {
                    // While nobody can change the state, so that both say the same.
                    self.0.is_open.send_replace(false);
                    outage
                }
            }
        };
        self.0.probe_ended.notify_one();
        let away = outage.since.elapsed();
        self.log(Level::Info, "success", |line| {
            line(&format!("{} answers again, after {:.1} s", self.0.name, away.as_secs_f64()));
        });
    }

    fn failed(&self, is_probe: bool, cause: &dyn fmt::Display) {
        let now = Instant::now();
        {
            let mut state = self.state();
            match &mut *state {
                State::Open(outage) => {
                    if is_probe {
                        outage.begin_pause(now);
                        self.0.probe_ended.notify_one();
                    }
                    return;
                }
                State::Closed { failures, latest } => {
                    let belongs = latest.is_some_and(|latest| now.duration_since(latest) <= FAILURES_APART_MAX);
                    *failures = if belongs { *failures + 1 } else { 1 };
                    *latest = Some(now);
                    if *failures < FAILURES_MAX {
                        return;
                    }
                }
            }
            *state = State::Open(Outage::new(now));
            self.0.is_open.send_replace(true);
        }
        self.log(Level::Warn, "failure", |line| {
            line(&format!("{} is away, and is asked by one request at a time: {cause}", self.0.name));
        });
    }

    fn log(&self, level: Level, status: &str, write: impl FnOnce(&dyn Fn(&str))) {
        let Some(logger) = &self.0.logger else { return };
        write(&|text| {
            let line = logger.line(level, "client").field("category", self.0.name).field("status", status);
            if level == Level::Info { line.field("result", text) } else { line.error(&text) }.write();
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn closed() -> Self {
        Self::Closed { failures: 0, latest: None }
    }
}

impl Outage {
    fn new(now: Instant) -> Self {
        Self { since: now, pause: PAUSE_MIN, next: now + jittered(PAUSE_MIN), is_probing: false, turn_ends: None }
    }

    fn begin_pause(&mut self, now: Instant) {
        self.pause = (self.pause * 2).min(PAUSE_MAX);
        self.next = now + jittered(self.pause);
        (self.is_probing, self.turn_ends) = (false, None);
    }
}

/// Hosts that have lost the same server don't ask it in step.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(rand::random_range(0.75..=1.0))
}

impl Attempt {
    /// Of which server.
    pub(super) fn circuit(&self) -> &Circuit {
        &self.circuit
    }

    /// Say how it ended.
    pub(super) fn settle(mut self, reached: &Reached) {
        match reached {
            Reached::Yes => self.circuit.answered(),
            Reached::No(cause) => self.circuit.failed(self.is_probe, cause),
            Reached::Unclear => return,
        }
        self.is_probe = false;
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.is_probe {
            self.circuit.failed(true, &"");
        }
    }
}

impl fmt::Debug for Circuit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Circuit").field("name", &self.0.name).field("is_open", &self.is_open()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

//! How far the current request of a connection has come: what its task, its stream and those who want its place see.
//!
//! Does not know how long anything may take.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// How far the current request of a connection has come.
#[derive(Debug)]
pub(super) struct Progress {
    // Whoever changes the stage does so by one exchange, so that a connection is never both closed and answered;
    // nothing else is read by it, so no ordering is needed.
    stage: AtomicU8,
    /// Since when it is in this stage, in milliseconds since `began`.
    since_ms: AtomicU64,
    stopping: AtomicBool,
    /// The same for all connections, so that they can be compared.
    began: Instant,
}

/// What a connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Its first request, nothing of which has arrived.
    New,
    /// Its next request, nothing of which has arrived.
    Idle,
    /// The rest of a head. Of a first request it lasts from the opening of the connection on.
    Head,
    /// A request is under way, its body being read perhaps.
    Handled,
    /// A client that does not take in its answer.
    Answering,
    /// Nothing: its place is another's.
    Closed,
}

/// A client whose connection is idle for longer than this has what it wanted; one that has just come, or has just had
/// an answer, may be about to say something.
const FRESH: Duration = Duration::from_secs(1);

/// How readily a connection is closed for another: the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Idleness {
    /// Whether something may be lost with it.
    pub(super) is_fresh: bool,
    /// For ordering, those that wait the longest first.
    pub(super) since_ms: u64,
}

impl Progress {
    pub(super) fn new(began: Instant) -> Arc<Progress> {
        let progress = Progress {
            stage: AtomicU8::new(Stage::New as u8),
            since_ms: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
            began,
        };
        progress.is_since_now();
        Arc::new(progress)
    }

    pub(super) fn stage(&self) -> Stage {
        let stage = self.stage.load(Ordering::Relaxed);
        let all = [Stage::New, Stage::Idle, Stage::Head, Stage::Handled, Stage::Answering];
        all.into_iter().find(|it| *it as u8 == stage).unwrap_or(Stage::Closed)
    }

    pub(super) fn since(&self) -> Instant {
        self.began + Duration::from_millis(self.since_ms.load(Ordering::Relaxed))
    }

    /// Something of a request has arrived.
    pub(super) fn head_begins(&self) {
        if self.changed(Stage::Idle, Stage::Head) {
            self.is_since_now();
        } else {
            // A client gains no time for its first request by its first byte.
            self.changed(Stage::New, Stage::Head);
        }
    }

    /// Whether the request may be handled: the connection has not been closed in this moment.
    pub(super) fn request_begins(&self) -> bool {
        let begin = |stage| (stage != Stage::Closed as u8).then_some(Stage::Handled as u8);
        self.stage.fetch_update(Ordering::Relaxed, Ordering::Relaxed, begin).is_ok()
    }

    pub(super) fn request_ends(&self) {
        self.is_since_now();
        self.changed(Stage::Handled, Stage::Idle);
    }

    /// The client has taken in nothing more of its answer.
    pub(super) fn answer_waits(&self) {
        if self.stage() == Stage::Idle && self.changed(Stage::Idle, Stage::Answering) {
            self.is_since_now();
        }
    }

    /// The client has taken in some of its answer.
    pub(super) fn answer_goes_on(&self) {
        if self.stage() == Stage::Answering {
            self.is_since_now();
            self.changed(Stage::Answering, Stage::Idle);
        }
    }

    /// Lets the connection end where no request has begun.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// How readily it is closed for another; none while a request is under way.
    pub(super) fn idleness(&self, now: Instant) -> Option<Idleness> {
        let since_ms = self.since_ms.load(Ordering::Relaxed);
        let waits = now.saturating_duration_since(self.since());
        let is_fresh = match self.stage() {
            Stage::Handled | Stage::Closed => return None,
            Stage::New | Stage::Idle => waits < FRESH,
            Stage::Head | Stage::Answering => true,
        };
        Some(Idleness { is_fresh, since_ms })
    }

    /// Takes its place away, unless a request has begun meanwhile.
    pub(super) fn close(&self) -> bool {
        let close = |stage| (stage != Stage::Handled as u8).then_some(Stage::Closed as u8);
        self.stage.fetch_update(Ordering::Relaxed, Ordering::Relaxed, close).is_ok()
    }

    fn changed(&self, from: Stage, to: Stage) -> bool {
        self.stage.compare_exchange(from as u8, to as u8, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    fn is_since_now(&self) {
        let now_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.since_ms.store(now_ms, Ordering::Relaxed);
    }
}

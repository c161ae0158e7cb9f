//! What one call of an actionner may have the host do: host calls, requests, and work on what it says and gets.
//!
//! A client sends nothing without a [`Permit`], and a permit is made for a host call that the policy has allowed. Each
//! request takes a place first, those that are sent again too. Does not know who asks, nor for what.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use policy::Limits;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};

use super::circuit::{Attempt, Circuit, Reached};
use super::error::{Exhausted, RequestError};

/// So many requests of one call are on their way at once: one event is not to flood a server.
const AT_ONCE_MAX: usize = 16;

/// Counts what is done for one call. Clones count together.
#[derive(Clone)]
pub(crate) struct Meter(Arc<Counts>);

struct Counts {
    limits: Limits,
    host_calls: AtomicU32,
    requests: AtomicU32,
    worked_ns: AtomicU64,
    places: Semaphore,
    /// The last one whose server could not be reached.
    away: Mutex<Option<Circuit>>,
    /// How long a server has asked to wait, in milliseconds: of several times the last.
    asked_to_wait_ms: AtomicU64,
}

/// Leave to send what one host call asks for.
pub(crate) struct Permit {
    meter: Meter,
    end: Instant,
    is_rehearsal: bool,
    /// Whether something is on its way whose end is not known.
    is_sent: Arc<AtomicBool>,
}

/// The place of one request, for as long as it is on its way.
pub(crate) struct Place<'a> {
    _place: SemaphorePermit<'a>,
}

impl Meter {
    /// For a call with these limits.
    pub(crate) fn new(limits: &Limits) -> Self {
        Self(Arc::new(Counts {
            limits: limits.clone(),
            host_calls: AtomicU32::new(0),
            requests: AtomicU32::new(0),
            worked_ns: AtomicU64::new(0),
            places: Semaphore::new(AT_ONCE_MAX),
            away: Mutex::default(),
            asked_to_wait_ms: AtomicU64::new(0),
        }))
    }

    /// Count one more host call.
    ///
    /// # Errors
    ///
    /// Where there were more than the policy allows.
    pub(crate) fn host_call(&self) -> Result<(), Exhausted> {
        let Counts { limits, host_calls, .. } = &*self.0;
        if host_calls.fetch_add(1, Ordering::Relaxed) >= limits.host_calls_max {
            return Err(Exhausted::HostCalls(limits.host_calls_max));
        }
        Ok(())
    }

    /// Do a piece of work on what a guest has said or gets, of which the size is bounded, and count it.
    ///
    /// # Errors
    ///
    /// Where the pieces before took more time than the policy allows for computing. Nothing is done then.
    pub(crate) fn work<T>(&self, work: impl FnOnce() -> T) -> Result<T, Exhausted> {
        let Counts { limits, worked_ns, .. } = &*self.0;
        if Duration::from_nanos(worked_ns.load(Ordering::Relaxed)) > limits.cpu_max {
            return Err(Exhausted::Cpu(limits.cpu_max));
        }
        let began = Instant::now();
        let done = work();
        let spent = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        worked_ns.fetch_add(spent, Ordering::Relaxed);
        Ok(done)
    }

    /// The circuit of a server that could not be reached, or was not asked for that: of several the last one.
    pub(crate) fn away(&self) -> Option<Circuit> {
        self.0.away.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// How long a server has asked to wait before it is asked again; nothing where none has.
    pub(crate) fn asked_to_wait(&self) -> Duration {
        Duration::from_millis(self.0.asked_to_wait_ms.load(Ordering::Relaxed))
    }

    fn is_away(&self, circuit: &Circuit) {
        *self.0.away.lock().unwrap_or_else(PoisonError::into_inner) = Some(circuit.clone());
    }

    /// Leave to send until `end`. Whether something was sent whose end is not known is told by `is_sent`.
    pub(crate) fn permit(&self, end: Instant, is_rehearsal: bool, is_sent: Arc<AtomicBool>) -> Permit {
        Permit { meter: self.clone(), end, is_rehearsal, is_sent }
    }
}

impl Permit {
    /// When all of it must have ended.
    pub(crate) fn end(&self) -> Instant {
        self.end
    }

    /// Until `end`, where that is earlier.
    #[must_use]
    pub(crate) fn until(self, end: Instant) -> Self {
        Self { end: end.min(self.end), ..self }
    }

    /// Whether nothing may be changed.
    pub(super) fn is_rehearsal(&self) -> bool {
        self.is_rehearsal
    }

    /// Wait for the place of one request, and count it.
    ///
    /// # Errors
    ///
    /// Where the time is over, or there were more than the policy allows.
    pub(super) async fn place(&self) -> Result<Place<'_>, RequestError> {
        let Counts { limits, requests, places, .. } = &*self.meter.0;
        let place = timeout_at(self.end, places.acquire()).await;
        // They are never closed.
        let (Ok(Ok(place)), true) = (place, Instant::now() < self.end) else { return Err(RequestError::Timeout) };
        if requests.fetch_add(1, Ordering::Relaxed) >= limits.requests_max {
            return Err(Exhausted::Requests(limits.requests_max).into());
        }
        Ok(Place { _place: place })
    }

    /// Leave to send to the server of this circuit, or nothing where that is away.
    pub(super) fn enter(&self, circuit: &Circuit) -> Option<Attempt> {
        let attempt = circuit.enter();
        if attempt.is_none() {
            self.meter.is_away(circuit);
        }
        attempt
    }

    /// Say how an attempt ended.
    pub(super) fn settle(&self, attempt: Attempt, reached: &Reached) {
        if matches!(reached, Reached::No(_)) {
            self.meter.is_away(attempt.circuit());
        }
        attempt.settle(reached);
    }

    /// The server asks to wait for so long, which is longer than the call may take or has been done often enough.
    pub(super) fn is_asked_to_wait(&self, pause: Duration) {
        let pause_ms = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
        self.meter.0.asked_to_wait_ms.store(pause_ms, Ordering::Relaxed);
    }

    /// Something that can change anything goes on its way.
    pub(super) fn is_being_sent(&self) {
        self.is_sent.store(true, Ordering::Relaxed);
    }

    /// What was sent is known not to have been carried out.
    pub(super) fn was_refused(&self) {
        self.is_sent.store(false, Ordering::Relaxed);
    }

    /// As [`Meter::work`], within the time.
    pub(super) fn work<T>(&self, work: impl FnOnce() -> T) -> Result<T, RequestError> {
        if Instant::now() >= self.end {
            return Err(RequestError::Timeout);
        }
        Ok(self.meter.work(work)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter(limits: Limits) -> (Meter, Permit) {
        let meter = Meter::new(&limits);
        let permit = meter.permit(Instant::now() + Duration::from_secs(30), false, Arc::default());
        (meter, permit)
    }

    #[tokio::test]
    async fn requests_are_bounded_in_sum() {
        let (_, permit) = meter(Limits { requests_max: 3, ..Limits::default() });
        for _ in 0..3 {
            permit.place().await.map(drop).unwrap();
        }
        let error = permit.place().await.map(drop).unwrap_err();
        assert!(matches!(error, RequestError::Exhausted(Exhausted::Requests(3))), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn requests_are_bounded_at_once_and_wait_no_longer_than_they_may() {
        let (meter, permit) = meter(Limits::default());
        let mut places = Vec::new();
        for _ in 0..AT_ONCE_MAX {
            places.push(permit.place().await.unwrap());
        }
        let is_sent = Arc::<AtomicBool>::default();
        let other = meter.permit(Instant::now() + Duration::from_secs(1), false, is_sent.clone());
        assert!(matches!(other.place().await.map(drop), Err(RequestError::Timeout)));
        assert!(!is_sent.load(Ordering::Relaxed), "it waited, and was not sent");
        places.pop();
        let other = other.until(permit.end());
        assert!(matches!(other.place().await.map(drop), Err(RequestError::Timeout)), "its time was shorter");
        permit.place().await.map(drop).unwrap();
    }

    #[test]
    fn host_calls_are_bounded() {
        let meter = Meter::new(&Limits { host_calls_max: 1, ..Limits::default() });
        meter.host_call().unwrap();
        assert!(matches!(meter.host_call(), Err(Exhausted::HostCalls(1))));
    }

    #[test]
    fn work_is_bounded_in_sum() {
        let meter = Meter::new(&Limits { cpu_max: Duration::from_millis(1), ..Limits::default() });
        meter.work(|| std::thread::sleep(Duration::from_millis(2))).unwrap();
        let mut done = false;
        assert!(matches!(meter.work(|| done = true), Err(Exhausted::Cpu(_))));
        assert!(!done);
    }
}

//! What the host computes for a guest is not the guest's time.
//!
//! A guest's CPU budget is held by the time that its call spends being polled, and the host's own
//! work, done in the same polls, is part of that. Most of it is too little to matter; where it grows
//! with what flows through, it is measured here and taken off.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::Instant;

/// The time that the host spent working for one call. Clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct HostTime(Arc<AtomicU64>);

impl HostTime {
    /// All of it by now.
    pub(crate) fn total(&self) -> Duration {
        Duration::from_nanos(self.0.load(Ordering::Relaxed))
    }

    /// So much more of it.
    pub(super) fn add(&self, spent: Duration) {
        self.0.fetch_add(u64::try_from(spent.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Do some of the host's work.
    pub(super) async fn work<T>(&self, work: impl Future<Output = T>) -> T {
        Timed { total: self, work: pin!(work) }.await
    }
}

/// Measures the polls of a future.
struct Timed<'a, F> {
    total: &'a HostTime,
    work: Pin<&'a mut F>,
}

impl<F: Future> Future for Timed<'_, F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let began = Instant::now();
        let poll = self.work.as_mut().poll(context);
        self.total.add(began.elapsed());
        poll
    }
}

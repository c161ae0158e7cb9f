//! A future that may compute for as long as it likes, and wait for next to nothing.
//!
//! Whoever yields so that others get their turn wakes itself at once; whoever waits is woken by somebody else, later.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep};

/// Ends without a result where the future waits for too long.
pub(super) struct Waitless<'a, F> {
    future: Pin<&'a mut F>,
    /// What it may still wait.
    left: Duration,
    /// Since when it waits, and when that is too long.
    waits: Option<(Instant, Pin<Box<Sleep>>)>,
}

/// Passes on that the future is woken, and remembers it.
struct Woken {
    waker: Waker,
    is_woken: AtomicBool,
}

impl<'a, F> Waitless<'a, F> {
    /// `wait_max` is for all of its waits together.
    pub(super) fn new(future: Pin<&'a mut F>, wait_max: Duration) -> Self {
        Self { future, left: wait_max, waits: None }
    }
}

impl<F: Future> Future for Waitless<'_, F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some((since, _)) = self.waits.take() {
            self.left = self.left.saturating_sub(since.elapsed());
        }
        let woken = Arc::new(Woken { waker: context.waker().clone(), is_woken: AtomicBool::new(false) });
        if let Poll::Ready(output) = self.future.as_mut().poll(&mut Context::from_waker(&woken.clone().into())) {
            return Poll::Ready(Some(output));
        }
        if woken.is_woken.load(Ordering::Relaxed) {
            return Poll::Pending;
        }
        if self.left.is_zero() {
            return Poll::Ready(None);
        }
        let mut too_long = Box::pin(sleep(self.left));
        if too_long.as_mut().poll(context).is_ready() {
            return Poll::Ready(None);
        }
        self.waits = Some((Instant::now(), too_long));
        Poll::Pending
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.is_woken.store(true, Ordering::Relaxed);
        self.waker.wake_by_ref();
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use tokio::task::yield_now;

    use super::*;

    async fn check(waits_ms: &[u64], expected: Option<()>) {
        let future = async {
            for wait_ms in waits_ms {
                // As a component does that computes for longer than its slice.
                std::future::poll_fn(|context| {
                    context.waker().wake_by_ref();
                    Poll::Ready(())
                })
                .await;
                yield_now().await;
                sleep(Duration::from_millis(*wait_ms)).await;
            }
        };
        assert_eq!(Waitless::new(pin!(future), Duration::from_millis(100)).await, expected, "{waits_ms:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn waits_are_added_up() {
        check(&[], Some(())).await;
        check(&[90], Some(())).await;
        check(&[40, 40], Some(())).await;
        check(&[1_000_000], None).await;
        check(&[40, 40, 40], None).await;
    }

    #[tokio::test(start_paused = true)]
    async fn who_yields_does_not_wait() {
        let computes = async {
            for _ in 0..10 {
                tokio::time::advance(Duration::from_millis(60)).await;
            }
        };
        // Time that passes while others run is not its own.
        let mut polls = 0;
        let yields = std::future::poll_fn(|context| {
            polls += 1;
            context.waker().wake_by_ref();
            if polls < 1_000 { Poll::Pending } else { Poll::Ready(()) }
        });
        let mut yields = pin!(yields);
        let (described, ()) = tokio::join!(Waitless::new(yields.as_mut(), Duration::from_millis(100)), computes);
        assert_eq!(described, Some(()));
    }
}

//! What holds events between their reception and their last action.
//!
//! A closed set of queues with one interface: today the one in memory, which needs no server. It
//! knows nothing of HTTP, rules or actions. An event counts against the capacity from the moment it
//! is accepted until it is acknowledged, so that the capacity bounds everything unfinished.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::telemetry::TraceId;

/// A queue of events. Clones are the same queue.
#[derive(Debug, Clone)]
pub enum Queue {
    /// In the memory of this process: lost with it, which is why shutting down drains it.
    Embedded(Arc<Embedded>),
}

/// An event as it waits.
#[derive(Debug)]
pub struct Queued {
    /// What Falco sent.
    pub event: rules::Event,
    /// What ties its log lines, traces and actions together.
    pub trace_id: TraceId,
}

/// Why an event was not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// As many events as the queue may hold are unfinished; the same event may be accepted later.
    #[error("the queue is full")]
    Full,
    /// The program is about to end.
    #[error("the queue is closed")]
    Closed,
}

/// An event in the hands of the one who handles it, until [`Delivery::ack`] or drop.
#[derive(Debug)]
pub struct Delivery {
    /// The event.
    pub queued: Queued,
    /// When it was accepted.
    pub received: Instant,
    /// Gives the place in the queue back.
    _place: Place,
}

impl Queue {
    /// A queue in memory for `capacity` unfinished events.
    pub fn embedded(capacity: usize) -> Queue {
        Queue::Embedded(Arc::new(Embedded { capacity, state: Mutex::default(), arrival: Notify::new() }))
    }

    /// Accepts an event or says why not, without waiting.
    pub fn push(&self, queued: Queued) -> Result<(), Refused> {
        match self {
            Queue::Embedded(embedded) => embedded.push(queued),
        }
    }

    /// The next event in the order of arrival, or `None` once the queue is closed and empty.
    ///
    /// Loses nothing when the future is dropped before it is ready.
    pub async fn next(&self) -> Option<Delivery> {
        match self {
            Queue::Embedded(embedded) => embedded.next().await,
        }
    }

    /// Refuses further events; those accepted are still delivered.
    pub fn close(&self) {
        match self {
            Queue::Embedded(embedded) => embedded.close(),
        }
    }

    /// How many events wait to be taken.
    pub fn depth(&self) -> usize {
        match self {
            Queue::Embedded(embedded) => embedded.state().waiting.len(),
        }
    }

    /// How many events were taken and are not acknowledged.
    pub fn in_flight(&self) -> usize {
        match self {
            Queue::Embedded(embedded) => {
                let state = embedded.state();
                state.unfinished - state.waiting.len()
            }
        }
    }
}

impl Delivery {
    /// Says that everything this event asked for is done, and frees its place in the queue.
    ///
    /// In the embedded queue a drop frees it as well, since there is nobody to deliver it again to.
    pub fn ack(self) {}
}

/// The queue in memory.
#[derive(Debug)]
pub struct Embedded {
    capacity: usize,
    // A blocking mutex, because nothing waits while it is held.
    state: Mutex<State>,
    arrival: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<(Queued, Instant)>,
    /// Those that wait and those that were taken and are not acknowledged.
    unfinished: usize,
    closed: bool,
}

impl Embedded {
    fn state(&self) -> MutexGuard<'_, State> {
        // Each change below is complete before anything could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, queued: Queued) -> Result<(), Refused> {
        let mut state = self.state();
        if state.closed {
            return Err(Refused::Closed);
        }
        if state.unfinished >= self.capacity {
            return Err(Refused::Full);
        }
        state.unfinished += 1;
        state.waiting.push_back((queued, Instant::now()));
        drop(state);
        self.arrival.notify_one();
        Ok(())
    }

    async fn next(self: &Arc<Embedded>) -> Option<Delivery> {
        loop {
            let arrival = self.arrival.notified();
            {
                let mut state = self.state();
                if let Some((queued, received)) = state.waiting.pop_front() {
                    if !state.waiting.is_empty() {
                        // Two arrivals before anyone waits leave a single wake-up behind.
                        self.arrival.notify_one();
                    }
                    return Some(Delivery { queued, received, _place: Place(Arc::clone(self)) });
                }
                if state.closed {
                    return None;
                }
            }
            arrival.await;
        }
    }

    fn close(&self) {
        self.state().closed = true;
        self.arrival.notify_waiters();
    }
}

/// One event's share of the capacity.
#[derive(Debug)]
struct Place(Arc<Embedded>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.state().unfinished -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queued(rule: &str) -> Queued {
        let event = serde_json::json!({
            "rule": rule, "priority": "Notice", "output": "", "source": "syscall",
            "time": "2026-07-22T14:24:41.123456789Z", "output_fields": {},
        });
        let event = rules::Event::from_json(event.to_string().as_bytes()).unwrap();
        Queued { event, trace_id: TraceId::random() }
    }

    fn rule(delivery: Option<Delivery>) -> Option<String> {
        delivery.map(|delivery| delivery.queued.event.rule.clone())
    }

    #[tokio::test]
    async fn delivers_in_order() {
        let queue = Queue::embedded(10);
        queue.push(queued("one")).unwrap();
        queue.push(queued("two")).unwrap();
        assert_eq!(queue.depth(), 2);
        assert_eq!(rule(queue.next().await).as_deref(), Some("one"));
        assert_eq!(rule(queue.next().await).as_deref(), Some("two"));
        assert_eq!(queue.depth(), 0);
    }

    #[tokio::test]
    async fn capacity_counts_until_the_acknowledgement() {
        let queue = Queue::embedded(2);
        queue.push(queued("one")).unwrap();
        queue.push(queued("two")).unwrap();
        assert_eq!(queue.push(queued("three")), Err(Refused::Full));
        let one = queue.next().await.unwrap();
        assert_eq!(queue.push(queued("three")), Err(Refused::Full));
        assert_eq!((queue.depth(), queue.in_flight()), (1, 1));
        one.ack();
        queue.push(queued("three")).unwrap();
        drop(queue.next().await);
        queue.push(queued("four")).unwrap();
        assert_eq!((queue.depth(), queue.in_flight()), (2, 0));
    }

    #[tokio::test]
    async fn closing_drains() {
        let queue = Queue::embedded(10);
        queue.push(queued("one")).unwrap();
        queue.close();
        assert_eq!(queue.push(queued("two")), Err(Refused::Closed));
        assert_eq!(rule(queue.next().await).as_deref(), Some("one"));
        assert!(queue.next().await.is_none());
        assert!(queue.next().await.is_none());
    }

    #[tokio::test]
    async fn wakes_those_who_wait() {
        let queue = Queue::embedded(10);
        let waiting: Vec<_> = (0..3)
            .map(|_| {
                let queue = queue.clone();
                tokio::spawn(async move { rule(queue.next().await) })
            })
            .collect();
        tokio::task::yield_now().await;
        queue.push(queued("one")).unwrap();
        queue.push(queued("two")).unwrap();
        tokio::task::yield_now().await;
        queue.close();
        let mut delivered = Vec::new();
        for task in waiting {
            delivered.push(task.await.unwrap());
        }
        assert_eq!(delivered, [Some("one".to_owned()), Some("two".to_owned()), None]);
    }

    #[tokio::test(start_paused = true)]
    async fn giving_up_waiting_loses_nothing() {
        let queue = Queue::embedded(10);
        let wait = std::time::Duration::from_secs(1);
        assert!(tokio::time::timeout(wait, queue.next()).await.is_err());
        queue.push(queued("one")).unwrap();
        assert_eq!(rule(queue.next().await).as_deref(), Some("one"));
    }

    #[tokio::test(start_paused = true)]
    async fn remembers_when_an_event_was_received() {
        let queue = Queue::embedded(10);
        let before = Instant::now();
        queue.push(queued("one")).unwrap();
        tokio::time::advance(std::time::Duration::from_secs(3)).await;
        assert_eq!(queue.next().await.unwrap().received, before);
    }
}

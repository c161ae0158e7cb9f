//! Runs work for one key strictly in order, and work for different keys side by side.
//!
//! It knows nothing of events: a key is what must not be touched by two at once. How many pieces of
//! work there are is bounded by the store that they come from, and what runs at once by the engine.

use std::collections::{HashMap, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

/// The lanes. Dropping them drops all unfinished work.
#[derive(Default)]
pub(super) struct Lanes {
    waiting: Waiting,
    tasks: JoinSet<()>,
}

/// What waits behind the work of a key. A key is here as long as a task follows its lane.
// A blocking mutex, because nothing waits while it is held.
type Waiting = Arc<Mutex<HashMap<String, VecDeque<Work>>>>;

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Lanes {
    /// Run `work`, which must not panic, after all work that was handed in before with the same
    /// key; work without a key waits for nothing.
    pub(super) fn run(&mut self, key: Option<String>, work: impl Future<Output = ()> + Send + 'static) {
        // Those that ended since leave their results behind until they are asked for.
        while self.tasks.try_join_next().is_some() {}
        let Some(key) = key else {
            self.tasks.spawn(work);
            return;
        };
        let mut waiting = lock(&self.waiting);
        if let Some(lane) = waiting.get_mut(&key) {
            lane.push_back(Box::pin(work));
            return;
        }
        waiting.insert(key.clone(), VecDeque::new());
        drop(waiting);
        self.tasks.spawn(follow(Arc::clone(&self.waiting), key, Box::pin(work)));
    }

    /// Wait until everything is finished, or until `deadline`; then drop the rest.
    pub(super) async fn drain(mut self, deadline: Instant) {
        let finished = async { while self.tasks.join_next().await.is_some() {} };
        // What was not finished by then is known to the store.
        let _ = timeout_at(deadline, finished).await;
        self.tasks.shutdown().await;
    }
}

/// Run a piece of work and then what waits behind it in its lane, until the lane is empty.
async fn follow(waiting: Waiting, key: String, first: Work) {
    let mut next = Some(first);
    while let Some(work) = next {
        work.await;
        let mut waiting = lock(&waiting);
        next = waiting.get_mut(&key).and_then(VecDeque::pop_front);
        if next.is_none() {
            waiting.remove(&key);
        }
    }
}

/// Each change is complete before anything could panic.
fn lock(waiting: &Waiting) -> MutexGuard<'_, HashMap<String, VecDeque<Work>>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::sleep;

    use super::*;

    type Log = Arc<Mutex<Vec<String>>>;

    /// Work that takes `millis` and notes its begin and its end.
    fn noted(log: &Log, name: &str, millis: u64) -> impl Future<Output = ()> + Send + 'static {
        let (log, name) = (Arc::clone(log), name.to_owned());
        async move {
            log.lock().unwrap().push(format!("{name}("));
            sleep(Duration::from_millis(millis)).await;
            log.lock().unwrap().push(format!("{name})"));
        }
    }

    fn notes(log: &Log) -> String {
        log.lock().unwrap().join(" ")
    }

    fn key(key: &str) -> Option<String> {
        Some(key.to_owned())
    }

    fn in_a_minute() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[tokio::test(start_paused = true)]
    async fn one_key_runs_in_order() {
        let (mut lanes, log) = (Lanes::default(), Log::default());
        for (name, millis) in [("a", 30), ("b", 20), ("c", 10)] {
            lanes.run(key("pod"), noted(&log, name, millis));
        }
        lanes.drain(in_a_minute()).await;
        assert_eq!(notes(&log), "a( a) b( b) c( c)");
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_key_holds_up_nobody() {
        let (mut lanes, log) = (Lanes::default(), Log::default());
        lanes.run(key("slow"), noted(&log, "a", 1000));
        lanes.run(key("slow"), noted(&log, "b", 1));
        lanes.run(key("fast"), noted(&log, "c", 1));
        lanes.run(None, noted(&log, "d", 2));
        lanes.run(None, noted(&log, "e", 3));
        lanes.drain(in_a_minute()).await;
        assert_eq!(notes(&log), "a( c( d( e( c) d) e) a) b( b)");
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_cuts_off_what_is_left() {
        let (mut lanes, log) = (Lanes::default(), Log::default());
        lanes.run(key("pod"), noted(&log, "done", 10));
        lanes.run(key("pod"), noted(&log, "cut", 120_000));
        lanes.run(key("pod"), noted(&log, "behind", 1));
        lanes.run(None, noted(&log, "also cut", 120_000));
        let deadline = in_a_minute();
        lanes.drain(deadline).await;
        assert_eq!(Instant::now(), deadline);
        assert_eq!(notes(&log), "done( also cut( done) cut(");
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_comes_and_goes() {
        let (mut lanes, log) = (Lanes::default(), Log::default());
        lanes.run(key("pod"), noted(&log, "a", 1));
        sleep(Duration::from_millis(10)).await;
        assert!(lock(&lanes.waiting).is_empty());
        lanes.run(key("pod"), noted(&log, "b", 1));
        lanes.drain(in_a_minute()).await;
        assert_eq!(notes(&log), "a( a) b( b)");
    }
}

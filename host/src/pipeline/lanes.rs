//! Runs work for one key strictly in order, and work for different keys side by side.
//!
//! It knows nothing of events: a key is what must not be touched by two at once. How much may wait for one key is
//! bounded, and what waits may answer what comes right behind it. How much there is in all is bounded by the store that
//! it comes from, and what runs at once by the engine.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

/// What a lane holds.
pub(super) trait Work: Sized + Send + 'static {
    /// Whether the run of `before`, which waits as well and came right before it, answers this too.
    fn is_answered_with(&self, before: &Self) -> bool;

    /// Run to the end, which answers `others` as well. Must not panic.
    fn run(self, others: Vec<Self>) -> impl Future<Output = ()> + Send;
}

/// The lanes. Dropping them drops all unfinished work.
pub(super) struct Lanes<W> {
    waiting_max: usize,
    waiting: Waiting<W>,
    tasks: JoinSet<()>,
}

/// What waits behind the work of a key. A key is here as long as a task follows its lane.
// A blocking mutex, because nothing waits while it is held.
type Waiting<W> = Arc<Mutex<HashMap<String, Lane<W>>>>;

/// What waits for one key.
struct Lane<W> {
    /// In the order in which they will be; none is empty.
    runs: VecDeque<VecDeque<W>>,
    /// How much work that is.
    count: usize,
}

impl<W: Work> Lanes<W> {
    /// Lanes in each of which at most `waiting_max` pieces of work wait behind the one that runs.
    pub(super) fn new(waiting_max: usize) -> Self {
        Self { waiting_max, waiting: Waiting::default(), tasks: JoinSet::new() }
    }

    /// Run `work` after all work that was handed in before with the same key; work without a key waits for nothing.
    ///
    /// Returns the work that has waited longest for this key, where it had to make room. It will not run.
    pub(super) fn run(&mut self, key: Option<String>, work: W) -> Option<W> {
        // Those that ended since leave their results behind until they are asked for.
        while self.tasks.try_join_next().is_some() {}
        let Some(key) = key else {
            self.tasks.spawn(work.run(Vec::new()));
            return None;
        };
        let mut waiting = lock(&self.waiting);
        if let Some(lane) = waiting.get_mut(&key) {
            lane.push(work);
            return if lane.count > self.waiting_max { lane.pop_oldest() } else { None };
        }
        waiting.insert(key.clone(), Lane { runs: VecDeque::new(), count: 0 });
        drop(waiting);
        self.tasks.spawn(follow(Arc::clone(&self.waiting), key, work));
        None
    }

    /// Wait until everything is finished, or until `deadline`; then drop the rest.
    pub(super) async fn drain(mut self, deadline: Instant) {
        let finished = async { while self.tasks.join_next().await.is_some() {} };
        // What was not finished by then is known to the store.
        let _ = timeout_at(deadline, finished).await;
        self.tasks.shutdown().await;
    }
}

impl<W: Work> Lane<W> {
    fn push(&mut self, work: W) {
        self.count += 1;
        // Only the last run: one before it would answer the work ahead of what came between.
        match self.runs.back_mut() {
            Some(last) if last.front().is_some_and(|first| work.is_answered_with(first)) => last.push_back(work),
            _ => self.runs.push_back(VecDeque::from([work])),
        }
    }

    fn pop_oldest(&mut self) -> Option<W> {
        let run = self.runs.front_mut()?;
        let oldest = run.pop_front();
        if run.is_empty() {
            self.runs.pop_front();
        }
        self.count -= 1;
        oldest
    }

    /// What runs next, and what its run answers.
    fn pop_run(&mut self) -> Option<(W, Vec<W>)> {
        let mut run = self.runs.pop_front()?;
        self.count -= run.len();
        Some((run.pop_front()?, run.into()))
    }
}

/// Run a piece of work and then what waits behind it in its lane, until the lane is empty.
async fn follow<W: Work>(waiting: Waiting<W>, key: String, first: W) {
    let mut next = Some((first, Vec::new()));
    while let Some((work, others)) = next {
        work.run(others).await;
        let mut waiting = lock(&waiting);
        next = waiting.get_mut(&key).and_then(Lane::pop_run);
        if next.is_none() {
            waiting.remove(&key);
        }
    }
}

/// Each change is complete before anything could panic.
fn lock<W>(waiting: &Waiting<W>) -> MutexGuard<'_, HashMap<String, Lane<W>>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::sleep;

    use super::*;

    type Log = Arc<Mutex<Vec<String>>>;

    /// Work that takes `millis` and notes its begin and its end. It is answered with work of its first letter.
    struct Noted {
        log: Log,
        name: String,
        millis: u64,
    }

    fn noted(log: &Log, name: &str, millis: u64) -> Noted {
        Noted { log: Arc::clone(log), name: name.to_owned(), millis }
    }

    impl Work for Noted {
        fn is_answered_with(&self, before: &Self) -> bool {
            self.name[..1] == before.name[..1]
        }

        async fn run(self, others: Vec<Self>) {
            let names: Vec<_> = std::iter::once(&self).chain(&others).map(|work| &*work.name).collect();
            let names = names.join("+");
            self.log.lock().unwrap().push(format!("{names}("));
            sleep(Duration::from_millis(self.millis)).await;
            self.log.lock().unwrap().push(format!("{names})"));
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
        let (mut lanes, log) = (Lanes::new(10), Log::default());
        for (name, millis) in [("a", 30), ("b", 20), ("c", 10)] {
            lanes.run(key("pod"), noted(&log, name, millis));
        }
        lanes.drain(in_a_minute()).await;
        assert_eq!(notes(&log), "a( a) b( b) c( c)");
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_key_holds_up_nobody() {
        let (mut lanes, log) = (Lanes::new(10), Log::default());
        lanes.run(key("slow"), noted(&log, "a", 1000));
        lanes.run(key("slow"), noted(&log, "b", 1));
        lanes.run(key("fast"), noted(&log, "c", 1));
        lanes.run(None, noted(&log, "d", 2));
        lanes.run(None, noted(&log, "e", 3));
        lanes.drain(in_a_minute()).await;
        assert_eq!(notes(&log), "a( c( d( e( c) d) e) a) b( b)");
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_answers_what_comes_right_behind_it_and_what_runs_does_not() {
        let (mut lanes, log) = (Lanes::new(10), Log::default());
        lanes.run(key("pod"), noted(&log, "a1", 10));
        sleep(Duration::from_millis(1)).await;
        for name in ["a2", "a3", "b1", "a4", "a5"] {
            lanes.run(key("pod"), noted(&log, name, 10));
        }
        lanes.run(key("other"), noted(&log, "a6", 1));
        lanes.run(None, noted(&log, "a7", 1));
        sleep(Duration::from_millis(15)).await;
        // The run of a2 has begun, and b1 waits.
        lanes.run(key("pod"), noted(&log, "a8", 10));
        lanes.drain(in_a_minute()).await;
        let expected = "a1( a6( a7( a6) a7) a1) a2+a3( a2+a3) b1( b1) a4+a5+a8( a4+a5+a8)";
        assert_eq!(notes(&log), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn what_has_waited_longest_makes_room() {
        let (mut lanes, log) = (Lanes::new(2), Log::default());
        let mut run = |name: &str, key: Option<String>| lanes.run(key, noted(&log, name, 10)).map(|work| work.name);
        for (name, dropped) in [("a", None), ("b1", None), ("b2", None), ("c", Some("b1")), ("d", Some("b2"))] {
            assert_eq!(run(name, key("pod")).as_deref(), dropped);
        }
        assert_eq!(run("e", key("other")), None);
        lanes.drain(in_a_minute()).await;
        assert_eq!(notes(&log), "a( e( a) c( e) c) d( d)");
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_cuts_off_what_is_left() {
        let (mut lanes, log) = (Lanes::new(10), Log::default());
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
        let (mut lanes, log) = (Lanes::new(10), Log::default());
        lanes.run(key("pod"), noted(&log, "a", 1));
        sleep(Duration::from_millis(10)).await;
        assert!(lock(&lanes.waiting).is_empty());
        lanes.run(key("pod"), noted(&log, "b", 1));
        lanes.drain(in_a_minute()).await;
        assert_eq!(notes(&log), "a( a) b( b)");
    }
}

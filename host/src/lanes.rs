//! Runs work for one key strictly in order, and work for different keys side by side.
//!
//! It knows nothing of events: a key is what must not be touched by two at once, a label is how an
//! unfinished or panicked piece of work is named to the caller. How many pieces wait is bounded by
//! whoever hands them in; how many run is bounded here.

use std::any::Any;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::future::{Future, poll_fn};
use std::hash::Hash;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;

use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

/// The lanes. Dropping them drops all unfinished work.
pub struct Lanes<K, L> {
    shared: Arc<Shared<K, L>>,
    tasks: JoinSet<()>,
}

/// What was not finished when the time was up, in the order in which it was handed in.
#[derive(Debug, PartialEq, Eq)]
pub struct Unfinished<L> {
    /// Begun and cut off: it may have had its effect, or a part of it.
    pub running: Vec<L>,
    /// Never begun.
    pub waiting: Vec<L>,
}

impl<L> Unfinished<L> {
    /// Whether everything was finished.
    pub fn is_empty(&self) -> bool {
        self.running.is_empty() && self.waiting.is_empty()
    }
}

impl<K, L> Lanes<K, L>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    L: Clone + Send + Sync + 'static,
{
    /// Lanes that run `concurrency_max` pieces of work at once at most.
    ///
    /// `on_panic` is told the label and the message of work that panicked; the lane goes on.
    pub fn new(concurrency_max: usize, on_panic: impl Fn(&L, &str) + Send + Sync + 'static) -> Lanes<K, L> {
        let shared = Shared {
            state: Mutex::new(State { lanes: HashMap::new(), unfinished: BTreeMap::new(), next: 0 }),
            permits: Semaphore::new(concurrency_max.clamp(1, Semaphore::MAX_PERMITS)),
            idle: Notify::new(),
            on_panic: Box::new(on_panic),
        };
        Lanes { shared: Arc::new(shared), tasks: JoinSet::new() }
    }

    /// Runs `work` after all work that was handed in before with the same key; work without a key
    /// waits for nothing but a free place.
    pub fn run(&mut self, key: Option<K>, label: L, work: impl Future<Output = ()> + Send + 'static) {
        // Those that ended since leave their results behind until they are asked for.
        while self.tasks.try_join_next().is_some() {}
        let mut state = self.shared.state();
        let id = state.next;
        state.next += 1;
        state.unfinished.insert(id, (label, Stage::Waiting));
        let job = Job { id, work: Box::pin(work) };
        let begin = match &key {
            None => Some(job),
            Some(key) => match state.lanes.get_mut(key) {
                Some(lane) => {
                    lane.push_back(job);
                    None
                }
                None => {
                    state.lanes.insert(key.clone(), VecDeque::new());
                    Some(job)
                }
            },
        };
        drop(state);
        if let Some(job) = begin {
            self.tasks.spawn(follow(Arc::clone(&self.shared), key, job));
        }
    }

    /// How many pieces of work are not finished.
    pub fn unfinished(&self) -> usize {
        self.shared.state().unfinished.len()
    }

    /// Waits until everything is finished, or until `deadline`; then drops the rest and tells what
    /// it was.
    pub async fn drain(mut self, deadline: Instant) -> Unfinished<L> {
        // A deadline that passes shows in what is left.
        let _ = timeout_at(deadline, self.shared.all_finished()).await;
        self.tasks.shutdown().await;
        let mut state = self.shared.state();
        let mut left = Unfinished { running: Vec::new(), waiting: Vec::new() };
        for (label, stage) in std::mem::take(&mut state.unfinished).into_values() {
            match stage {
                Stage::Running => left.running.push(label),
                Stage::Waiting => left.waiting.push(label),
            }
        }
        state.lanes.clear();
        left
    }
}

struct Shared<K, L> {
    // A blocking mutex, because nothing waits while it is held.
    state: Mutex<State<K, L>>,
    permits: Semaphore,
    idle: Notify,
    on_panic: Box<OnPanic<L>>,
}

type OnPanic<L> = dyn Fn(&L, &str) + Send + Sync;

struct State<K, L> {
    /// What waits behind the work of a key. A key is here as long as a task follows its lane.
    lanes: HashMap<K, VecDeque<Job>>,
    /// In the order of arrival.
    unfinished: BTreeMap<u64, (L, Stage)>,
    next: u64,
}

struct Job {
    id: u64,
    work: Pin<Box<dyn Future<Output = ()> + Send>>,
}

#[derive(Clone, Copy)]
enum Stage {
    Waiting,
    Running,
}

impl<K, L> Shared<K, L> {
    fn state(&self) -> MutexGuard<'_, State<K, L>> {
        // Each change is complete before anything could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn all_finished(&self) {
        loop {
            let idle = self.idle.notified();
            if self.state().unfinished.is_empty() {
                return;
            }
            idle.await;
        }
    }
}

/// Runs a piece of work and then what waits behind it in its lane, until the lane is empty.
async fn follow<K: Hash + Eq, L: Clone>(shared: Arc<Shared<K, L>>, key: Option<K>, first: Job) {
    let mut next = Some(first);
    while let Some(job) = next {
        // The semaphore is never closed. It is fair, so a long lane takes its turn like others.
        let Ok(permit) = shared.permits.acquire().await else {
            return;
        };
        let label = shared.state().unfinished.get_mut(&job.id).map(|(label, stage)| {
            *stage = Stage::Running;
            label.clone()
        });
        if let (Err(message), Some(label)) = (contain(job.work).await, label) {
            (shared.on_panic)(&label, &message);
        }
        drop(permit);
        let mut state = shared.state();
        state.unfinished.remove(&job.id);
        if state.unfinished.is_empty() {
            shared.idle.notify_waiters();
        }
        next = key.as_ref().and_then(|key| {
            let job = state.lanes.get_mut(key).and_then(VecDeque::pop_front);
            if job.is_none() {
                state.lanes.remove(key);
            }
            job
        });
    }
}

/// Runs work to its end, or to its panic.
async fn contain(mut work: Pin<Box<dyn Future<Output = ()> + Send>>) -> Result<(), String> {
    // Work that panicked is never polled again, so nobody sees what it left half done.
    let outcome = poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(context))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(())) => Poll::Ready(Ok(())),
        Err(panic) => Poll::Ready(Err(panic_message(&*panic))),
    })
    .await;
    // What it holds is dropped here, which may panic as well.
    let dropped = catch_unwind(AssertUnwindSafe(|| drop(work)));
    outcome.and(dropped.map_err(|panic| panic_message(&*panic)))
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("a panic without a message").to_owned()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::time::Duration;

    use tokio::time::sleep;

    use super::*;

    type Log = Arc<Mutex<Vec<String>>>;

    fn lanes(concurrency_max: usize) -> Lanes<&'static str, String> {
        Lanes::new(concurrency_max, |label, message| panic!("{label}: {message}"))
    }

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

    fn in_a_minute() -> Instant {
        Instant::now() + Duration::from_secs(60)
    }

    #[tokio::test(start_paused = true)]
    async fn one_key_runs_in_order() {
        let (mut lanes, log) = (lanes(10), Log::default());
        for (name, millis) in [("a", 30), ("b", 20), ("c", 10)] {
            lanes.run(Some("pod"), name.to_owned(), noted(&log, name, millis));
        }
        assert!(lanes.drain(in_a_minute()).await.is_empty());
        assert_eq!(notes(&log), "a( a) b( b) c( c)");
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_key_holds_up_nobody() {
        let (mut lanes, log) = (lanes(10), Log::default());
        lanes.run(Some("slow"), "a".into(), noted(&log, "a", 1000));
        lanes.run(Some("slow"), "b".into(), noted(&log, "b", 1));
        lanes.run(Some("fast"), "c".into(), noted(&log, "c", 1));
        lanes.run(None, "d".into(), noted(&log, "d", 2));
        lanes.run(None, "e".into(), noted(&log, "e", 3));
        assert!(lanes.drain(in_a_minute()).await.is_empty());
        assert_eq!(notes(&log), "a( c( d( e( c) d) e) a) b( b)");
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_the_limit_run_at_once() {
        let mut lanes = lanes(3);
        let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        for number in 0..50_u64 {
            let key = ["a", "b", "c", "d", "e"].get(number as usize % 6).copied();
            let (now, most) = (Arc::clone(&now), Arc::clone(&most));
            lanes.run(key, number.to_string(), async move {
                most.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
                sleep(Duration::from_millis(number % 7)).await;
                now.fetch_sub(1, SeqCst);
            });
        }
        assert!(lanes.drain(in_a_minute()).await.is_empty());
        assert_eq!((now.load(SeqCst), most.load(SeqCst)), (0, 3));
    }

    #[tokio::test(start_paused = true)]
    async fn a_panic_is_reported_and_the_lane_goes_on() {
        let (log, reported) = (Log::default(), Log::default());
        let report = Arc::clone(&reported);
        let mut lanes = Lanes::new(1, move |label: &String, message: &str| {
            report.lock().unwrap().push(format!("{label}: {message}"));
        });
        lanes.run(Some("pod"), "a".to_owned(), async { panic!("no {}", "luck") });
        lanes.run(Some("pod"), "b".to_owned(), noted(&log, "b", 1));
        assert!(lanes.drain(in_a_minute()).await.is_empty());
        assert_eq!(notes(&reported), "a: no luck");
        assert_eq!(notes(&log), "b( b)");
    }

    #[tokio::test(start_paused = true)]
    async fn the_deadline_tells_what_is_left() {
        let (mut lanes, log) = (lanes(2), Log::default());
        lanes.run(Some("pod"), "done".into(), noted(&log, "done", 10));
        lanes.run(Some("pod"), "cut".into(), noted(&log, "cut", 120_000));
        lanes.run(Some("pod"), "behind".into(), noted(&log, "behind", 1));
        lanes.run(None, "also cut".into(), noted(&log, "also cut", 120_000));
        lanes.run(None, "no place".into(), noted(&log, "no place", 1));
        let deadline = in_a_minute();
        let left = lanes.drain(deadline).await;
        assert_eq!(Instant::now(), deadline);
        assert_eq!(notes(&log), "done( also cut( done) no place( no place) cut(");
        assert_eq!(left.running, ["cut", "also cut"]);
        assert_eq!(left.waiting, ["behind"]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_comes_and_goes() {
        let (mut lanes, log) = (lanes(10), Log::default());
        lanes.run(Some("pod"), "a".into(), noted(&log, "a", 1));
        sleep(Duration::from_millis(10)).await;
        assert_eq!(lanes.unfinished(), 0);
        assert!(lanes.shared.state().lanes.is_empty());
        lanes.run(Some("pod"), "b".into(), noted(&log, "b", 1));
        assert!(lanes.drain(in_a_minute()).await.is_empty());
        assert_eq!(notes(&log), "a( a) b( b)");
    }
}

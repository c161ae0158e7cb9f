//! What was found, kept for a while: many events ask for the same at once, and one of them looks it up.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::values::{ContextError, Values};

/// How long what was found is handed on.
const FOUND_KEPT: Duration = Duration::from_secs(60);

/// How long it is taken as known that nothing can be found: those who waited meanwhile don't all try in turn.
const FAILED_KEPT: Duration = Duration::from_secs(1);

/// More nodes than a cluster has whose events come to one host.
const KEYS_MAX: usize = 4_096;

type Outcome = Result<Arc<Values>, ContextError>;

/// Filled by the first that asks, whom the others wait for.
type Slot = Arc<tokio::sync::Mutex<Option<(Instant, Outcome)>>>;

pub(super) struct Cache<Key>(Mutex<HashMap<Key, Slot>>);

impl<Key: Hash + Eq> Cache<Key> {
    pub(super) fn new() -> Self {
        Self(Mutex::default())
    }

    /// What is known under `key`, or what `find` finds.
    pub(super) async fn get_or(&self, key: Key, find: impl Future<Output = Result<Values, ContextError>>) -> Outcome {
        let slot = self.slot(key);
        let mut slot = slot.lock().await;
        if let Some((at, outcome)) = &*slot
            && at.elapsed() < kept(outcome)
        {
            return outcome.clone();
        }
        let outcome = find.await.map(Arc::new);
        *slot = Some((Instant::now(), outcome.clone()));
        outcome
    }

    fn slot(&self, key: Key) -> Slot {
        // Each change is complete before anything could panic.
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= KEYS_MAX && !slots.contains_key(&key) {
            slots.retain(|_, slot| is_of_use(slot));
            if slots.len() >= KEYS_MAX {
                slots.clear();
            }
        }
        Arc::clone(slots.entry(key).or_default())
    }
}

fn kept(outcome: &Outcome) -> Duration {
    if outcome.is_ok() { FOUND_KEPT } else { FAILED_KEPT }
}

/// Whether it is being filled, or holds what may still be handed on.
fn is_of_use(slot: &Slot) -> bool {
    match slot.try_lock() {
        Ok(slot) => slot.as_ref().is_some_and(|(at, outcome)| at.elapsed() < kept(outcome)),
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::future::join_all;
    use tokio::time::{advance, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_looks_it_up_for_all() {
        let (cache, asked) = (Cache::new(), AtomicU32::new(0));
        let find = async |key: &'static str, is_there: bool| {
            let find = async {
                sleep(Duration::from_millis(100)).await;
                let number = asked.fetch_add(1, Ordering::Relaxed) + 1;
                let missing = || ContextError::missing("nothing");
                is_there.then(|| Values::from([("number", number.to_string())])).ok_or_else(missing)
            };
            cache.get_or(key, find).await.map(|values| values["number"].clone())
        };
        let of_all = join_all((0..10).map(|_| find("a", true))).await;
        assert!(of_all.iter().all(|found| found.as_deref() == Ok("1")), "{of_all:?}");
        assert_eq!(find("b", true).await.as_deref(), Ok("2"));
        advance(FOUND_KEPT / 2).await;
        assert_eq!(find("a", true).await.as_deref(), Ok("1"));
        advance(FOUND_KEPT / 2).await;
        assert_eq!(find("a", true).await.as_deref(), Ok("3"));
        let of_all = join_all((0..10).map(|_| find("c", false))).await;
        assert!(of_all.iter().all(Result::is_err) && asked.load(Ordering::Relaxed) == 4);
        advance(FAILED_KEPT).await;
        assert_eq!(find("c", true).await.as_deref(), Ok("5"));
    }

    #[tokio::test]
    async fn it_is_bounded() {
        let cache = Cache::new();
        for key in 0..2 * KEYS_MAX {
            cache.get_or(key, async { Ok(Values::new()) }).await.unwrap();
        }
        assert!(cache.0.lock().unwrap().len() <= KEYS_MAX);
    }
}

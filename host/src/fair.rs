//! Something scarce that several share, of which none takes so much that nothing is left for the others.
//!
//! Each may hold as much as it leaves free: one alone half of it, a second one half of the rest, and so on. Does not know
//! what is shared.

use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

/// What is shared.
#[derive(Debug)]
pub(crate) struct Pool {
    units_max: usize,
    // A blocking mutex, because nothing waits while it is held.
    used: Mutex<usize>,
    /// Wakes those that wait for their share.
    given_back: Notify,
}

/// The part of one that shares. Clones are the same part.
#[derive(Debug, Clone)]
pub(crate) struct Share(Arc<Part>);

#[derive(Debug)]
struct Part {
    pool: Arc<Pool>,
    /// Changed only while the pool is locked.
    used: Mutex<usize>,
}

/// Some of it, given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    part: Arc<Part>,
    units: usize,
}

impl Pool {
    /// So much of it.
    pub(crate) fn new(units_max: usize) -> Arc<Pool> {
        Arc::new(Pool { units_max, used: Mutex::new(0), given_back: Notify::new() })
    }

    /// How much there is.
    pub(crate) fn units_max(&self) -> usize {
        self.units_max
    }

    /// How much of it nobody holds.
    pub(crate) fn free(&self) -> usize {
        self.units_max - *lock(&self.used)
    }

    /// How much of it is held.
    #[cfg(test)]
    pub(crate) fn used(&self) -> usize {
        *lock(&self.used)
    }

    /// The part of one more that shares.
    pub(crate) fn share(self: &Arc<Self>) -> Share {
        Share(Arc::new(Part { pool: Arc::clone(self), used: Mutex::new(0) }))
    }
}

impl Share {
    /// Take so much, when it is there; nothing where there is never so much.
    ///
    /// The first that one takes may be more than it leaves free, or little could not be shared at all.
    pub(crate) async fn take(&self, units: usize) -> Option<Held> {
        let Share(part) = self;
        if units > part.pool.units_max {
            return None;
        }
        loop {
            let mut given_back = pin!(part.pool.given_back.notified());
            // What is given back from here on is not missed.
            given_back.as_mut().enable();
            if part.add(units) {
                return Some(Held { part: Arc::clone(part), units });
            }
            given_back.await;
        }
    }
}

impl Held {
    /// Have so much altogether, if what that is more is there now.
    pub(crate) fn grow_to(&mut self, units: usize) -> bool {
        let more = units.saturating_sub(self.units);
        let grows = more == 0 || self.part.add(more);
        if grows {
            self.units += more;
        }
        grows
    }

    /// How much there is for all.
    pub(crate) fn of_all(&self) -> usize {
        self.part.pool.units_max
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut of_all = lock(&self.part.pool.used);
        *of_all -= self.units;
        *lock(&self.part.used) -= self.units;
        drop(of_all);
        self.part.pool.given_back.notify_waiters();
    }
}

impl Part {
    fn add(&self, units: usize) -> bool {
        let (mut of_all, mut own) = (lock(&self.pool.used), lock(&self.used));
        let Some(left) = (self.pool.units_max - *of_all).checked_sub(units) else { return false };
        if *own > 0 && *own + units > left {
            return false;
        }
        *of_all += units;
        *own += units;
        true
    }
}

/// A number is complete whenever something could panic.
fn lock(number: &Mutex<usize>) -> MutexGuard<'_, usize> {
    number.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;
    use tokio::time::timeout;

    use super::*;

    async fn take(share: &Share, units: usize) -> Option<Held> {
        timeout(Duration::from_secs(1), share.take(units)).await.ok().flatten()
    }

    #[tokio::test(start_paused = true)]
    async fn one_leaves_as_much_as_it_takes() {
        let pool = Pool::new(8);
        let (one, other, third) = (pool.share(), pool.share(), pool.share());
        let mut held = Vec::new();
        for share in [&one, &other, &third] {
            while let Some(more) = take(share, 1).await {
                held.push(more);
            }
        }
        assert_eq!([&one, &other, &third].map(|Share(part)| *lock(&part.used)), [4, 2, 1]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_given_back_goes_to_who_waits() {
        let pool = Pool::new(2);
        let share = pool.share();
        let first = take(&share, 1).await.unwrap();
        assert!(take(&share, 1).await.is_none());
        let (waits, ()) = tokio::join!(take(&share, 2), async { drop(first) });
        assert!(waits.is_some());
        assert!(take(&share, 3).await.is_none());
        drop(waits);
        assert_eq!(pool.used(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_may_be_all_there_is_and_growing_waits_for_nobody() {
        let pool = Pool::new(8);
        let (one, other) = (pool.share(), pool.share());
        let mut all = take(&one, 8).await.unwrap();
        assert!(all.grow_to(8) && !all.grow_to(9) && take(&other, 1).await.is_none());
        drop(all);
        let mut some = take(&one, 1).await.unwrap();
        assert!(some.grow_to(4) && some.grow_to(2) && !some.grow_to(5));
        assert!(take(&other, 4).await.is_some());
        // Nothing of nothing is always there.
        assert!(take(&Pool::new(0).share(), 0).await.is_some());
    }

    proptest! {
        #[test]
        fn something_is_left_for_each_that_comes(units_max in 1_usize..200, takes in proptest::collection::vec(0_usize..6, 0..100)) {
            let pool = Pool::new(units_max);
            let shares: Vec<Share> = (0..6).map(|_| pool.share()).collect();
            for taken in takes {
                let Share(part) = &shares[taken];
                let before = pool.used();
                let took = part.add(1);
                let after = pool.used();
                prop_assert_eq!(after, before + usize::from(took));
                prop_assert!(after <= units_max);
                let own = *lock(&part.used);
                prop_assert!(!took || own == 1 || own <= units_max - after);
            }
        }
    }
}

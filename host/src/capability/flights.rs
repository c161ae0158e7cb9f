//! Single flight: of the calls that change one object, one at a time.
//!
//! Lanes keep the events of one target apart. But two pods lie on one node, and what drains it for both would do all of
//! it twice. So the first write of a call about an object takes the object until the call is over, and a call that finds
//! it taken ends before it has changed anything, to be run anew after the other, when it finds what that has done.
//!
//! Nobody waits while it holds an object, so nobody waits for ever. This spares work, and guards nothing: what is
//! written at the same time is the API server's to keep apart, by preconditions. So a call that can't wait goes on.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use policy::ObjectId;
use tokio::sync::OwnedMutexGuard;
use tokio::time::{Instant, timeout_at};

/// A call holds no more objects than this. What it changes beyond that, others may change beside it.
const OBJECTS_MAX: usize = 1_000;

/// Which objects are being changed, by all calls of a host. Clones know the same.
#[derive(Clone, Default)]
pub(crate) struct Flights(Arc<Mutex<HashMap<ObjectId, Weak<Lock>>>>);

/// Those who want an object have it in the order in which they began to wait.
type Lock = tokio::sync::Mutex<()>;

/// The objects that one call changes, given back when it is dropped.
#[derive(Default)]
pub(crate) struct Flight {
    flights: Flights,
    held: HashMap<ObjectId, Held>,
    /// Whether it may have changed anything.
    has_begun: AtomicBool,
    /// When to wait for others no longer, where it has waited before.
    patience: Option<Instant>,
    /// Whether what its event is about went meanwhile.
    pub(super) was_outrun: bool,
}

/// Another call changes what this one is to change, which has changed nothing yet.
pub struct Busy {
    flights: Flights,
    object: ObjectId,
    patience: Instant,
}

/// An object that is held. Those who wait for it have it next.
struct Held {
    // Given back before the seat is.
    _guard: OwnedMutexGuard<()>,
    _seat: Seat,
}

/// Whoever holds an object or waits for it: the last one takes it off the list.
struct Seat {
    flights: Flights,
    object: ObjectId,
    /// None once it is given back.
    lock: Option<Arc<Lock>>,
}

impl Flights {
    /// For a call that begins.
    pub(crate) fn begin(&self) -> Flight {
        Flight { flights: self.clone(), ..Flight::default() }
    }

    fn seat(&self, object: &ObjectId) -> (Seat, Arc<Lock>) {
        let mut locks = self.locks();
        let known = locks.get(object).and_then(Weak::upgrade);
        let lock = known.unwrap_or_else(|| {
            let lock = Arc::new(Lock::new(()));
            locks.insert(object.clone(), Arc::downgrade(&lock));
            lock
        });
        (Seat { flights: self.clone(), object: object.clone(), lock: Some(Arc::clone(&lock)) }, lock)
    }

    /// Complete after each statement.
    fn locks(&self) -> MutexGuard<'_, HashMap<ObjectId, Weak<Lock>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flight {
    /// Have objects for itself from here on, as far as it may.
    ///
    /// # Errors
    ///
    /// Where another call has one of them and this one has changed nothing yet: so it holds none any more, is to end,
    /// and to run anew. It goes on beside the others where it has begun to change something, since two that hold what
    /// the other wants would wait for ever, and where it has waited for `patience` since it first had to.
    pub(super) fn take(&mut self, objects: impl Iterator<Item = ObjectId>, patience: Duration) -> Result<(), Busy> {
        for object in objects {
            if self.held.contains_key(&object) || self.held.len() == OBJECTS_MAX {
                continue;
            }
            let (seat, lock) = self.flights.seat(&object);
            if let Ok(guard) = lock.try_lock_owned() {
                self.held.insert(object, Held { _guard: guard, _seat: seat });
                continue;
            }
            let now = Instant::now();
            let until = self.patience.unwrap_or(now + patience);
            if !self.has_begun.load(Ordering::Relaxed) && now < until {
                self.held.clear();
                return Err(Busy { flights: self.flights.clone(), object, patience: until });
            }
        }
        Ok(())
    }

    /// Whether it has waited for another.
    pub(super) fn has_waited(&self) -> bool {
        self.patience.is_some()
    }

    /// What it does from here on may change something.
    pub(super) fn begin(&self) {
        self.has_begun.store(true, Ordering::Relaxed);
    }
}

impl Busy {
    /// Wait for the turn of this one, and have the object: for the call that is the same once more.
    ///
    /// Waits in all for as long as such a call may take, since the first time. What the flight holds is given back also
    /// where it is not used.
    pub(crate) async fn free(self) -> Flight {
        let Self { flights, object, patience } = self;
        let (seat, lock) = flights.seat(&object);
        let guard = timeout_at(patience, lock.lock_owned()).await.ok();
        let held = guard.map(|guard| (object, Held { _guard: guard, _seat: seat }));
        Flight { held: held.into_iter().collect(), patience: Some(patience), ..flights.begin() }
    }
}

impl fmt::Display for Busy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "another action changes {} now; this one is run anew after it", self.object)
    }
}

impl fmt::Debug for Busy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Busy").field(&self.object).finish()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut locks = self.flights.locks();
        self.lock = None;
        if locks.get(&self.object).is_some_and(|lock| lock.strong_count() == 0) {
            locks.remove(&self.object);
        }
    }
}

#[cfg(test)]
mod tests {
    use policy::Address;
    use tokio::task::yield_now;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    fn node(name: &str) -> ObjectId {
        ObjectId::at(&Address::new("", "v1", "nodes", None, Some(name)).unwrap()).unwrap()
    }

    fn take(flight: &mut Flight, names: &[&str]) -> Result<(), Busy> {
        flight.take(names.iter().map(|name| node(name)), PATIENCE)
    }

    fn holding(flights: &Flights, names: &[&str]) -> Flight {
        let mut flight = flights.begin();
        take(&mut flight, names).unwrap();
        flight
    }

    #[tokio::test(start_paused = true)]
    async fn one_at_a_time_has_an_object() {
        let flights = Flights::default();
        let first = holding(&flights, &["a"]);
        let mut second = flights.begin();
        let busy = take(&mut second, &["a"]).unwrap_err();
        assert_eq!(busy.to_string(), "another action changes nodes a now; this one is run anew after it");
        let other = holding(&flights, &["b"]);
        let (mut second, ()) = tokio::join!(busy.free(), async { drop(first) });
        take(&mut second, &["a"]).unwrap();
        // A call writes an object as often as it likes.
        take(&mut second, &["a", "a"]).unwrap();
        take(&mut flights.begin(), &["a"]).unwrap_err();
        drop((second, other));
        assert!(flights.locks().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_wait_have_their_turn_in_order_and_nobody_comes_between() {
        let flights = Flights::default();
        let first = holding(&flights, &["a"]);
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut waits = Vec::new();
        for at in 0..5 {
            let busy = take(&mut flights.begin(), &["a"]).unwrap_err();
            let order = Arc::clone(&order);
            waits.push(tokio::spawn(async move {
                let mut flight = busy.free().await;
                order.lock().unwrap().push(at);
                yield_now().await;
                take(&mut flight, &["a"]).unwrap();
            }));
            yield_now().await;
        }
        // One that gives up leaves its place to the next.
        waits.remove(1).abort();
        drop(first);
        take(&mut flights.begin(), &["a"]).unwrap_err();
        for wait in waits {
            wait.await.unwrap();
        }
        assert_eq!(*order.lock().unwrap(), [0, 2, 3, 4]);
        assert!(flights.locks().is_empty());
    }

    /// Else two calls that hold what the other wants would wait for ever.
    #[tokio::test(start_paused = true)]
    async fn nobody_waits_who_holds_something() {
        let flights = Flights::default();
        let mut first = holding(&flights, &["a"]);
        first.begin();
        let mut second = flights.begin();
        // It has changed nothing, so it gives back what it took.
        let busy = take(&mut second, &["b", "a"]).unwrap_err();
        take(&mut first, &["b"]).unwrap();
        drop(first);
        let mut second = busy.free().await;
        let mut third = holding(&flights, &["b"]);
        third.begin();
        take(&mut third, &["a"]).unwrap();
        assert_eq!((second.has_waited(), third.has_waited()), (true, false));
        take(&mut second, &["a"]).unwrap();
        second.begin();
        take(&mut second, &["b"]).unwrap();
        drop((second, third));
        assert!(flights.locks().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn patience_has_an_end_in_sum() {
        let flights = Flights::default();
        let (first, other) = (holding(&flights, &["a"]), holding(&flights, &["b"]));
        let began = Instant::now();
        let busy = take(&mut flights.begin(), &["a"]).unwrap_err();
        tokio::time::sleep(PATIENCE / 2).await;
        drop(first);
        let busy = take(&mut busy.free().await, &["b"]).unwrap_err();
        let mut flight = busy.free().await;
        assert_eq!(began.elapsed().as_secs(), PATIENCE.as_secs());
        take(&mut flight, &["b", "a"]).unwrap();
        assert_eq!(flight.held.keys().collect::<Vec<_>>(), [&node("a")], "it goes on beside the other");
        drop((flight, other));
        assert!(flights.locks().is_empty());
    }

    #[test]
    fn nobody_holds_very_many() {
        let flights = Flights::default();
        let mut flight = flights.begin();
        flight.take((0..OBJECTS_MAX + 5).map(|at| node(&format!("n{at}"))), PATIENCE).unwrap();
        assert_eq!((flight.held.len(), flights.locks().len()), (OBJECTS_MAX, OBJECTS_MAX));
        drop(flight);
        assert!(flights.locks().is_empty());
    }
}

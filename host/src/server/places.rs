//! Who is connected, and which connection is closed where one more comes than may be open.
//!
//! A new client is always let in: it may be what watches the program, and that must get its answer while others hold
//! every place without using it. So there are two limits: of connections, of which the idlest makes room, and of
//! events under way, which is lower, and beyond which an event is refused. A connection with a request under way is
//! never closed for another.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use super::progress::Progress;
use crate::config::ServerLimits;

/// One of so many connections is kept for what is not an event.
const SHARE_WITHOUT_EVENTS: usize = 8;

/// The places for connections.
pub(super) struct Places {
    connections_max: usize,
    /// Of one address.
    share_max: usize,
    events_max: usize,
    began: Instant,
    // A blocking mutex, because nothing waits while it is held.
    state: Mutex<State>,
    events: Arc<AtomicUsize>,
    /// A connection has ended, or a request, so that there may be a place now.
    changed: Notify,
}

#[derive(Default)]
struct State {
    open: HashMap<u64, Open>,
    peers: HashMap<IpAddr, Peer>,
    next: u64,
}

struct Open {
    peer: IpAddr,
    progress: Arc<Progress>,
    /// Dropped with it, which closes the connection.
    _close: oneshot::Sender<()>,
}

#[derive(Default)]
struct Peer {
    connections: usize,
    events: Arc<AtomicUsize>,
}

/// The place of one connection, free again when it is dropped.
pub(super) struct Place {
    places: Arc<Places>,
    id: u64,
    events_of_peer: Arc<AtomicUsize>,
    pub(super) progress: Arc<Progress>,
}

/// A connection that was let in.
pub(super) struct Entered {
    pub(super) place: Place,
    /// Ready when it has to make room.
    pub(super) closed: oneshot::Receiver<()>,
    /// Why another one had to make room for it, if one had.
    pub(super) displaced: Option<Limit>,
}

/// What there are too many of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Limit {
    /// Connections.
    All,
    /// Connections of one address.
    OfPeer,
}

/// An event that is under way.
pub(super) struct UnderWay([Arc<AtomicUsize>; 2]);

impl Places {
    pub(super) fn new(limits: ServerLimits) -> Arc<Places> {
        let ServerLimits { connections_max, connections_per_peer_max: share_max, .. } = limits;
        let kept = (connections_max / SHARE_WITHOUT_EVENTS).max(1);
        Arc::new(Places {
            connections_max,
            share_max,
            // Where there is but one connection, it is for events.
            events_max: connections_max.saturating_sub(kept).max(1),
            began: Instant::now(),
            state: Mutex::default(),
            events: Arc::default(),
            changed: Notify::new(),
        })
    }

    /// Lets a client in, who waits only where a request is under way on every connection.
    pub(super) async fn enter(self: &Arc<Self>, address: IpAddr) -> Entered {
        let peer = peer_of(address);
        let mut displaced = None;
        loop {
            if let Some((place, closed)) = self.try_enter(peer, &mut displaced) {
                return Entered { place, closed, displaced };
            }
            self.changed.notified().await;
        }
    }

    /// How many more may come without one that has to make room.
    pub(super) fn free(&self) -> usize {
        self.connections_max.saturating_sub(self.state().open.len())
    }

    /// Closes the idlest connection, where the system has no more to give; whether there was one.
    pub(super) fn make_room(&self) -> bool {
        self.state().close_idlest(Instant::now(), self.share_max, |_| true)
    }

    fn try_enter(
        self: &Arc<Self>,
        peer: IpAddr,
        displaced: &mut Option<Limit>,
    ) -> Option<(Place, oneshot::Receiver<()>)> {
        let (mut state, now) = (self.state(), Instant::now());
        // An address may have more where it uses them: they are open for a reason, and nobody is in need of a place.
        if state.connections_of(peer) >= self.share_max
            && state.close_idlest(now, self.share_max, |open| open.peer == peer && !is_fresh(open, now))
        {
            *displaced = Some(Limit::OfPeer);
        }
        while state.open.len() >= self.connections_max {
            if !state.close_idlest(now, self.share_max, |_| true) {
                return None;
            }
            *displaced = Some(Limit::All);
        }
        let (close, closed) = oneshot::channel();
        let (progress, id) = (Progress::new(self.began), state.next);
        state.next += 1;
        state.open.insert(id, Open { peer, progress: Arc::clone(&progress), _close: close });
        let of_peer = state.peers.entry(peer).or_default();
        of_peer.connections += 1;
        let events_of_peer = Arc::clone(&of_peer.events);
        Some((Place { places: Arc::clone(self), id, events_of_peer, progress }, closed))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is complete before anything could panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_fresh(open: &Open, now: Instant) -> bool {
    open.progress.idleness(now).is_none_or(|idleness| idleness.is_fresh)
}

impl State {
    fn connections_of(&self, peer: IpAddr) -> usize {
        self.peers.get(&peer).map_or(0, |peer| peer.connections)
    }

    /// Of those that are wanted, closes the one that is missed the least; whether there was one. Where all of them may
    /// be in the middle of something, one of an address that has more than its share.
    fn close_idlest(&mut self, now: Instant, share_max: usize, is_wanted: impl Fn(&Open) -> bool) -> bool {
        loop {
            let candidates = self.open.iter().filter(|(_, open)| is_wanted(open)).filter_map(|(id, open)| {
                let idleness = open.progress.idleness(now)?;
                let within_share = self.connections_of(open.peer) <= share_max;
                Some((idleness.is_fresh, within_share, idleness.since_ms, *id))
            });
            let Some((.., id)) = candidates.min() else { return false };
            // A request may have begun since it was looked at.
            if self.open[&id].progress.close() {
                self.remove(id);
                return true;
            }
        }
    }

    fn remove(&mut self, id: u64) {
        let Some(Open { peer, .. }) = self.open.remove(&id) else { return };
        if let Some(of_peer) = self.peers.get_mut(&peer) {
            of_peer.connections -= 1;
            if of_peer.connections == 0 {
                self.peers.remove(&peer);
            }
        }
    }
}

impl Place {
    pub(super) fn request_ends(&self) {
        self.progress.request_ends();
        self.places.changed.notify_one();
    }

    /// An event begins, unless too many are under way, of all clients or of this one.
    pub(super) fn event_begins(&self) -> Option<UnderWay> {
        let counted = |count: &Arc<AtomicUsize>, most: usize| {
            let begin = |events| (events < most).then_some(events + 1);
            count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, begin).is_ok()
        };
        let (all, of_peer) = (&self.places.events, &self.events_of_peer);
        if !counted(of_peer, self.places.share_max) {
            return None;
        }
        if !counted(all, self.places.events_max) {
            of_peer.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        Some(UnderWay([Arc::clone(all), Arc::clone(of_peer)]))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.state().remove(self.id);
        self.places.changed.notify_one();
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        for count in &self.0 {
            count.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// Whom an address belongs to: of IPv6, everybody has 2^64 of them.
fn peer_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests;

//! What waits for one destination, and when it is its turn.
//!
//! One is sent at a time, in the order of the next attempts. While the destination refuses, nothing is sent to it
//! between two attempts, whatever waits; and the one that was refused goes to the end, so that it holds up no other.

use std::collections::BTreeMap;
use std::time::Duration;

use outputs::Source;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::store::DeliveryId;

/// Where things are sent: the name of an output, and its parameters as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Destination {
    pub(super) target: String,
    pub(super) parameters: String,
}

/// One delivery that is due, now or later.
#[derive(Debug)]
pub(super) struct Item {
    pub(super) id: DeliveryId,
    pub(super) made: Instant,
    /// Attempts that have failed.
    pub(super) attempts: u32,
    /// Its bytes, where they are not kept for the next process.
    pub(super) held: Option<Source>,
    /// Who waits for the first attempt.
    pub(super) first: Option<oneshot::Sender<First>>,
}

/// What came of the first attempt, for who goes on then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum First {
    Arrived,
    /// It will be sent again, or was not sent yet.
    Due,
    /// It never will arrive, for this reason.
    Failed(String),
}

impl Item {
    /// Let who waits go on.
    pub(super) fn answer(&mut self, first: First) {
        if let Some(waits) = self.first.take() {
            // It may have waited for long enough.
            let _ = waits.send(first);
        }
    }
}

/// What waits for one destination.
#[derive(Debug, Default)]
pub(super) struct Line {
    waiting: BTreeMap<(Instant, u64), Item>,
    /// Distinguishes those of one time, in their order.
    number: u64,
    /// Attempts that have failed, one after the other.
    refusals: u32,
    /// Before then nothing is sent.
    resumes: Option<Instant>,
}

/// What is to be done for a destination.
#[derive(Debug)]
pub(super) enum Next {
    Send(Item),
    WaitUntil(Instant),
    Nothing,
}

impl Line {
    /// Let one wait, until then at least.
    pub(super) fn push(&mut self, mut item: Item, next: Instant) {
        if self.refusals > 0 {
            item.answer(First::Due);
        }
        self.number += 1;
        self.waiting.insert((next, self.number), item);
    }

    pub(super) fn next(&mut self, now: Instant) -> Next {
        let Some(first) = self.waiting.first_entry() else { return Next::Nothing };
        let (due, _) = *first.key();
        let turn = self.resumes.map_or(due, |resumes| resumes.max(due));
        if turn > now { Next::WaitUntil(turn) } else { Next::Send(first.remove()) }
    }

    /// The destination has taken one, or has refused that one for good.
    pub(super) fn answered(&mut self) {
        (self.refusals, self.resumes) = (0, None);
    }

    /// The destination has refused one so often in a row, this time included.
    pub(super) fn refused(&mut self) -> u32 {
        self.refusals += 1;
        self.refusals
    }

    /// Send nothing for that long.
    pub(super) fn pause(&mut self, now: Instant, pause: Duration) {
        self.resumes = Some(now + pause);
    }

    /// Those that were made so long ago.
    pub(super) fn take_old(&mut self, now: Instant, age: Duration) -> Vec<Item> {
        let old = self.waiting.extract_if(.., |_, item| now.saturating_duration_since(item.made) >= age);
        old.map(|(_, item)| item).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(made: Instant) -> Item {
        Item { id: DeliveryId::random(), made, attempts: 0, held: None, first: None }
    }

    #[track_caller]
    fn sent(line: &mut Line, now: Instant) -> Item {
        match line.next(now) {
            Next::Send(item) => item,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn they_are_sent_in_their_order_and_at_their_time() {
        let (mut line, now) = (Line::default(), Instant::now());
        assert!(matches!(line.next(now), Next::Nothing));
        let (one, two, late) = (item(now), item(now), item(now));
        let ids = [one.id, two.id, late.id];
        let later = now + Duration::from_secs(1);
        line.push(late, later);
        line.push(one, now);
        line.push(two, now);
        assert_eq!([sent(&mut line, now).id, sent(&mut line, now).id], ids[..2]);
        assert!(matches!(line.next(now), Next::WaitUntil(then) if then == later));
        assert_eq!(sent(&mut line, later).id, ids[2]);
    }

    #[test]
    fn a_destination_that_refuses_is_left_alone_and_the_refused_one_holds_up_no_other() {
        let (mut line, now) = (Line::default(), Instant::now());
        let (first, second) = (item(now), item(now));
        let ids = [first.id, second.id];
        line.push(first, now);
        line.push(second, now);
        let refused = sent(&mut line, now);
        assert_eq!(line.refused(), 1);
        let pause = Duration::from_secs(1);
        line.pause(now, pause);
        line.push(refused, now + pause);
        assert!(matches!(line.next(now), Next::WaitUntil(then) if then == now + pause));
        // Who comes meanwhile need not wait to hear that.
        let (waits, mut hears) = oneshot::channel();
        line.push(Item { first: Some(waits), ..item(now) }, now);
        assert_eq!(hears.try_recv(), Ok(First::Due));
        assert_eq!(sent(&mut line, now + pause).id, ids[1]);
        assert_eq!(line.refused(), 2);
        line.answered();
        assert_eq!(line.refused(), 1);
    }

    #[test]
    fn what_is_too_old_is_found_wherever_it_waits() {
        let (mut line, now) = (Line::default(), Instant::now());
        let (made, age) = (now, Duration::from_secs(10));
        line.push(item(made), now + age);
        line.push(item(made + age), now);
        assert_eq!(line.take_old(made + age, age).len(), 1);
        assert_eq!(line.take_old(made + age, age).len(), 0);
    }
}

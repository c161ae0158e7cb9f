//! Which destinations do not take what is sent to them, for who watches the program.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use super::destination::Destination;
use crate::health::{Check, Health};

/// What is wrong with the way to a destination. What is worse comes later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Trouble {
    /// It is tried again.
    Refused,
    /// Something was given up, and nothing has arrived at the target since.
    GivenUp,
}

/// Of destinations, what is wrong with them. No more than this are told apart.
#[derive(Debug, Default)]
pub(super) struct Troubles(Mutex<BTreeMap<(String, String), Trouble>>);

/// More than rules have destinations.
const TROUBLES_MAX: usize = 1_000;

impl Troubles {
    /// Something has arrived, or has not.
    pub(super) fn report(&self, destination: &Destination, trouble: Option<Trouble>, health: &Health) {
        self.change(health, |troubles| match trouble {
            Some(trouble) => {
                let of = (destination.target.clone(), destination.parameters.clone());
                if troubles.len() < TROUBLES_MAX || troubles.contains_key(&of) {
                    let worst = troubles.entry(of).or_insert(trouble);
                    *worst = trouble.max(*worst);
                }
            }
            // What was given up may have been for a destination that no rule has any more: nothing ever arrives there.
            None => troubles.retain(|(target, parameters), trouble| {
                let is_same = *target == destination.target;
                !(is_same && (*trouble == Trouble::GivenUp || *parameters == destination.parameters))
            }),
        });
    }

    /// Nothing is sent again to it.
    pub(super) fn rest(&self, destination: &Destination, health: &Health) {
        let Destination { target, parameters } = destination;
        self.change(health, |troubles| {
            troubles.retain(|of, trouble| *trouble != Trouble::Refused || (&of.0, &of.1) != (target, parameters));
        });
    }

    fn change(&self, health: &Health, change: impl FnOnce(&mut BTreeMap<(String, String), Trouble>)) {
        let mut troubles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut troubles);
        // In words of the host's own: anybody may ask, and what a server says can name accounts.
        let texts: BTreeSet<_> = troubles.iter().map(|((target, _), trouble)| text(target, *trouble)).collect();
        if texts.is_empty() {
            health.ok(Check::Outputs);
        } else {
            health.wrong(Check::Outputs, texts.into_iter().collect::<Vec<_>>().join("; "));
        }
    }
}

fn text(target: &str, trouble: Trouble) -> String {
    match trouble {
        Trouble::Refused => format!("'{target}' does not take an artifact, which is sent again"),
        Trouble::GivenUp => format!("an artifact for '{target}' was given up, and none has arrived since"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REFUSED: &str = "'s3' does not take an artifact, which is sent again";
    const GIVEN_UP: &str = "an artifact for 's3' was given up, and none has arrived since";

    /// What the health says after these reports of destinations of `s3`, by their parameters.
    #[track_caller]
    fn check(reports: &[(&str, Option<Trouble>)], expected: &str) {
        let (troubles, health) = (Troubles::default(), Health::default());
        for (parameters, trouble) in reports {
            troubles.report(&destination(parameters), *trouble, &health);
        }
        assert_eq!(said(&health), expected, "{reports:?}");
    }

    fn destination(parameters: &str) -> Destination {
        Destination { target: "s3".to_owned(), parameters: parameters.to_owned() }
    }

    fn said(health: &Health) -> String {
        let states = health.states();
        let state = states.iter().find(|(check, _)| *check == Check::Outputs).map(|(_, state)| state.clone());
        state.and_then(Result::err).unwrap_or_default()
    }

    #[test]
    fn what_was_given_up_is_told_until_something_arrives_at_its_target() {
        let (refused, given_up) = (Some(Trouble::Refused), Some(Trouble::GivenUp));
        check(&[("a", given_up)], GIVEN_UP);
        check(&[("a", given_up), ("a", refused)], GIVEN_UP);
        check(&[("a", refused), ("a", given_up)], GIVEN_UP);
        check(&[("a", given_up), ("b", refused), ("c", given_up)], &format!("{REFUSED}; {GIVEN_UP}"));
        // Its rule names another bucket by now.
        check(&[("a", given_up), ("b", None)], "");
    }

    #[test]
    fn a_refusal_is_told_until_that_destination_takes_something_or_nothing_waits_for_it() {
        let refused = Some(Trouble::Refused);
        check(&[("a", refused), ("b", None)], REFUSED);
        check(&[("a", refused), ("a", None)], "");
        let (troubles, health) = (Troubles::default(), Health::default());
        troubles.report(&destination("a"), refused, &health);
        troubles.rest(&destination("b"), &health);
        assert_eq!(said(&health), REFUSED);
        troubles.rest(&destination("a"), &health);
        assert_eq!(said(&health), "");
    }
}

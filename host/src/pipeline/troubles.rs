//! Which destinations do not take what is sent to them, for who watches the program.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::destination::Destination;
use crate::health::{Check, Health};

/// What is wrong with the way to a destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// It is tried again.
    Refused,
    /// Something was given up, and nothing has arrived since.
    GivenUp,
}

/// Of destinations that are in use, what is wrong with them. No more than this are told apart.
#[derive(Debug, Default)]
pub(super) struct Troubles(Mutex<BTreeMap<(String, String), Trouble>>);

/// More than rules have destinations.
const TROUBLES_MAX: usize = 1_000;

impl Troubles {
    /// Something has arrived, or has not.
    pub(super) fn report(&self, destination: &Destination, trouble: Option<Trouble>, health: &Health) {
        let mut troubles = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of = (destination.target.clone(), destination.parameters.clone());
        match trouble {
            Some(trouble) if troubles.len() < TROUBLES_MAX => drop(troubles.insert(of, trouble)),
            Some(_) => {}
            None => drop(troubles.remove(&of)),
        }
        // In words of the host's own: anybody may ask, and what a server says can name accounts.
        let mut texts: Vec<_> = troubles.iter().map(|((target, _), trouble)| text(target, *trouble)).collect();
        texts.dedup();
        if texts.is_empty() {
            health.ok(Check::Outputs);
        } else {
            health.wrong(Check::Outputs, texts.join("; "));
        }
    }
}

fn text(target: &str, trouble: Trouble) -> String {
    match trouble {
        Trouble::Refused => format!("'{target}' does not take an artifact, which is sent again"),
        Trouble::GivenUp => format!("an artifact for '{target}' was given up, and none has arrived since"),
    }
}

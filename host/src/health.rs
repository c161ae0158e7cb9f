//! What is well with this host and what is not, reported by whoever knows and read by who watches the program.
//!
//! Knows nobody, so that every room may report. Decides one thing: that a host is unready only where it can't take an
//! event in. A Service takes an unready host out, and what Falco sends then is gone; whatever else is wrong, an event
//! that is stored can still be answered later.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

/// What is looked at, in the order in which it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Check {
    /// An event can be stored. A full queue is not wrong: that is the sender's to wait for.
    ///
    /// While it is wrong no event may come by which that would show to be over: the store itself tries, and reports.
    Store,
    /// The host is not about to end.
    Shutdown,
    /// The rules, policy and components that lie there now are those in force.
    Rules,
    /// The API server answers, whatever it allows. Not reported where no rule needs it.
    ///
    /// Reported by `startup` until it has answered for the first time. What finds out later that it is away reports it
    /// here, too: a circuit of its client as it opens and as it closes.
    Cluster,
    /// What is stored outlives the process.
    Disk,
    /// Log lines reach who reads them.
    Log,
    /// Artifacts arrive where rules say. Not reported where nothing was sent yet.
    Outputs,
    /// People are told. Not reported where nobody was yet.
    Notifiers,
    /// Lines of the audit record are written. Not reported where it has no file of its own.
    Audit,
}

/// What is known of one check: that it is ok, or what is wrong, in the host's own words and without secrets.
pub(crate) type State = Result<(), String>;

/// The state of all that was reported. Clones are the same.
#[derive(Debug, Clone)]
pub struct Health(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    states: ArcSwap<BTreeMap<Check, State>>,
    has_started: AtomicBool,
    /// Where several things are looked at by one check: what is wrong with each that is.
    troubles: Mutex<BTreeMap<(Check, String), String>>,
}

/// What was reported until one moment. What nobody has reported is not in it: nothing is known of it.
#[derive(Debug, Clone)]
pub struct States(Arc<BTreeMap<Check, State>>);

impl Check {
    /// Its name, for people and as a label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Shutdown => "shutdown",
            Self::Rules => "rules",
            Self::Cluster => "cluster",
            Self::Disk => "disk",
            Self::Log => "log",
            Self::Outputs => "outputs",
            Self::Notifiers => "notifiers",
            Self::Audit => "audit",
        }
    }

    /// Whether the host is unready where it is wrong, since an event would be refused.
    pub fn makes_unready(self) -> bool {
        match self {
            Self::Store | Self::Shutdown => true,
            Self::Rules | Self::Cluster | Self::Disk | Self::Log | Self::Audit | Self::Outputs | Self::Notifiers => {
                false
            }
        }
    }
}

impl Default for Health {
    /// Of a host that has just begun: it is not ready before its store is reported to be.
    fn default() -> Self {
        let states = [(Check::Store, Err("it is not open yet".to_owned())), (Check::Shutdown, Ok(()))];
        Self(Arc::new(Inner {
            states: ArcSwap::from_pointee(BTreeMap::from(states)),
            has_started: AtomicBool::new(false),
            troubles: Mutex::default(),
        }))
    }
}

impl Health {
    /// This is well, or so again. Costs next to nothing where that is known.
    pub fn ok(&self, check: Check) {
        self.report(check, Ok(()));
    }

    /// This is wrong, and why: in the host's own words and without secrets, since anybody may ask who reaches the port.
    pub fn wrong(&self, check: Check, why: impl Display) {
        self.report(check, Err(why.to_string()));
    }

    /// What is wrong with one of the things that a check looks at, by its name, or nothing. The check is ok where all of
    /// them are.
    pub fn trouble(&self, check: Check, name: &str, why: Option<&str>) {
        // A blocking mutex, held until it is reported: nothing waits meanwhile, and of two reports the last one stays.
        let mut troubles = self.0.troubles.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (check, name.to_owned());
        match why {
            Some(why) => drop(troubles.insert(key, why.to_owned())),
            None => drop(troubles.remove(&key)),
        }
        let of_check = troubles.iter().filter(|((of, _), _)| *of == check);
        let told: Vec<_> = of_check.map(|((_, name), why)| format!("{name}: {why}")).collect();
        self.report(check, if told.is_empty() { Ok(()) } else { Err(told.join("; ")) });
    }

    /// The host need not be waited for any longer.
    pub fn started(&self) {
        self.0.has_started.store(true, Ordering::Relaxed);
    }

    /// Whether [`Health::started`] was reported.
    pub fn has_started(&self) -> bool {
        self.0.has_started.load(Ordering::Relaxed)
    }

    /// What was reported until now.
    pub fn states(&self) -> States {
        States(self.0.states.load_full())
    }

    fn report(&self, check: Check, state: State) {
        if self.0.states.load().get(&check) == Some(&state) {
            return;
        }
        self.0.states.rcu(|states| {
            let mut states = BTreeMap::clone(states);
            states.insert(check, state.clone());
            states
        });
    }
}

impl States {
    /// Whether an event would be taken in.
    pub fn is_ready(&self) -> bool {
        !self.iter().any(|(check, state)| check.makes_unready() && state.is_err())
    }

    /// Each check that was reported, with its state.
    pub fn iter(&self) -> impl Iterator<Item = (Check, &State)> {
        self.0.iter().map(|(check, state)| (*check, state))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(reports: &[(Check, State)], expected: bool) {
        let health = Health::default();
        for (check, state) in reports {
            health.report(*check, state.clone());
        }
        assert_eq!(health.states().is_ready(), expected, "{reports:?}");
    }

    #[test]
    fn only_what_refuses_events_makes_unready() {
        let wrong = || Err("broken".to_owned());
        check(&[], false);
        check(&[(Check::Store, Ok(()))], true);
        check(&[(Check::Store, Ok(())), (Check::Store, wrong())], false);
        check(&[(Check::Store, wrong()), (Check::Store, Ok(()))], true);
        check(&[(Check::Store, Ok(())), (Check::Shutdown, wrong())], false);
        let others =
            [Check::Rules, Check::Cluster, Check::Disk, Check::Log, Check::Audit, Check::Outputs, Check::Notifiers];
        let all: Vec<_> = others.map(|other| (other, wrong())).into_iter().chain([(Check::Store, Ok(()))]).collect();
        check(&all, true);
    }

    #[test]
    fn the_last_report_counts_for_all_clones() {
        let health = Health::default();
        let other = health.clone();
        health.wrong(Check::Rules, "first");
        let before = other.states();
        other.wrong(Check::Rules, "second");
        let rules = |states: &States| states.iter().find(|(check, _)| *check == Check::Rules).unwrap().1.clone();
        assert_eq!(rules(&before), Err("first".to_owned()));
        assert_eq!(rules(&health.states()), Err("second".to_owned()));
        health.started();
        assert!(other.has_started());
    }
    #[test]
    fn a_check_of_several_things_tells_each_that_is_wrong() {
        let health = Health::default();
        let notifiers = || health.states().iter().find(|(check, _)| *check == Check::Notifiers).unwrap().1.clone();
        health.trouble(Check::Notifiers, "slack", None);
        assert_eq!(notifiers(), Ok(()));
        health.trouble(Check::Notifiers, "webhook", Some("access denied"));
        health.trouble(Check::Outputs, "aws:s3", Some("NoSuchBucket"));
        health.trouble(Check::Notifiers, "slack", Some("authentication error"));
        assert_eq!(notifiers(), Err("slack: authentication error; webhook: access denied".to_owned()));
        health.trouble(Check::Notifiers, "slack", None);
        assert_eq!(notifiers(), Err("webhook: access denied".to_owned()));
        health.trouble(Check::Notifiers, "webhook", None);
        assert_eq!(notifiers(), Ok(()));
    }
}

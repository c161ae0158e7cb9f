//! What is counted, as whoever counts it says it.

/// What the queue holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Queued {
    /// Events that wait to be taken.
    pub waiting: usize,
    /// Events that were taken and are not done.
    pub in_flight: usize,
    /// About how much memory the events take that are loaded.
    pub bytes: usize,
    /// What all of them take in the store.
    pub stored_bytes: u64,
    /// Events that ended and that a person may want to look at.
    pub dead: usize,
}

/// What one completed action is counted under.
#[derive(Debug, Clone, Copy)]
pub struct ActionLabels<'a> {
    /// The action's name in the rule.
    pub action: &'a str,
    /// What ran.
    pub actionner: &'a str,
    /// The name of the Falco rule. The original put the whole alert here.
    pub event: &'a str,
    /// The name of our rule.
    pub rule: &'a str,
    /// How it ended: `success`, `ignored`, `failure`, `denied`, `unknown`, `dropped`, `superseded` or `expired`. Those
    /// that the run of another event has answered are among them.
    pub status: &'a str,
    /// The namespace of the target, empty if it has none.
    pub namespace: &'a str,
    /// The pod that was the target; empty for another target.
    pub pod: &'a str,
}

/// What one notification is counted under.
#[derive(Debug, Clone, Copy, Default)]
pub struct NotificationLabels<'a> {
    /// The action that it is about.
    pub action: &'a str,
    /// What ran; empty where it is about an output.
    pub actionner: &'a str,
    /// By whom people are told.
    pub notifier: &'a str,
    /// The name of our rule.
    pub rule: &'a str,
    /// How the notification ended, not what it is about: `success` or `failure`.
    pub status: &'a str,
    /// The output that it is about; empty where it is about an action.
    pub target: &'a str,
}

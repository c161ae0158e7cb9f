//! How a stage of an action ended: one [`Ended`], made once, for all who want to know of it.

use std::time::Duration;

use rules::{Action, Event, Rule};

/// How something ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Success,
    Ignored,
    Failure,
    /// The policy did not allow what it asked for, and it failed by that.
    Denied,
    /// It did not run, since newer events took its place.
    Dropped,
    /// It did not run, since the rules or the policy in force do not ask for it any more.
    Superseded,
    /// It did not run, since its event is too old.
    Expired,
    /// It has not arrived yet, and is sent again.
    Due,
    /// Nobody knows whether it was carried out: the process ended meanwhile, or what was sent got no answer.
    Unknown,
}

impl Status {
    /// As logs and metrics have it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Ignored => "ignored",
            Self::Failure => "failure",
            Self::Denied => "denied",
            Self::Dropped => "dropped",
            Self::Superseded => "superseded",
            Self::Expired => "expired",
            Self::Due => "due",
            Self::Unknown => "unknown",
        }
    }

    /// Whether what the rule asks for next is done all the same.
    pub(super) fn is_success(self) -> bool {
        matches!(self, Self::Success | Self::Ignored)
    }

    /// Whether nothing was tried.
    pub(super) fn is_not_run(self) -> bool {
        matches!(self, Self::Dropped | Self::Superseded | Self::Expired)
    }
}

/// The end of one stage of an action: everything that may be said of it.
pub(super) struct Ended<'a> {
    pub(super) stage: Stage<'a>,
    pub(super) trace_id: &'a str,
    /// The trace id of the event whose run answered this one, where it was another's.
    pub(super) answered_by: Option<&'a str>,
    pub(super) about: About<'a>,
    pub(super) status: Status,
    /// One sentence for a person: what was done, or why it was not.
    pub(super) message: &'a str,
    /// What it is about, as (kind, name).
    pub(super) objects: &'a [(String, String)],
    /// What its action was about, where `objects` says where an artifact went.
    pub(super) of: &'a [(String, String)],
    /// What was found out, as a JSON object.
    pub(super) details: Option<&'a str>,
    /// The uid of the pod that it is about, where that was found.
    pub(super) uid: Option<&'a str>,
    /// The span that it belongs to.
    pub(super) traceparent: Option<&'a str>,
    pub(super) took: Duration,
}

/// Which action of which rule, by their names: the rule may not be in force any more.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct About<'a> {
    pub(super) rule: &'a str,
    /// Whether it only rehearses.
    pub(super) dry_run: bool,
    pub(super) action: &'a str,
    pub(super) actionner: &'a str,
    /// The notifiers that the rule names.
    pub(super) notifiers: &'a [String],
}

impl<'a> About<'a> {
    pub(super) fn new(rule: &'a Rule, action: Option<&'a Action>) -> Self {
        let Rule { name, dry_run, notifiers, .. } = rule;
        let (action, actionner) = action.map_or(("", ""), |action| (&*action.name, action.actionner.as_str()));
        Self { rule: name, dry_run: *dry_run, action, actionner, notifiers }
    }
}

impl Ended<'_> {
    /// What a rehearsal has to say.
    pub(super) fn rehearsed(&self) -> String {
        format!("no action, dry-run is enabled: {}", self.message)
    }
}

/// What has ended.
#[derive(Clone, Copy)]
pub(super) enum Stage<'a> {
    /// The actionner, which ran for this event.
    Action(&'a Event),
    /// The way of one artifact to where the rule says: to a target of this name.
    Output(&'a str),
}

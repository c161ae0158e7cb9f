//! What a decision needs to know of the world beside the grants: it looks nothing up itself.

use rules::Event;

use super::targets::Targets;
use super::uids::Uids;

/// What is known of the world when a request is decided.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// What the event names, and what was learnt from that.
    pub targets: Targets,
}

impl Facts {
    /// What is known of an event before anything was read for it.
    pub fn of(event: &Event) -> Self {
        Self { targets: Targets::of(event) }
    }

    /// The same, where an attempt before has found these objects: another of the same name is none of the event's.
    #[must_use]
    pub fn expecting(mut self, uids: &Uids) -> Self {
        self.targets.expect(uids.clone());
        self
    }
}

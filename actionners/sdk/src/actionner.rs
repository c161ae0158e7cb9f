//! What an actionner is to this crate, and how it becomes the component's export.
//!
//! Does not know any actionner.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::bindings::exports::falco_talon::actionner::action;
use crate::{Description, Event, Failure, Outcome, panic};

/// A described response to an event.
pub trait Actionner {
    /// What the host, the rule checker and the person who writes a rule must know.
    const DESCRIPTION: Description;

    /// The `parameters:` of a rule. The host has checked them against the schema and filled in
    /// its defaults before they arrive here. Two of them can be compared, so that
    /// [`export!`](crate::export!) can test what their defaults are.
    type Parameters: DeserializeOwned + PartialEq;

    /// Respond to one event.
    ///
    /// Nothing survives from one call to the next: each gets an instance of its own.
    fn run(event: &Event, parameters: &Self::Parameters, context: &Context) -> Result<Outcome, Failure>;
}

/// What the host knows about an event's surroundings.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Context {
    /// Identifies the event in logs and traces: 32 hexadecimal digits, which its sender may choose.
    pub trace_id: String,
    /// The rule and the action (`falco-talon.rule`, …), and the additional contexts.
    pub values: Map<String, Value>,
}

impl Context {
    /// A value of the context that is a text and not empty.
    #[must_use]
    pub fn text(&self, key: &str) -> Option<&str> {
        self.values.get(key)?.as_str().filter(|text| !text.is_empty())
    }

    /// Names the event among all others, the same for each attempt: for what is created, and for what must not be
    /// done twice. 32 hexadecimal digits, which no sender chooses.
    #[must_use]
    pub fn event_uid(&self) -> &str {
        self.text("falco-talon.event.uid").unwrap_or(&self.trace_id)
    }

    /// Whether this is a dry run. Writes are rehearsed then without a word, and only who would
    /// wait for what they make has to ask.
    #[must_use]
    pub fn is_dry_run(&self) -> bool {
        self.text("falco-talon.rule.dry_run") == Some("true")
    }

    /// Whether the rule's action has an `output:`, and so somewhere for an artifact to go.
    #[must_use]
    pub fn has_output(&self) -> bool {
        self.text("falco-talon.action.output").is_some()
    }
}

impl<A: Actionner> action::Guest for A {
    fn describe() -> String {
        panic::report();
        A::DESCRIPTION.to_json()
    }

    fn run(invocation: action::Invocation) -> Result<Outcome, Failure> {
        panic::report();
        let event = Event::from_json(&invocation.event)?;
        let parameters = serde_json::from_str(&invocation.parameters)
            .map_err(|error| Failure::rejected(format!("wrong parameters: {error}")))?;
        let values = serde_json::from_str(&invocation.context)
            .map_err(|error| Failure::rejected(format!("wrong context: {error}")))?;
        let context = Context { trace_id: invocation.trace_id, values };
        <A as Actionner>::run(&event, &parameters, &context)
    }
}

//! What an actionner is to this crate, and how it becomes the component's export.
//!
//! Does not know any actionner.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::bindings::exports::falco_talon::actionner::action;
use crate::{Event, Failure, Outcome, OutputUse};

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

/// What is known of an actionner before it runs; `wit/action.wit` explains each field.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Description {
    /// `category:name`, as a rule's `actionner:` names it.
    pub name: &'static str,
    /// Version of the actionner, as semver.
    pub version: &'static str,
    /// One sentence for a list.
    pub summary: &'static str,
    /// The Falco sources whose events it can respond to. Empty: any.
    pub sources: &'static [&'static str],
    /// An action block in YAML that works as it stands.
    pub example: &'static str,
    /// JSON Schema of the parameters; [`export!`](crate::export!) proves that it agrees with the struct.
    pub parameters_schema: &'static str,
    /// Sets of output fields, of which the event must carry at least one whole set.
    pub required_fields: &'static [&'static [&'static str]],
    /// Whether the next action of a rule runs after this one where the rule does not say.
    pub continue_by_default: bool,
    /// Whether it reads the additional contexts that a rule asks for.
    pub use_context: bool,
    /// Whether it yields artifacts.
    pub output: OutputUse,
}

/// What the host knows about an event's surroundings.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Context {
    /// Identifies the event in logs and traces: 32 hexadecimal digits.
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
    fn describe() -> action::Description {
        A::DESCRIPTION.into()
    }

    fn run(invocation: action::Invocation) -> Result<Outcome, Failure> {
        let event = Event::from_json(&invocation.event)?;
        let parameters = serde_json::from_str(&invocation.parameters)
            .map_err(|error| Failure::rejected(format!("wrong parameters: {error}")))?;
        let values = serde_json::from_str(&invocation.context)
            .map_err(|error| Failure::rejected(format!("wrong context: {error}")))?;
        let context = Context { trace_id: invocation.trace_id, values };
        <A as Actionner>::run(&event, &parameters, &context)
    }
}

impl From<Description> for action::Description {
    fn from(description: Description) -> Self {
        let owned = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        Self {
            name: description.name.to_owned(),
            version: description.version.to_owned(),
            summary: description.summary.to_owned(),
            sources: owned(description.sources),
            example: description.example.to_owned(),
            parameters_schema: description.parameters_schema.to_owned(),
            required_fields: description.required_fields.iter().map(|set| owned(set)).collect(),
            continue_by_default: description.continue_by_default,
            use_context: description.use_context,
            output: description.output,
        }
    }
}

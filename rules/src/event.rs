//! The event that Falco sent: its parts, and the objects that it names.
//!
//! Knows nothing of rules, nor of how an event reaches the process.

mod decode;
mod exact;
mod line;
mod size;

use serde::Serialize;
use serde_json::{Map, Value};

use crate::Priority;
use line::{QUOTED_CHARS_MAX, one_line};

/// The statuses of requests that were carried out; a command in a container begins with 101.
const CARRIED_OUT: std::ops::Range<u16> = 100..400;

/// One alert of Falco, as accepted.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event {
    /// Name of the Falco rule that fired. Never empty.
    pub rule: String,
    /// How severe Falco's rule calls it.
    pub priority: Priority,
    /// Where Falco saw it, e.g. `syscall` (the default) or `k8s_audit`.
    pub source: String,
    /// Falco's message, without the time and priority that Falco puts before it.
    pub output: String,
    /// The machine that Falco ran on; empty where it did not say.
    pub hostname: String,
    /// When it happened, as sent. Always RFC 3339.
    pub time: String,
    /// The tags of Falco's rule.
    pub tags: Vec<String>,
    /// The fields of the message by name. Integers are exact, objects and arrays are kept.
    pub output_fields: Map<String, Value>,
}

/// Why a body is not an event. Its text is one short line, whatever was sent.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct EventError {
    reason: String,
}

/// A namespaced object that an event names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectName<'a> {
    /// Its namespace, as sent.
    pub namespace: &'a str,
    /// Its name, as sent.
    pub name: &'a str,
}

/// The object that an audit event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AuditTarget<'a> {
    /// Plural of its kind, e.g. `configmaps`.
    pub resource: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its namespace, where it has one.
    pub namespace: Option<&'a str>,
}

impl Event {
    /// Reads the body of a request that must hold exactly one event.
    pub fn from_json(body: &[u8]) -> Result<Event, EventError> {
        decode::event(body)
    }

    /// The event as one JSON object under Falco's own keys. [`Event::from_json`] reads it back.
    pub fn to_json(&self) -> String {
        // Texts, numbers and maps with text keys always serialize, so there is no error to lose.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// About how many bytes of memory it takes.
    pub fn bytes(&self) -> usize {
        let Event { rule, priority: _, source, output, hostname, time, tags, output_fields } = self;
        let texts = [rule, source, output, hostname, time].into_iter().chain(tags);
        size_of::<Event>()
            + tags.capacity() * size_of::<String>()
            + texts.map(|text| size::of_text(text)).sum::<usize>()
            + size::of_object(output_fields)
    }

    /// The text of an output field; nothing where it is absent, empty or no text.
    pub fn text(&self, field: &str) -> Option<&str> {
        let text = self.output_fields.get(field)?.as_str()?;
        (!text.is_empty()).then_some(text)
    }

    /// The pod that the event is about, where it names both the pod and its namespace.
    ///
    /// `ka.target.name` counts only where the audit event is about pods, or does not say what it is
    /// about: the name of a secret must never be taken for that of a pod. A request that was refused
    /// names none ([`Event::refused_request`]).
    pub fn pod(&self) -> Option<ObjectName<'_>> {
        let audited = |field| self.text(field).filter(|_| self.refused_request().is_none());
        let target_is_pod = self.text("ka.target.resource").is_none_or(|resource| resource == "pods");
        let name = self
            .text("k8s.pod.name")
            .or_else(|| audited("ka.target.pod.name"))
            .or_else(|| audited("ka.target.name").filter(|_| target_is_pod))?;
        let namespace = self.text("k8s.ns.name").or_else(|| audited("ka.target.namespace"))?;
        Some(ObjectName { namespace, name })
    }

    /// The object that an audit event is about, where it names its kind and itself.
    ///
    /// A request that was refused names none ([`Event::refused_request`]).
    pub fn audit_target(&self) -> Option<AuditTarget<'_>> {
        if self.refused_request().is_some() {
            return None;
        }
        Some(AuditTarget {
            resource: self.text("ka.target.resource")?,
            name: self.text("ka.target.name")?,
            namespace: self.text("ka.target.namespace"),
        })
    }

    /// How an audit event says that the API server did not carry the request out, e.g. `ka.response.code=403`.
    ///
    /// Whoever reaches the API server can send requests that name any object, and nothing was done to that:
    /// it is not what the event is about. Where it says something that is not understood, that is taken for a refusal;
    /// an event without these fields says nothing of it.
    pub fn refused_request(&self) -> Option<String> {
        const DECISION: &str = "ka.auth.decision";
        const CODE: &str = "ka.response.code";
        let said = |field: &str| {
            let said = match self.output_fields.get(field)? {
                Value::Null => return None,
                Value::String(text) => text.trim().to_owned(),
                other => other.to_string(),
            };
            // Falco's ways to say that there is none.
            Some(said).filter(|said| !said.is_empty() && said != "<NA>")
        };
        let is_success = |code: &String| code.parse::<u16>().is_ok_and(|code| CARRIED_OUT.contains(&code));
        let decision = said(DECISION).filter(|decision| !decision.eq_ignore_ascii_case("allow"));
        let told = |field: &str, said: String| format!("{field}={}", one_line(&said, QUOTED_CHARS_MAX));
        let code = || said(CODE).filter(|code| !is_success(code)).map(|code| told(CODE, code));
        decision.map(|decision| told(DECISION, decision)).or_else(code)
    }
}

//! What an actionner says of itself, as a constant, and as the JSON text that the host reads.
//!
//! Does not know how the host uses it; `description.schema.json` of the contract explains each field.

use serde_json::{Value, json};

/// What is known of an actionner before it runs.
///
/// Later versions may have more fields, so end with `..Description::DEFAULT`.
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
    /// The output fields that its response depends on beyond those that name its target. None: it may read all.
    pub reads: Option<&'static [&'static str]>,
    /// Whether it may run again when it is not known whether it ran.
    pub repeatable: bool,
    /// Which grants which parameters need, as a JSON list; empty: all that the policy grants.
    pub needs: &'static str,
}

/// Whether an actionner yields artifacts, and so needs an `output:` in the rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputUse {
    /// It yields none. An `output:` in a rule is an error.
    None,
    /// It yields an artifact, or puts its result into the message where a rule has no `output:`.
    Optional,
    /// It yields an artifact, and can't be used without an `output:`.
    Required,
}

impl Description {
    /// What holds of an actionner that does not say otherwise. The texts that it must say are empty.
    pub const DEFAULT: Self = Self {
        name: "",
        version: "",
        summary: "",
        sources: &[],
        example: "",
        parameters_schema: "",
        required_fields: &[],
        continue_by_default: true,
        use_context: false,
        output: OutputUse::None,
        reads: None,
        repeatable: false,
        needs: "",
    };

    pub(crate) fn to_json(self) -> String {
        let mut description = json!({
            "name": self.name,
            "version": self.version,
            "summary": self.summary,
            "sources": self.sources,
            "example": self.example,
            "parameters_schema": parsed(self.parameters_schema),
            "required_fields": self.required_fields,
            "continue_by_default": self.continue_by_default,
            "use_context": self.use_context,
            "output": match self.output {
                OutputUse::None => "none",
                OutputUse::Optional => "optional",
                OutputUse::Required => "required",
            },
            "repeatable": self.repeatable,
        });
        if let Some(reads) = self.reads {
            description["reads"] = json!(reads);
        }
        if !self.needs.is_empty() {
            description["needs"] = parsed(self.needs);
        }
        description.to_string()
    }
}

/// What is not JSON stays a text, which the host refuses with a word on where it stands.
fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: Description = Description {
        name: "acme:mark",
        version: "1.0.0",
        summary: "Mark the pod",
        example: "{action: Mark it, actionner: 'acme:mark'}",
        parameters_schema: r#"{"type": "object"}"#,
        ..Description::DEFAULT
    };

    fn json(description: Description) -> Value {
        serde_json::from_str(&description.to_json()).unwrap()
    }

    #[test]
    fn what_is_not_said_is_left_out() {
        let expected = json!({
            "name": "acme:mark",
            "version": "1.0.0",
            "summary": "Mark the pod",
            "sources": [],
            "example": "{action: Mark it, actionner: 'acme:mark'}",
            "parameters_schema": {"type": "object"},
            "required_fields": [],
            "continue_by_default": true,
            "use_context": false,
            "output": "none",
            "repeatable": false,
        });
        assert_eq!(json(LEAST), expected);
    }

    #[test]
    fn to_read_nothing_is_not_to_read_all() {
        let description = json(Description {
            reads: Some(&[]),
            output: OutputUse::Required,
            needs: r#"[{"grants": {"artifacts": true}}]"#,
            ..LEAST
        });
        assert_eq!(description["reads"], json!([]));
        assert_eq!(description["output"], "required");
        assert_eq!(description["needs"][0]["grants"]["artifacts"], true);
    }

    #[test]
    fn what_is_not_json_is_for_the_host_to_refuse() {
        assert_eq!(json(Description { needs: "[{", ..LEAST })["needs"], "[{");
    }
}

//! What a component says of itself: a JSON text, checked against the schema of the contract.
//!
//! The text is a guest's, so nothing in it makes the host do anything. Does not know how the text was come by.

mod needs;

use std::sync::LazyLock;

use jsonschema::{ValidationError, Validator};
use policy::Granted;
use rules::nearest::hint;
use rules::{ActionnerName, ActionnerNameError};
use serde::Deserialize;
use serde_json::Value;

use needs::{Need, WrittenNeed};

/// `wit/description.schema.json`.
pub const SCHEMA: &str = include_str!("../../../wit/description.schema.json");

/// A description that is longer says nothing that anybody reads.
const BYTES_MAX: usize = 1 << 20;
/// What is wrong and what is not known, of each as much as anybody reads.
const FINDINGS_MAX: usize = 16;
const FINDING_CHARS_MAX: usize = 400;

/// What an actionner says of itself, checked.
#[derive(Debug, Clone)]
pub struct Description {
    /// As rules and the policy name it.
    pub name: ActionnerName,
    /// Version of the actionner, as semver.
    pub version: String,
    /// One sentence.
    pub summary: String,
    /// The Falco sources that it can respond to; empty for any.
    pub sources: Vec<String>,
    /// An action block that works as it stands.
    pub example: String,
    /// The JSON Schema of its parameters.
    pub parameters: Value,
    /// Sets of output fields, of which the event must carry one set whole.
    pub required_fields: Vec<Vec<String>>,
    /// Whether the next action runs after it where the rule does not say.
    pub continue_by_default: bool,
    /// Whether it reads additional contexts.
    pub use_context: bool,
    /// Whether it yields artifacts.
    pub output: OutputUse,
    /// The output fields that its response depends on beyond those of its target; none: it may read all.
    pub reads: Option<Vec<String>>,
    /// Whether it may run again when it is not known whether it ran.
    pub repeatable: bool,
    /// Which parameters need which grants; none: it does not say, and may need all.
    needs: Option<Vec<Need>>,
}

/// Whether an actionner yields artifacts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OutputUse {
    /// It yields none.
    #[default]
    None,
    /// It yields an artifact, or puts its result into the message.
    Optional,
    /// It can't be used without an output.
    Required,
}

/// As a component writes it; the schema has said that every key is as it should be.
#[derive(Deserialize)]
struct Written {
    name: String,
    version: String,
    summary: String,
    #[serde(default)]
    sources: Vec<String>,
    example: String,
    parameters_schema: Value,
    #[serde(default)]
    required_fields: Vec<Vec<String>>,
    #[serde(default = "yes")]
    continue_by_default: bool,
    #[serde(default)]
    use_context: bool,
    #[serde(default)]
    output: OutputUse,
    reads: Option<Vec<String>>,
    #[serde(default)]
    repeatable: bool,
    needs: Option<Vec<WrittenNeed>>,
}

fn yes() -> bool {
    true
}

/// Why a text is not a description.
#[derive(Debug, thiserror::Error)]
pub enum DescriptionError {
    /// It is longer than the limit.
    #[error("it has {0} bytes, more than the {BYTES_MAX} that are read")]
    TooLong(usize),
    /// It is not JSON.
    #[error("it is not JSON: {0}")]
    NotJson(#[from] serde_json::Error),
    /// Keys are not as the schema says; each with what would be right.
    #[error("{}", .0.join("; "))]
    Keys(Vec<String>),
}

impl Description {
    /// The description that a component has answered, and warnings of keys that this host does not know.
    ///
    /// # Errors
    ///
    /// Everything that is not as the contract says.
    pub fn parse(text: &str) -> Result<(Self, Vec<String>), DescriptionError> {
        if text.len() > BYTES_MAX {
            return Err(DescriptionError::TooLong(text.len()));
        }
        let value: Value = serde_json::from_str(text)?;
        let wrong = few(validator().iter_errors(&value).map(|error| in_words(&error)));
        if !wrong.is_empty() {
            return Err(DescriptionError::Keys(wrong));
        }
        let mut warnings = unknown_keys(&value);
        let Written {
            name,
            version,
            summary,
            sources,
            example,
            parameters_schema: parameters,
            required_fields,
            continue_by_default,
            use_context,
            output,
            reads,
            repeatable,
            needs,
        } = serde_json::from_value(value)?;
        let name = name
            .parse()
            .map_err(|error: ActionnerNameError| DescriptionError::Keys(vec![wrong_name(&name, &error)]))?;
        rules::check_schema(&parameters).map_err(|errors| {
            DescriptionError::Keys(few(errors.iter().map(|error| format!("`parameters_schema`: {error}"))))
        })?;
        // A later policy has words that this host does not know, and needs narrow no more than what is shown.
        let needs = needs.map(needs::read).transpose().unwrap_or_else(|unknown| {
            let ignored = |reason| format!("{reason}; `needs` is passed over, as if it may need all that is granted");
            warnings.extend(few(unknown.into_iter()).into_iter().map(ignored));
            None
        });
        let description = Self {
            name,
            version,
            summary,
            sources,
            example,
            parameters,
            required_fields,
            continue_by_default,
            use_context,
            output,
            reads,
            repeatable,
            needs,
        };
        Ok((description, warnings))
    }

    /// The grants that an action with these parameters needs, of those that the policy has for it; none where the
    /// component does not say, and may need all.
    pub fn needs(&self, parameters: &Value) -> Option<Vec<Granted>> {
        let needed = self.needs.as_ref()?.iter().filter_map(|need| need.of(parameters));
        Some(needed.cloned().collect())
    }
}

/// The first of some findings, each made fit to be shown: they quote what a stranger wrote.
fn few(findings: impl Iterator<Item = String>) -> Vec<String> {
    let mut findings = findings.fuse();
    let mut few: Vec<String> = findings.by_ref().take(FINDINGS_MAX).map(|finding| shown(&finding)).collect();
    match findings.count() {
        0 => {}
        more => few.push(format!("and {more} more")),
    }
    few
}

/// A text that is cut, without characters that move the cursor, hide or reorder what follows.
fn shown(text: &str) -> String {
    let mut shown = String::new();
    for char in text.chars().take(FINDING_CHARS_MAX) {
        match char {
            '"' | '\'' | '\\' => shown.push(char),
            other => shown.extend(other.escape_debug()),
        }
    }
    if text.chars().nth(FINDING_CHARS_MAX).is_some() {
        shown.push('…');
    }
    shown
}

fn schema() -> &'static Value {
    static PARSED: LazyLock<Value> = LazyLock::new(|| serde_json::from_str(SCHEMA).unwrap_or_default());
    &PARSED
}

fn validator() -> &'static Validator {
    #[expect(clippy::expect_used, reason = "the schema is part of the program, and a test compiles it")]
    static COMPILED: LazyLock<Validator> =
        LazyLock::new(|| jsonschema::validator_for(schema()).expect("the contract's schema is one"));
    &COMPILED
}

/// "`output`: "all" is not one of "none", "optional" or "required"".
fn in_words(error: &ValidationError<'_>) -> String {
    let pointer = error.instance_path().to_string();
    if let ("/name", Some(name)) = (pointer.as_str(), error.instance().as_str())
        && let Err(error) = name.parse::<ActionnerName>()
    {
        return wrong_name(name, &error);
    }
    match pointer.trim_start_matches('/').replace('/', ".") {
        key if key.is_empty() => error.to_string(),
        key => format!("`{key}`: {error}"),
    }
}

fn wrong_name(name: &str, error: &ActionnerNameError) -> String {
    format!("`name`: {name:?} is not the name of an actionner: {error}")
}

/// A later contract may have more keys, so they are no mistake, but perhaps a slip.
fn unknown_keys(description: &Value) -> Vec<String> {
    let known = |object: &Value| object.as_object().into_iter().flatten().map(|(key, _)| key.clone()).collect();
    let (written, valid): (Vec<String>, Vec<String>) = (known(description), known(&schema()["properties"]));
    let unknown = written.iter().filter(|key| !valid.contains(key));
    let warn = |key: &String| {
        let hint = hint(key, valid.iter().map(String::as_str));
        format!("the description's key `{key}` is not known to this host, and has no effect{hint}")
    };
    few(unknown.map(warn))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn least() -> Value {
        json!({
            "name": "acme:mark",
            "version": "1.0.0",
            "summary": "Mark the pod",
            "example": "{action: Mark it, actionner: 'acme:mark'}",
            "parameters_schema": {"type": "object"},
        })
    }

    fn with(key: &str, value: Value) -> Value {
        let mut description = least();
        description[key] = value;
        description
    }

    #[test]
    fn what_is_left_out_has_a_default() {
        let (description, warnings) = Description::parse(&least().to_string()).unwrap();
        assert!(description.continue_by_default && !description.use_context && !description.repeatable);
        assert_eq!((description.output, description.reads), (OutputUse::None, None));
        assert_eq!(warnings, [""; 0]);
        let (description, _) = Description::parse(&with("reads", json!([])).to_string()).unwrap();
        assert_eq!(description.reads, Some(Vec::new()));
    }

    #[test]
    fn each_wrong_key_is_named() {
        #[expect(clippy::needless_pass_by_value, reason = "the rows of a table read more easily without references")]
        fn check(description: Value, expected: &str) {
            let error = Description::parse(&description.to_string()).unwrap_err();
            assert_eq!(error.to_string(), expected);
        }
        check(json!([]), r#"[] is not of type "object""#);
        check(with("output", json!("all")), r#"`output`: "all" is not one of "none", "optional" or "required""#);
        check(with("repeatable", json!("yes")), r#"`repeatable`: "yes" is not of type "boolean""#);
        check(with("reads", json!(["fd.rip", 1])), r#"`reads.1`: 1 is not of type "string""#);
        check(
            with("name", json!("Mark")),
            "`name`: \"Mark\" is not the name of an actionner: it is written 'category:name', such as \
             'kubernetes:label': both begin with a small letter and go on with small letters, digits, '-' and '_', \
             64 characters at most together",
        );
        check(
            with("parameters_schema", json!({"type": "text"})),
            "`parameters_schema`: /type: \"text\" is not a type; valid: array, boolean, integer, null, number, object, string",
        );
        let mut twice = with("sources", json!("syscall"));
        twice.as_object_mut().unwrap().remove("summary");
        check(twice, r#""summary" is a required property; `sources`: "syscall" is not of type "array""#);
    }

    #[test]
    fn what_is_not_a_description_is_refused() {
        let error = Description::parse("{").unwrap_err().to_string();
        assert_eq!(error, "it is not JSON: EOF while parsing an object at line 1 column 1");
        let long = with("summary", json!("x".repeat(BYTES_MAX))).to_string();
        assert!(matches!(Description::parse(&long), Err(DescriptionError::TooLong(_))));
    }

    #[test]
    fn what_is_said_of_a_wrong_one_is_short() {
        let error = Description::parse(&with("reads", json!(vec![1; 10_000])).to_string()).unwrap_err().to_string();
        assert!(error.ends_with("; and 9984 more") && error.len() < 1_000, "{error}");
        let error = Description::parse(&with("output", json!("x".repeat(10_000))).to_string()).unwrap_err().to_string();
        assert!(error.ends_with("x…") && error.len() < 1_000, "{error}");
        let keys: serde_json::Map<_, _> = (0..10_000).map(|key| (key.to_string(), json!(1))).collect();
        let mut description = least();
        description.as_object_mut().unwrap().extend(keys);
        let (_, warnings) = Description::parse(&description.to_string()).unwrap();
        assert_eq!((warnings.len(), warnings[16].as_str()), (17, "and 9984 more"));
        let (_, warnings) = Description::parse(&with("a\u{1b}[31m\u{202e}", json!(1)).to_string()).unwrap();
        assert!(warnings[0].contains("`a\\u{1b}[31m\\u{202e}`"), "{warnings:?}");
    }

    #[test]
    fn an_unknown_key_is_a_warning() {
        let (_, warnings) = Description::parse(&with("repeatble", json!(true)).to_string()).unwrap();
        let expected = "the description's key `repeatble` is not known to this host, and has no effect; \
                        did you mean 'repeatable'?";
        assert_eq!(warnings, [expected]);
    }
}

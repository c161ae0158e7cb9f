//! The variables that the commands, scripts and file names of rules use, of one event.
//!
//! `${FD_NAME}` is the event's field `fd.name`. What fields hold is often chosen by an attacker,
//! so it reaches a shell as the value of an environment variable and is never part of its text.
//! Nothing of the host's own environment is here, and nothing of other events. Does not know
//! shells.

use serde_json::Value;

use crate::{Context, Event, Failure};

/// The names that the loader, the C library or a shell obeys; no event may set them.
const RESERVED: [&str; 5] = ["LD_", "GLIBC_", "GCONV_", "MALLOC_", "BASH_"];

/// The values of one event under the names that rules know them by.
///
/// A list, since there are few and a map would be a tenth of a small component's code.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variables(Vec<(String, String)>);

impl Variables {
    /// The event's output fields whose key has a `.`, as all of Falco's have; over them the
    /// context's values; over these `PRIORITY`, `HOSTNAME`, `RULE`, `SOURCE` and `TAGS`.
    ///
    /// `proc.aname[2]` is `PROC_ANAME_2`. A key that makes no name of a variable is left out,
    /// and so is one without a `.`: an event must not be able to set `PATH`. What is null or
    /// `<NA>` is empty, and a list is joined by commas.
    #[must_use]
    pub fn of(event: &Event, context: &Context) -> Self {
        let mut variables = Self::default();
        for (key, value) in event.output_fields.iter().filter(|(key, _)| key.contains('.')) {
            // Two keys can make one name. The order of the keys decides, so that it is always
            // the same one that wins; but what is empty never hides a value.
            if let Some(name) = name(key)
                && variables.get(&name).is_none_or(str::is_empty)
            {
                variables.set(name, text(value));
            }
        }
        for (key, value) in &context.values {
            if let Some(name) = name(&key.replace('-', "_")) {
                variables.set(name, text(value));
            }
        }
        let tags = event.tags.join(",");
        let fixed = [
            ("PRIORITY", &event.priority),
            ("HOSTNAME", &event.hostname),
            ("RULE", &event.rule),
            ("SOURCE", &event.source),
            ("TAGS", &tags),
        ];
        for (name, value) in fixed {
            variables.set(name.to_owned(), value.clone());
        }
        variables
    }

    /// The value under a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    fn set(&mut self, name: String, value: String) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some(variable) => variable.1 = value,
            None => self.0.push((name, value)),
        }
    }

    /// `NAME=value` for each variable that a text refers to, as arguments of `env`.
    ///
    /// A text refers to a variable by its name, as a word of its own: that is what shells
    /// (`$FD_NAME`, `${FD_NAME:-none}`, `$((FD_RPORT + 1))`) and other interpreters
    /// (`os.environ["FD_NAME"]`) have in common. A word too much does no harm.
    pub fn assignments(&self, text: &str) -> Result<Vec<String>, Failure> {
        let named = |name: &str| text.split(|c| !is_inner(c)).any(|word| word == name);
        let found = self.0.iter().filter(|(name, _)| named(name));
        found.map(|(name, value)| Ok(format!("{name}={}", passable(name, value)?))).collect()
    }

    /// A text with the values in the place of `$NAME` and `${NAME}`, for what no shell reads.
    ///
    /// Values are not expanded again, and a `$` before anything else stays. A variable that the
    /// event lacks, or that is empty, is a failure: half a name would be the name of another.
    pub fn expand(&self, text: &str) -> Result<String, Failure> {
        let text = respelled(text);
        let mut parts = text.split('$');
        let mut expanded = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = match part.strip_prefix('{').and_then(|braced| braced.split_once('}')) {
                Some(found) => found,
                None => part.split_at(part.find(|c: char| !is_inner(c)).unwrap_or(part.len())),
            };
            if name.starts_with(|c: char| c.is_ascii_digit()) || name.is_empty() {
                expanded.push('$');
                expanded.push_str(part);
                continue;
            }
            let value = self.get(name).filter(|value| !value.is_empty());
            let value = value.ok_or_else(|| Failure::rejected(format!("the event has no value for '${{{name}}}'")))?;
            expanded.push_str(passable(name, value)?);
            expanded.push_str(rest);
        }
        Ok(expanded)
    }
}

/// A text in which `${FALCO-TALON_RULE}` and its like are spelled as a shell can read them.
///
/// That is how rules write the host's own context, and to a shell it is the variable `FALCO`
/// with a default.
#[must_use]
pub fn respelled(text: &str) -> String {
    text.replace("${FALCO-TALON_", "${FALCO_TALON_")
}

/// The name of the variable for a key, where it is one.
fn name(key: &str) -> Option<String> {
    let mut name = String::with_capacity(key.len());
    for c in key.chars().filter(|c| *c != ']') {
        name.push(if matches!(c, '.' | '[') { '_' } else { c.to_ascii_uppercase() });
    }
    let valid = name.chars().all(is_inner) && !name.starts_with(|c: char| c.is_ascii_digit()) && !name.is_empty();
    let reserved = RESERVED.iter().any(|prefix| name.starts_with(prefix));
    (valid && !reserved).then_some(name)
}

fn is_inner(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) if text == "<NA>" => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(text_of_item).collect::<Vec<_>>().join(","),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

/// A list within a list stays apart from the outer one.
fn text_of_item(item: &Value) -> String {
    match item {
        Value::Array(_) => item.to_string(),
        _ => text(item),
    }
}

/// A command would see what stands before the NUL character only, and take it for the whole.
fn passable<'a>(name: &str, value: &'a str) -> Result<&'a str, Failure> {
    if value.contains('\0') {
        return Err(Failure::rejected(format!(
            "the value of '${{{name}}}' has a NUL character, which can't be passed on"
        )));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn variables(fields: &Value) -> Variables {
        let event = Event {
            rule: "A shell".to_owned(),
            priority: "Notice".to_owned(),
            source: "syscall".to_owned(),
            hostname: "node-1".to_owned(),
            tags: vec!["shell".to_owned(), "T1059".to_owned()],
            output_fields: fields.as_object().unwrap().clone(),
            ..Event::default()
        };
        let context = json!({
            "falco-talon.rule": "Respond", "falco-talon.action.ignore_errors": "true",
            "node.topology.zone": "eu-1",
        });
        Variables::of(&event, &Context { trace_id: String::new(), values: context.as_object().unwrap().clone() })
    }

    #[test]
    fn keys_become_names() {
        fn check(key: &str, name: &str) {
            assert_eq!(variables(&json!({ key: "x" })).get(name), Some("x"), "{key}");
        }
        check("fd.name", "FD_NAME");
        check("proc.aname[2]", "PROC_ANAME_2");
        check("k8s.pod.name", "K8S_POD_NAME");
        check("ka.uri.param[command]", "KA_URI_PARAM_COMMAND");
    }

    #[test]
    fn some_keys_are_no_variables() {
        let none = variables(&json!({}));
        for key in [
            "PATH",
            "path",
            "IFS",
            "env",
            "ld.preload",
            "LD.LIBRARY.PATH",
            "bash.env",
            "glibc.tunables",
            "gconv.path",
            "jevt.value[/requestObject/spec]",
            "gcp.userAgent ",
            "a.b=c",
            "a.é",
            "1.a",
            "a.b\nc",
            "a.b-c",
        ] {
            assert_eq!(variables(&json!({ key: "x" })), none, "{key}");
        }
    }

    #[test]
    fn values_are_as_they_came() {
        fn check(value: Value, expected: &str) {
            assert_eq!(variables(&json!({ "a.b": value })).get("A_B"), Some(expected));
        }
        check(json!("; touch /tmp/pwned #"), "; touch /tmp/pwned #");
        check(json!(1_725_538_330_819_462_123_u64), "1725538330819462123");
        check(json!(2_097_152), "2097152");
        check(json!(-1), "-1");
        check(json!(2576.5), "2576.5");
        check(json!(true), "true");
        check(json!(null), "");
        check(json!("<NA>"), "");
        check(json!(["a", 1, null, true]), "a,1,,true");
        check(json!([["a", "b"], {"c": "d"}]), r#"["a","b"],{"c":"d"}"#);
        check(json!([]), "");
        check(json!({"c": 1}), r#"{"c":1}"#);
    }

    #[test]
    fn context_and_fixed_values_win() {
        fn check(name: &str, expected: &str) {
            let variables = variables(&json!({
                "falco.talon.rule": "no", "node.topology.zone": "no", "rule": "no", "hostname": "no",
            }));
            assert_eq!(variables.get(name), Some(expected), "{name}");
        }
        check("FALCO_TALON_RULE", "Respond");
        check("FALCO_TALON_ACTION_IGNORE_ERRORS", "true");
        check("NODE_TOPOLOGY_ZONE", "eu-1");
        check("RULE", "A shell");
        check("PRIORITY", "Notice");
        check("SOURCE", "syscall");
        check("HOSTNAME", "node-1");
        check("TAGS", "shell,T1059");
    }

    #[test]
    fn one_name_has_one_value() {
        fn check(fields: &Value, expected: &str) {
            assert_eq!(variables(fields).get("PROC_ANAME_2"), Some(expected));
        }
        check(&json!({"proc.aname[2]": "a", "proc.aname_2": "b"}), "a");
        check(&json!({"proc.aname[2]": null, "proc.aname_2": "b"}), "b");
        check(&json!({"proc.aname[2]": "a", "proc.aname_2": null}), "a");
    }

    #[test]
    fn only_what_is_named_is_passed() {
        fn check(text: &str, expected: &[&str]) {
            let variables = variables(&json!({"fd.name": "/a b", "fd.rport": 443}));
            assert_eq!(variables.assignments(text).unwrap(), expected, "{text}");
        }
        check("ls -l", &[]);
        check("cat $FD_NAME", &["FD_NAME=/a b"]);
        check("cat \"${FD_NAME:-x}\" ${#FD_NAME} $FD_RPORT", &["FD_NAME=/a b", "FD_RPORT=443"]);
        check("echo $((FD_RPORT + 1))", &["FD_RPORT=443"]);
        check("os.environ['FD_NAME']", &["FD_NAME=/a b"]);
        check("$FD_NAMES $XFD_NAME $fd_name $$ $? $1 $i $(id)", &[]);
        check("é$FD_NAMEé", &["FD_NAME=/a b"]);
    }

    #[test]
    fn texts_are_expanded_once() {
        fn check(text: &str, expected: Result<&str, &str>) {
            let variables = variables(&json!({"fd.name": "/etc/$RULE", "fd.cut": "a\0b", "fd.no": null}));
            let expanded = variables.expand(text).map_err(|failure| failure.message);
            assert_eq!(expanded.as_deref().map_err(String::as_str), expected, "{text}");
        }
        check("/var/log", Ok("/var/log"));
        check("${FD_NAME}", Ok("/etc/$RULE"));
        check("$FD_NAME", Ok("/etc/$RULE"));
        check("/host$FD_NAME/$SOURCE.txt", Ok("/host/etc/$RULE/syscall.txt"));
        check("/${FALCO-TALON_RULE}", Ok("/Respond"));
        check("/a$/b$$/c$1$", Ok("/a$/b$$/c$1$"));
        check("${}", Ok("${}"));
        check("/a/$FD_TYPE", Err("the event has no value for '${FD_TYPE}'"));
        check("${FD_NO}", Err("the event has no value for '${FD_NO}'"));
        check("${HOME:-/root}", Err("the event has no value for '${HOME:-/root}'"));
        check("${FD_NAME", Ok("${FD_NAME"));
        check("$FD_CUT", Err("the value of '${FD_CUT}' has a NUL character, which can't be passed on"));
    }

    #[test]
    fn a_nul_character_can_not_be_passed() {
        let variables = variables(&json!({"fd.name": "a\0b"}));
        assert!(variables.assignments("cat $FD_NAME").is_err());
        assert!(variables.assignments("ls").is_ok());
    }

    #[test]
    fn the_hosts_context_is_respelled() {
        assert_eq!(respelled("echo ${FALCO-TALON_RULE} ${X-y}"), "echo ${FALCO_TALON_RULE} ${X-y}");
    }
}

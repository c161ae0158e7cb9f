//! A line to add to the policy, and what it allows beside what it is for.
//!
//! Every proposal is made here, whoever shows it: a denial in the log, `policy explain`, `actionners inspect`,
//! `rules check`. What a line leaves open is read off the line itself, so that none can be silent about it. Does not
//! know which line is wanted.

use std::fmt;

use super::fields::FieldGrant;
use super::functions::FunctionGrant;
use super::http::HttpGrant;
use super::kubernetes::{KubernetesGrant, Scope, Verb};
use super::objects::ObjectGrant;
use super::write::flow_list;

/// The one key of an entry that is not a list.
const ARTIFACTS: &str = "artifacts";

/// How many fields a sentence lists.
const LISTED_MAX: usize = 6;

/// A line to add to an entry of the policy.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Proposal {
    /// The entry's key, e.g. `kubernetes`.
    pub key: &'static str,
    /// A line of the list under that key, or its value where it is not a list.
    pub line: String,
    /// What it leaves open: all that it allows beside what it is for.
    pub beyond: Vec<String>,
    /// What to leave out of it so that other objects of events are reached too, if there is such a key.
    pub wider_without: Option<&'static str>,
}

impl Proposal {
    /// To ask the cluster for what this grant says.
    pub fn kubernetes(grant: &KubernetesGrant) -> Self {
        let is_of_event = matches!(grant.scope, Scope::EventTarget | Scope::EventNode);
        let wider_without = (is_of_event && !grant.names.is_empty()).then_some("names");
        Proposal { wider_without, ..Self::new("kubernetes", grant, beyond_kubernetes(grant)) }
    }

    fn new(key: &'static str, line: &impl ToString, beyond: Vec<String>) -> Self {
        Proposal { key, line: line.to_string(), beyond, wider_without: None }
    }

    /// To make artifacts.
    pub fn artifacts() -> Self {
        Self::new(ARTIFACTS, &"true", vec!["any file, for the output that a rule names".to_owned()])
    }

    /// To call a cloud function.
    pub fn functions(grant: &FunctionGrant) -> Self {
        Self::new("functions", grant, vec!["any payload".to_owned()])
    }

    /// To ask an address of the web.
    pub fn http(grant: &HttpGrant) -> Self {
        let below = format!("what lies below `{}`", grant.url.url().path());
        Self::new("http", grant, vec![below, "any query, headers and body".to_owned()])
    }

    /// To read or store an object.
    pub fn objects(grant: &ObjectGrant) -> Self {
        Self::new("objects", grant, vec!["any key in it".to_owned()])
    }

    /// Whether the key is a list, of which this is a line.
    pub fn is_of_a_list(&self) -> bool {
        self.key != ARTIFACTS
    }

    /// What it leaves open and how it is made wider, as a comment of the policy; empty where that is nothing.
    pub fn comment(&self) -> String {
        let beyond = (!self.beyond.is_empty()).then(|| format!("it also allows {}", self.beyond.join(", ")));
        let wider = |key| format!("without `{key}`, the same for whatever an event leads to");
        let parts: Vec<String> = beyond.into_iter().chain(self.wider_without.map(wider)).collect();
        if parts.is_empty() { String::new() } else { format!("# {}", parts.join("; ")) }
    }
}

/// As it stands in an entry, with two spaces before each line: `- {verbs: …}` or `artifacts: true`, and the comment.
impl fmt::Display for Proposal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.is_of_a_list() {
            true => write!(formatter, "  - {}", self.line)?,
            false => write!(formatter, "  {}: {}", self.key, self.line)?,
        }
        let comment = self.comment();
        if comment.is_empty() { Ok(()) } else { write!(formatter, "\n  {comment}") }
    }
}

fn beyond_kubernetes(grant: &KubernetesGrant) -> Vec<String> {
    let KubernetesGrant { verbs, resources, scope, namespaces, names, fields } = grant;
    let is_list = verbs.contains(&Verb::List);
    let of = flow_list(resources);
    let places = match (namespaces.as_slice(), scope) {
        ([], _) => String::new(),
        (namespaces, _) => format!(" in {}", flow_list(namespaces)),
    };
    let mut beyond = Vec::new();
    match scope {
        Scope::EventTarget if names.is_empty() => beyond.push(format!("any of {of} that an event leads to{places}")),
        Scope::EventTarget => {}
        Scope::EventNamespace if is_list && namespaces.is_empty() => {
            beyond.push("the same in the namespace of any event".to_owned());
        }
        Scope::EventNamespace if is_list || !names.is_empty() => {
            beyond.push("the same for any event of the namespace".to_owned());
        }
        Scope::EventNamespace => beyond.push(format!("any of {of} in the namespace of an event{places}")),
        Scope::EventNode if is_list || names.is_empty() => {
            beyond.push(format!("any of {of} on the node of any event{places}"));
        }
        Scope::EventNode => {}
        Scope::HostNamespace | Scope::Any if is_list || !names.is_empty() => {
            beyond.push("the same for any event".to_owned());
        }
        Scope::HostNamespace => beyond.push(format!("any of {of} where the host runs, for any event")),
        Scope::Any => beyond.push(format!("any of {of}{places}, for any event")),
    }
    if resources.iter().any(|resource| resource.subresource.as_deref() == Some("exec")) {
        beyond.push("any command".to_owned());
    }
    let open: Vec<&FieldGrant> = fields.iter().filter(|field| field.values.is_empty()).collect();
    if !open.is_empty() {
        let few = open.iter().take(LISTED_MAX).map(|field| format!("`{}`", field.path)).collect::<Vec<_>>().join(", ");
        let more = open.len().saturating_sub(LISTED_MAX);
        let more = if more == 0 { String::new() } else { format!(" and {more} more") };
        beyond.push(format!("any value in {few}{more}"));
    }
    beyond
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::grants::tests::policy;
    use crate::grants::{Entry, Granted};

    fn granted(key: &str, line: &str) -> Granted {
        let Entry::Granted(grants) =
            policy(&format!("actionners:\n  kubernetes:label: {{{key}: [{line}]}}\n")).entry("kubernetes:label")
        else {
            panic!("not granted")
        };
        grants.granted.clone()
    }

    #[track_caller]
    fn check(line: &str, expected: &Expect) {
        let granted = granted("kubernetes", line);
        expected.assert_eq(&Proposal::kubernetes(&granted.kubernetes[0]).comment());
    }

    #[test]
    fn what_a_line_leaves_open_is_said() {
        check(
            "{verbs: [get], resources: [pods], namespaces: [shop], names: [web-0]}",
            &expect!["# without `names`, the same for whatever an event leads to"],
        );
        check(
            "{verbs: [get], resources: [pods], namespaces: [shop]}",
            &expect!["# it also allows any of [pods] that an event leads to in [shop]"],
        );
        check(
            "{verbs: [get], resources: [pods], scope: any, namespaces: [shop], names: [web-0]}",
            &expect!["# it also allows the same for any event"],
        );
        check(
            "{verbs: [get], resources: [pods], scope: any, namespaces: [shop]}",
            &expect!["# it also allows any of [pods] in [shop], for any event"],
        );
        check(
            "{verbs: [list], resources: [pods], scope: event-node}",
            &expect!["# it also allows any of [pods] on the node of any event"],
        );
        check(
            "{verbs: [list], resources: [pods], scope: event-namespace}",
            &expect!["# it also allows the same in the namespace of any event"],
        );
        check(
            "{verbs: [create], resources: [pods/exec], namespaces: [shop], names: [web-0]}",
            &expect!["# it also allows any command; without `names`, the same for whatever an event leads to"],
        );
        check(
            "{verbs: [patch], resources: [pods], namespaces: [shop], names: [a], fields: [spec, {path: status.x, values: [1]}]}",
            &expect!["# it also allows any value in `spec`; without `names`, the same for whatever an event leads to"],
        );
    }

    #[test]
    fn a_proposal_of_each_kind_names_its_key() {
        let shown = |proposal: &Proposal| format!("added:\n{proposal}");
        expect![[r#"
            added:
              - {url: https://a.example/x, methods: [GET]}
              # it also allows what lies below `/x`, any query, headers and body"#]]
        .assert_eq(&shown(&Proposal::http(&granted("http", "{url: 'https://a.example/x', methods: [GET]}").http[0])));
        expect![[r#"
            added:
              artifacts: true
              # it also allows any file, for the output that a rule names"#]]
        .assert_eq(&shown(&Proposal::artifacts()));
    }
}

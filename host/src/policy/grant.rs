//! One grant of the policy, as a checked value, and how it is written.

use std::fmt;

use super::field::FieldPath;
use super::resource::ResourceName;

/// What may be done to an object, in RBAC's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verb {
    /// Read one object.
    Get,
    /// Read the objects of a collection.
    List,
    /// Make a new object, or a subresource such as an eviction.
    Create,
    /// Replace an object.
    Update,
    /// Change parts of an object.
    Patch,
    /// Remove an object.
    Delete,
}

impl Verb {
    /// Every verb, reads first.
    pub const ALL: [Verb; 6] = [Verb::Get, Verb::List, Verb::Create, Verb::Update, Verb::Patch, Verb::Delete];

    /// As RBAC and the policy write it.
    pub fn name(self) -> &'static str {
        match self {
            Verb::Get => "get",
            Verb::List => "list",
            Verb::Create => "create",
            Verb::Update => "update",
            Verb::Patch => "patch",
            Verb::Delete => "delete",
        }
    }

    /// Whether it changes the cluster.
    pub fn is_write(self) -> bool {
        match self {
            Verb::Get | Verb::List => false,
            Verb::Create | Verb::Update | Verb::Patch | Verb::Delete => true,
        }
    }

    /// Whether it sends fields of an object, which a grant must then name.
    pub fn has_fields(self) -> bool {
        match self {
            Verb::Get | Verb::List | Verb::Delete => false,
            Verb::Create | Verb::Update | Verb::Patch => true,
        }
    }
}

impl std::str::FromStr for Verb {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Verb::ALL.into_iter().find(|verb| verb.name() == text);
        found.ok_or_else(|| format!("`{text}` is not a verb; the verbs are {}", Verb::ALL.map(Verb::name).join(", ")))
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// Which objects a grant reaches, from the narrowest to the widest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Scope {
    /// The objects that the event names, and those that these name themselves once they
    /// were read in the same call.
    #[default]
    EventTarget,
    /// Also any object in the namespace of one that the event names: for what an actionner
    /// makes beside a pod.
    EventNamespace,
    /// Also the pods on the node of the event, once they were listed in the same call, and
    /// their owners.
    EventNode,
    /// Any object in the namespace that the host runs in. The only scope that allows a write
    /// there.
    HostNamespace,
    /// Any object of the cluster.
    Any,
}

impl Scope {
    /// Every scope, the narrowest first.
    pub const ALL: [Scope; 5] =
        [Scope::EventTarget, Scope::EventNamespace, Scope::EventNode, Scope::HostNamespace, Scope::Any];

    /// As the policy writes it.
    pub fn name(self) -> &'static str {
        match self {
            Scope::EventTarget => "event-target",
            Scope::EventNamespace => "event-namespace",
            Scope::EventNode => "event-node",
            Scope::HostNamespace => "host-namespace",
            Scope::Any => "any",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A name of an object or a namespace: exact, or all that begin with a prefix.
///
/// A prefix ends with `-` or `.`, so that `team-*` never means `teamwork`. There is no
/// pattern for everything: a key left out narrows nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pattern {
    /// This name.
    Exact(String),
    /// Every name that goes on after this.
    Prefix(String),
}

impl Pattern {
    /// Whether a name is meant.
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Pattern::Exact(exact) => exact == name,
            Pattern::Prefix(prefix) => name.len() > prefix.len() && name.starts_with(prefix),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pattern::Exact(name) => formatter.write_str(name),
            Pattern::Prefix(prefix) => write!(formatter, "{prefix}*"),
        }
    }
}

impl std::str::FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some(prefix) = text.strip_suffix('*') else {
            return match crate::decide::check_name(text) {
                Ok(()) => Ok(Pattern::Exact(text.to_owned())),
                Err(reason) => Err(reason.to_string()),
            };
        };
        if prefix.is_empty() {
            return Err("`*` is not a name: to mean all, leave the key out".to_owned());
        }
        // What follows the prefix in a name that matches is a letter or a digit at least.
        let possible = crate::decide::check_name(&format!("{prefix}x")).is_ok();
        if possible && prefix.ends_with(['-', '.']) {
            Ok(Pattern::Prefix(prefix.to_owned()))
        } else {
            Err(format!(
                "`{text}` is not a name: write it exactly, or as a prefix that ends at `-` or `.`, such as `team-*`"
            ))
        }
    }
}

/// One line of the policy: what may be done to which objects of the cluster.
///
/// Every key narrows; none widens. A request is allowed where one grant alone allows all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubernetesGrant {
    /// At least one.
    pub verbs: Vec<Verb>,
    /// At least one.
    pub resources: Vec<ResourceName>,
    /// Which objects, by their relation to the event.
    pub scope: Scope,
    /// In which namespaces; none named: in any, and outside of namespaces too.
    pub namespaces: Vec<Pattern>,
    /// Which objects, by name; none named: any.
    pub names: Vec<Pattern>,
    /// The fields that a body may touch; none named: none.
    pub fields: Vec<FieldPath>,
}

/// As the policy file writes it: one mapping in braces. What is not narrowed is left out,
/// but the scope is always written.
impl fmt::Display for KubernetesGrant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let KubernetesGrant { verbs, resources, scope, namespaces, names, fields } = self;
        write!(formatter, "{{verbs: {}", flow_list(verbs))?;
        write!(formatter, ", resources: {}, scope: {scope}", flow_list(resources))?;
        if !namespaces.is_empty() {
            write!(formatter, ", namespaces: {}", flow_list(namespaces))?;
        }
        if !names.is_empty() {
            write!(formatter, ", names: {}", flow_list(names))?;
        }
        if !fields.is_empty() {
            write!(formatter, ", fields: {}", flow_list(fields))?;
        }
        formatter.write_str("}")
    }
}

/// `[a, "b: c"]`.
pub(crate) fn flow_list(items: &[impl ToString]) -> String {
    let items: Vec<String> = items.iter().map(|item| scalar(&item.to_string())).collect();
    format!("[{}]", items.join(", "))
}

/// A text as YAML, in quotes where it could be read as something else.
pub(crate) fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '/' | '-' | ':' | '*');
    let word = text.to_ascii_lowercase();
    let reserved = matches!(word.as_str(), "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n");
    let safe = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && !text.ends_with(':')
        && text.chars().all(plain)
        && !reserved;
    if safe { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, name: &str, expected: Result<bool, &str>) {
        match (pattern.parse::<Pattern>(), expected) {
            (Ok(parsed), Ok(matches)) => {
                assert_eq!(parsed.matches(name), matches);
                assert_eq!(parsed.to_string(), pattern);
            }
            (Err(message), Err(part)) => assert!(message.contains(part), "{message}"),
            (parsed, expected) => panic!("{parsed:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn a_name_is_exact() {
        check("web", "web", Ok(true));
        check("web", "web-0", Ok(false));
        check("a.b", "a.b", Ok(true));
    }

    #[test]
    fn a_prefix_ends_at_a_boundary_and_something_follows() {
        check("team-*", "team-a", Ok(true));
        check("team-*", "team-", Ok(false));
        check("team-*", "team", Ok(false));
        check("team-*", "teamwork", Ok(false));
        check("team*", "", Err("`team-*`"));
    }

    #[test]
    fn nothing_means_all() {
        check("*", "", Err("leave the key out"));
        check("-*", "", Err("is not a name"));
        check("a*b", "", Err("`a*b`"));
        check("", "", Err("empty"));
        check("Web", "", Err("`Web`"));
    }

    #[test]
    fn texts_that_yaml_reads_otherwise_are_quoted() {
        for text in ["true", "NO", "12", "1e3", "a: b", "a[b]", "", "*x", "-a", "a #b", "ключ"] {
            assert!(scalar(text).starts_with('"'), "{text}");
        }
        for text in ["web-0", "apps/deployments", "a.b", "falco-talon-*", "kubernetes:label"] {
            assert_eq!(scalar(text), text);
        }
    }
}

//! What actionners may do: grants as checked values, never the text that they were written in.
//!
//! Everything is denied but what a grant allows. Entries are keyed by actionner: those of the
//! bundled actionners are built in, and an operator's file replaces an entry whole, forbids an
//! actionner (`{forbidden: true}`), or adds one for a component of its own, whose `digest` it
//! must then name:
//!
//! ```yaml
//! protected:
//!   namespaces: [kube-system]     # the default; the host's own is always added
//! limits: {memory: 64Mi, cpu: 1s, deadline: 30s, host_calls: 200, response_bytes: 4Mi, artifact_bytes: 1Gi, concurrency: 64}
//! actionners:
//!   kubernetes:terminate: {forbidden: true}
//!   acme:quarantine:
//!     digest: sha256:…
//!     kubernetes:
//!       - {verbs: [get], resources: [pods, apps/deployments], scope: event-target}
//!       - {verbs: [patch], resources: [pods], fields: [metadata.labels]}
//!     limits: {deadline: 5s}
//! ```
//!
//! A limit comes from the actionner's entry, else from the file's `limits`, else from
//! [`Limits::default`]. What the keys of a grant mean is said at [`KubernetesGrant`] and
//! [`ResourceName`]; whether a request is allowed is decided in [`crate::decide`]. Nothing here
//! reads a file, loads a component or knows a cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use rules::Position;

pub mod explain;
mod field;
mod functions;
mod grant;
mod limits;
mod parse;
#[cfg(test)]
mod properties;
pub mod rbac;
pub(crate) mod resource;
#[cfg(test)]
mod tests;
mod yaml;

pub use field::{FieldPath, Segment};
pub use functions::{Addition, Import, MissingGrant, is_known, is_wasi, least_privilege_entry};
use grant::flow_list;
pub use grant::{KubernetesGrant, Pattern, Scope, Verb};
pub use limits::Limits;
use limits::NamedLimits;
pub use resource::ResourceName;

/// No write and no exec in this namespace, unless the operator's file says otherwise.
const PROTECTED_BY_DEFAULT: &str = "kube-system";

/// The policy in force: what is built in, and what the operator's file made of it.
#[derive(Debug, Clone)]
pub struct Policy {
    protected_namespaces: Vec<Pattern>,
    /// Kept apart, so that no file can take it away.
    own_namespace: Option<Arc<str>>,
    limits: NamedLimits,
    bundled: Vec<String>,
    entries: BTreeMap<String, Body>,
}

/// What the policy says of one actionner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// It may run, and do what is granted.
    Granted(Arc<Grants>),
    /// The operator does not want it to run.
    Forbidden,
    /// The policy does not name it, so that it may not run.
    Missing,
}

/// What one actionner may do, and how much of the host it may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grants {
    /// Whose grants these are: `category:name`.
    pub actionner: String,
    /// `sha256:…` of the component that they are for; none for a bundled one that is not
    /// pinned. A component with another digest has none of these grants.
    pub digest: Option<String>,
    /// What it may do.
    pub granted: Granted,
    /// What a call may use.
    pub limits: Limits,
    /// Where nothing may be written, whatever is granted.
    pub protected_namespaces: Arc<[Pattern]>,
    /// The namespace that the host runs in: protected too, but from grants of that scope.
    pub own_namespace: Option<Arc<str>>,
}

/// The grants of one entry, by the key that they stand under.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Granted {
    /// What may be done in the cluster.
    pub kubernetes: Vec<KubernetesGrant>,
    /// Whether artifacts may be made.
    pub artifacts: bool,
}

impl Grants {
    /// The grants of an actionner that may do nothing at all.
    pub fn none(actionner: String) -> Self {
        Self {
            actionner,
            digest: None,
            granted: Granted::default(),
            limits: Limits::default(),
            protected_namespaces: Arc::default(),
            own_namespace: None,
        }
    }

    /// All namespaces in which writes are refused, those of a grant's scope aside.
    pub fn all_protected(&self) -> Vec<Pattern> {
        let own = self.own_namespace.as_deref().map(|name| Pattern::Exact(name.to_owned()));
        let own = own.filter(|own| !self.protected_namespaces.contains(own));
        self.protected_namespaces.iter().cloned().chain(own).collect()
    }
}

/// An operator's file, read and checked.
#[derive(Debug, Clone, Default)]
pub struct OperatorPolicy {
    protected_namespaces: Option<Vec<Pattern>>,
    limits: NamedLimits,
    entries: Vec<EntryAsWritten>,
}

/// What is wrong in a policy, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{position}: {message}")]
pub struct PolicyError {
    /// Where it stands.
    pub position: Position,
    /// What is wrong, and what would be right.
    pub message: String,
}

#[derive(Debug, Clone)]
struct EntryAsWritten {
    position: Position,
    name: String,
    body: Body,
}

#[derive(Debug, Clone)]
enum Body {
    Granted { digest: Option<String>, granted: Granted, limits: NamedLimits },
    Forbidden,
}

impl Default for Body {
    fn default() -> Self {
        Body::Granted { digest: None, granted: Granted::default(), limits: NamedLimits::default() }
    }
}

impl Policy {
    /// The policy before any file of the operator: the entries of the bundled actionners, as
    /// (name, body of the entry in YAML).
    ///
    /// Errors name the file as `kubernetes-label/policy.yaml`.
    pub fn bundled<'a>(entries: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Policy, Vec<PolicyError>> {
        let mut bodies = BTreeMap::new();
        for (name, text) in entries {
            let body = parse::entry(&format!("{}/policy.yaml", name.replace(':', "-")), text)?;
            bodies.insert(name.to_owned(), body);
        }
        Ok(Policy {
            protected_namespaces: vec![Pattern::Exact(PROTECTED_BY_DEFAULT.to_owned())],
            own_namespace: None,
            limits: NamedLimits::default(),
            bundled: bodies.keys().cloned().collect(),
            entries: bodies,
        })
    }

    /// Read an operator's file. `file` is its name in the errors, all of which are given.
    pub fn parse(file: &str, text: &str) -> Result<OperatorPolicy, Vec<PolicyError>> {
        parse::operator(file, text)
    }

    /// This policy with the operator's file on top: each of its entries replaces one whole.
    ///
    /// An entry for an actionner that is not bundled must name the component's digest, since
    /// a name alone could be taken by any file that comes to lie in the directory.
    pub fn with(mut self, operator: OperatorPolicy) -> Result<Policy, Vec<PolicyError>> {
        let mut errors = Vec::new();
        for entry in &operator.entries {
            if let Body::Granted { digest: None, .. } = &entry.body
                && !self.bundled.contains(&entry.name)
            {
                let bundled: Vec<&str> = self.bundled.iter().map(String::as_str).collect();
                errors.push(PolicyError {
                    position: entry.position.clone(),
                    message: format!(
                        "`{}` is not a bundled actionner, and one of your own needs the `digest` of its component{}",
                        entry.name,
                        yaml::valid_names(&entry.name, &bundled).replace("valid are", "bundled are")
                    ),
                });
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        if let Some(namespaces) = operator.protected_namespaces {
            self.protected_namespaces = namespaces;
        }
        self.limits = operator.limits;
        self.entries.extend(operator.entries.into_iter().map(|entry| (entry.name, entry.body)));
        Ok(self)
    }

    /// Protect the namespace in which the host itself runs; no file can undo it.
    #[must_use]
    pub fn protecting(mut self, own_namespace: &str) -> Policy {
        self.own_namespace = Some(own_namespace.into());
        self
    }

    /// What the policy says of an actionner.
    pub fn entry(&self, actionner: &str) -> Entry {
        match self.entries.get(actionner) {
            None => Entry::Missing,
            Some(Body::Forbidden) => Entry::Forbidden,
            Some(Body::Granted { digest, granted, limits }) => Entry::Granted(Arc::new(Grants {
                actionner: actionner.to_owned(),
                digest: digest.clone(),
                granted: granted.clone(),
                limits: limits.over(&self.limits()),
                protected_namespaces: self.protected_namespaces.as_slice().into(),
                own_namespace: self.own_namespace.clone(),
            })),
        }
    }

    /// The actionners that the policy names, forbidden ones among them.
    pub fn actionners(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Which functions a component imports that no grant of the actionner could ever allow.
    ///
    /// A component with any of them is refused when it is loaded. An actionner without an
    /// entry, or a forbidden one, has no grant at all.
    pub fn missing_grants(&self, actionner: &str, imports: &[Import]) -> Vec<MissingGrant> {
        match self.entry(actionner) {
            Entry::Granted(grants) => functions::missing(actionner, &grants.granted, imports),
            Entry::Forbidden | Entry::Missing => functions::missing(actionner, &Granted::default(), imports),
        }
    }

    /// The policy in force as a policy file, every limit written out. Read back, it is the
    /// same policy.
    pub fn to_yaml(&self) -> String {
        let namespaces = flow_list(&self.protected_namespaces);
        let own = self.own_namespace.as_deref().map(|own| format!("   # and {own}, where the host runs"));
        let own = own.unwrap_or_default();
        let mut text = format!("protected:\n  namespaces: {namespaces}{own}\nlimits: {}\n", self.limits());
        if self.entries.is_empty() {
            return text;
        }
        text.push_str("actionners:\n");
        for name in self.actionners() {
            match self.entry(name) {
                Entry::Granted(grants) => text.push_str(&entry_yaml(&grants)),
                Entry::Forbidden => text.push_str(&format!("  {name}: {{forbidden: true}}\n")),
                Entry::Missing => {}
            }
        }
        text
    }

    fn limits(&self) -> Limits {
        self.limits.over(&Limits::default())
    }
}

/// One entry under `actionners:`.
fn entry_yaml(grants: &Grants) -> String {
    let mut text = format!("  {}:\n", grants.actionner);
    if let Some(digest) = &grants.digest {
        text.push_str(&format!("    digest: {digest}\n"));
    }
    text.push_str(&grants.granted.to_yaml("    "));
    text.push_str(&format!("    limits: {}\n", grants.limits));
    text
}

impl Granted {
    /// The keys of an entry, each line after `indent`.
    pub fn to_yaml(&self, indent: &str) -> String {
        let Granted { kubernetes, artifacts } = self;
        let mut text = list_yaml(indent, "kubernetes", kubernetes);
        if *artifacts {
            text.push_str(&format!("{indent}artifacts: true\n"));
        }
        text
    }
}

fn list_yaml(indent: &str, key: &str, grants: &[impl std::fmt::Display]) -> String {
    if grants.is_empty() {
        return String::new();
    }
    let lines: String = grants.iter().map(|grant| format!("{indent}  - {grant}\n")).collect();
    format!("{indent}{key}:\n{lines}")
}

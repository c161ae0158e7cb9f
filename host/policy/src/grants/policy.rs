//! The policy in force: what is built in, and what the operator's file makes of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use rules::nearest::valid_names;
use rules::{ActionnerName, Position};

use super::gates::{self, MissingGrant};
use super::granted::{Entry, Granted, Grants};
use super::interface::Import;
use super::limits::{Limits, NamedLimits};
use super::operator::{Body, OperatorPolicy};
use super::parse;
use super::pattern::Pattern;
use super::problem::PolicyError;
use super::write::flow_list;

/// No write and no exec in this namespace, unless the operator's file says otherwise.
const PROTECTED_BY_DEFAULT: &str = "kube-system";

/// The policy in force: what is built in, and what the operator's file made of it.
#[derive(Debug, Clone)]
pub struct Policy {
    protected_namespaces: Vec<Pattern>,
    /// Kept apart, so that no file can take it away.
    own_namespace: Option<Arc<str>>,
    limits: NamedLimits,
    bundled: Vec<ActionnerName>,
    entries: BTreeMap<ActionnerName, Body>,
}

impl Policy {
    /// The policy before any file of the operator: the entries of the bundled actionners, as
    /// (name, body of the entry in YAML).
    ///
    /// Errors name the file as `kubernetes-label/policy.yaml`.
    pub fn bundled<'a>(entries: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Policy, Vec<PolicyError>> {
        let mut bodies = BTreeMap::new();
        for (name, text) in entries {
            let file = format!("{}/policy.yaml", name.replace(':', "-"));
            let name = name.parse::<ActionnerName>().map_err(|error| {
                let position = Position { file: file.as_str().into(), line: 1, column: 1 };
                vec![PolicyError { position, message: format!("`{name}` is not the name of an actionner: {error}") }]
            })?;
            bodies.insert(name, parse::entry(&file, text)?);
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
                let bundled: Vec<&str> = self.bundled.iter().map(ActionnerName::as_str).collect();
                errors.push(PolicyError {
                    position: entry.position.clone(),
                    message: format!(
                        "`{}` is not a bundled actionner, and one of your own needs the `digest` of its component{}",
                        entry.name,
                        valid_names(&entry.name, &bundled).replace("valid are", "bundled are")
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
                granted: Granted::clone(granted),
                limits: limits.over(&self.limits()),
                protected_namespaces: self.protected_namespaces.as_slice().into(),
                own_namespace: self.own_namespace.clone(),
            })),
        }
    }

    /// What a call may use of the component that an entry pins by this digest, while its name is not known yet.
    pub fn limits_of_digest(&self, digest: &str) -> Option<Limits> {
        let pins = |body: &&Body| matches!(body, Body::Granted { digest: Some(pinned), .. } if pinned == digest);
        match self.entries.values().find(pins)? {
            Body::Granted { limits, .. } => Some(limits.over(&self.limits())),
            Body::Forbidden => None,
        }
    }

    /// The actionners that the policy names, forbidden ones among them.
    pub fn actionners(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(ActionnerName::as_str)
    }

    /// Which functions a component imports that no grant of the actionner could ever allow.
    ///
    /// A component with any of them is refused when it is loaded. An actionner without an
    /// entry, or a forbidden one, has no grant at all.
    pub fn missing_grants(&self, actionner: &str, imports: &[Import]) -> Vec<MissingGrant> {
        match self.entry(actionner) {
            Entry::Granted(grants) => gates::missing(actionner, &grants.granted, imports),
            Entry::Forbidden | Entry::Missing => gates::missing(actionner, &Granted::default(), imports),
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

//! The policy in force: what is built in, and what the operator's file makes of it.

use std::collections::BTreeMap;
use std::sync::Arc;

use rules::nearest::valid_names;
use rules::{ActionnerName, Position};
use serde_json::Value;

use super::gates::{self, MissingGrant};
use super::granted::{Entry, Granted, Grants};
use super::interface::Import;
use super::limits::{Limits, NamedLimits};
use super::objects;
use super::operator::{Body, EntryAsWritten, GrantedBody, OperatorPolicy};
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
    /// Those that are protected by default, and that the operator's file takes away.
    unprotected_namespaces: Vec<Pattern>,
    /// Kept apart, so that no file can take it away.
    own_namespace: Option<Arc<str>>,
    limits: NamedLimits,
    bundled: Vec<ActionnerName>,
    entries: BTreeMap<ActionnerName, Body>,
    warnings: Vec<PolicyError>,
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
            unprotected_namespaces: Vec::new(),
            own_namespace: None,
            limits: NamedLimits::default(),
            bundled: bodies.keys().cloned().collect(),
            entries: bodies,
            warnings: Vec::new(),
        })
    }

    /// Read an operator's file. `file` is its name in the errors, all of which are given.
    pub fn parse(file: &str, text: &str) -> Result<OperatorPolicy, Vec<PolicyError>> {
        parse::operator(file, text)
    }

    /// This policy with the operator's file on top: each of its entries replaces one whole, or
    /// adds to it where it says so.
    ///
    /// What the host's own namespace is should be known before ([`Policy::protecting`]). An entry for an actionner that is not bundled must name the component's digest, since
    /// a name alone could be taken by any file that comes to lie in the directory.
    pub fn with(mut self, operator: OperatorPolicy) -> Result<Policy, Vec<PolicyError>> {
        let mut errors = Vec::new();
        self.warnings.extend(operator.warnings);
        self.protect(operator.protected_namespaces, operator.unprotected_namespaces, &mut errors);
        self.warnings.sort_by_key(|warning| (warning.position.line, warning.position.column));
        self.limits = operator.limits;
        for entry in operator.entries {
            match self.checked(&entry) {
                Ok(body) => {
                    self.warn_of_secrets(&entry);
                    self.entries.insert(entry.name, body);
                }
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() { Ok(self) } else { Err(errors) }
    }

    /// A secret that stands in the file is known to whoever may read that.
    fn warn_of_secrets(&mut self, entry: &EntryAsWritten) {
        let Body::Granted(body) = &entry.body else { return };
        for grant in &body.granted.http {
            for (header, _) in grant.headers.iter().filter(|(name, source)| source.is_written_secret(name)) {
                let message = format!(
                    "`{}`: the header `{header}` for {} is a secret that stands in the policy: use `{{env: NAME}}` or \
                     `{{file: /path}}`",
                    entry.name, grant.url
                );
                self.warnings.push(PolicyError { position: entry.position.clone(), message });
            }
        }
    }

    /// What an entry of the operator's file means: with the bundled one where it extends that.
    fn checked(&self, entry: &EntryAsWritten) -> Result<Body, PolicyError> {
        let wrong = |position: &Position, message| PolicyError { position: position.clone(), message };
        let Body::Granted(body) = &entry.body else { return Ok(Body::Forbidden) };
        let bundled = self.entries.get(&entry.name).filter(|_| self.bundled.contains(&entry.name));
        let names: Vec<&str> = self.bundled.iter().map(ActionnerName::as_str).collect();
        let names = || valid_names(&entry.name, &names).replace("valid are", "bundled are");
        match (&body.extends_bundled, bundled) {
            (Some(_), Some(Body::Granted(bundled))) => {
                let sum = GrantedBody::clone(body).over(bundled);
                match objects::of_another_place(&sum.granted.objects) {
                    None => Ok(Body::Granted(Box::new(sum))),
                    Some(other) => {
                        let message = format!(
                            "`{}` is the label of another place in the bundled entry: choose another one",
                            other.label
                        );
                        Err(wrong(&entry.position, message))
                    }
                }
            }
            (Some(at), _) => Err(wrong(at, format!("there is no bundled `{}` to extend{}", entry.name, names()))),
            (None, None) if body.digest.is_none() => Err(wrong(
                &entry.position,
                format!(
                    "`{}` is not a bundled actionner, and one of your own needs the `digest` of its component{}",
                    entry.name,
                    names()
                ),
            )),
            (None, _) => Ok(entry.body.clone()),
        }
    }

    fn protect(
        &mut self,
        protected: Vec<Pattern>,
        unprotected: Vec<(Pattern, Position)>,
        errors: &mut Vec<PolicyError>,
    ) {
        for (pattern, position) in unprotected {
            let is_own = self.own_namespace.as_deref().is_some_and(|own| pattern.matches(own));
            let wrong = if is_own {
                format!("`{pattern}` is the namespace that the host runs in, which is always protected")
            } else if protected.contains(&pattern) {
                format!("`{pattern}` stands under `protected` too: take it out of one of them")
            } else if pattern.to_string() != PROTECTED_BY_DEFAULT {
                format!("only what is protected by default can be unprotected, which `{PROTECTED_BY_DEFAULT}` alone is")
            } else {
                let message = match protected.iter().find(|other| other.matches(PROTECTED_BY_DEFAULT)) {
                    Some(other) => format!(
                        "the namespace `{pattern}` stays protected, since `{other}` under `protected` is it too: to \
                         allow writes there, name what else is to be protected; else leave it out here"
                    ),
                    None => format!("the namespace `{pattern}` is not protected: writes that are granted reach it"),
                };
                self.warnings.push(PolicyError { position, message });
                self.protected_namespaces.retain(|protected| *protected != pattern);
                self.unprotected_namespaces.push(pattern);
                continue;
            };
            errors.push(PolicyError { position, message: wrong });
        }
        for pattern in protected {
            if !self.protected_namespaces.contains(&pattern) {
                self.protected_namespaces.push(pattern);
            }
        }
    }

    /// What is allowed in the operator's file and should be seen by whoever runs it.
    pub fn warnings(&self) -> &[PolicyError] {
        &self.warnings
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
            Some(Body::Granted(body)) => Entry::Granted(Arc::new(Grants {
                actionner: actionner.to_owned(),
                digest: body.digest.clone(),
                granted: body.granted.clone(),
                denies_ungranted: body.denies_ungranted,
                limits: body.limits.over(&self.limits()),
                protected_namespaces: self.protected_namespaces.as_slice().into(),
                own_namespace: self.own_namespace.clone(),
            })),
        }
    }

    /// The digests of components that entries name, each with its actionner. Two entries may name the same one.
    pub fn digests(&self) -> impl Iterator<Item = (&str, &ActionnerName)> {
        self.entries.iter().filter_map(|(name, body)| match body {
            Body::Granted(body) => Some((body.digest.as_deref()?, name)),
            Body::Forbidden => None,
        })
    }

    /// The actionners that the policy names, forbidden ones among them.
    pub fn actionners(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(ActionnerName::as_str)
    }

    /// This policy with the entries of these actionners alone. To be shown, not enforced.
    #[must_use]
    pub fn of(mut self, is_of_interest: impl Fn(&str) -> bool) -> Policy {
        self.entries.retain(|name, _| is_of_interest(name));
        self
    }

    /// This policy where it is known what some actionners need: each of their entries says no more than
    /// both it and the needs do ([`Granted::narrowed`]), and the others stay. To be shown, not enforced.
    #[must_use]
    pub fn narrowed(mut self, needs: &BTreeMap<ActionnerName, Vec<Granted>>) -> Policy {
        for (name, body) in &mut self.entries {
            if let (Body::Granted(body), Some(needs)) = (body, needs.get(name)) {
                body.granted = body.granted.narrowed(needs);
            }
        }
        self
    }

    /// Which functions a component imports that no grant of the actionner could ever allow.
    ///
    /// A component with any of them is refused when it is loaded. An actionner without an
    /// entry, or a forbidden one, has no grant at all. Under `ungranted: deny`, what is not granted
    /// may be imported ([`Grants::ungranted`]), and only what this version does not know is missing.
    pub fn missing_grants(&self, actionner: &str, imports: &[Import]) -> Vec<MissingGrant> {
        let Entry::Granted(grants) = self.entry(actionner) else {
            return gates::missing(actionner, &Granted::default(), imports);
        };
        let mut missing = gates::missing(actionner, &grants.granted, imports);
        missing.retain(|missing| !grants.denies_ungranted || missing.addition.is_none());
        missing
    }

    /// The policy in force as a policy file, every limit written out. Read back, it is the
    /// same policy.
    pub fn to_yaml(&self) -> String {
        let mut text = format!("version: {}\n", parse::VERSION);
        let own = self.own_namespace.as_deref().map(|own| format!("   # and {own}, where the host runs"));
        let own = own.unwrap_or_default();
        if !self.protected_namespaces.is_empty() {
            let namespaces = flow_list(&self.protected_namespaces);
            text.push_str(&format!("protected:\n  namespaces: {namespaces}{own}\n"));
        }
        if !self.unprotected_namespaces.is_empty() {
            let namespaces = flow_list(&self.unprotected_namespaces);
            text.push_str(&format!("unprotected:\n  namespaces: {namespaces}\n"));
        }
        text.push_str(&format!("limits: {}\n", self.limits()));
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

impl Granted {
    /// What a component's description says that a set of its parameters needs: a JSON object with
    /// the keys `kubernetes`, `artifacts`, `functions`, `http` and `objects` as an entry has them,
    /// in the same grammar.
    ///
    /// # Errors
    ///
    /// All that is wrong, each with its key and what would be right.
    pub fn from_description(needs: &Value) -> Result<Granted, Vec<String>> {
        parse::needs(&needs.to_string()).map_err(|errors| errors.into_iter().map(|error| error.message).collect())
    }
}

/// One entry under `actionners:`.
fn entry_yaml(grants: &Grants) -> String {
    let mut text = format!("  {}:\n", grants.actionner);
    if let Some(digest) = &grants.digest {
        text.push_str(&format!("    digest: {digest}\n"));
    }
    text.push_str(&grants.granted.to_yaml("    "));
    if grants.denies_ungranted {
        text.push_str("    ungranted: deny\n");
    }
    text.push_str(&format!("    limits: {}\n", grants.limits));
    text
}

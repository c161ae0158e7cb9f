//! What one actionner may do: the value that a decision is asked of.

use std::path::PathBuf;
use std::sync::Arc;

use super::functions::FunctionGrant;
use super::http::HttpGrant;
use super::kubernetes::{KubernetesGrant, Scope, Verb};
use super::limits::Limits;
use super::objects::ObjectGrant;
use super::pattern::Pattern;
use super::write::flow_list;
use crate::address::ResourceName;

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
    /// Whether a component may import more than is granted: what it imports beyond, it may not
    /// call. Else such a component is refused.
    pub denies_ungranted: bool,
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
    /// Which cloud functions may be called.
    pub functions: Vec<FunctionGrant>,
    /// Which addresses of the web may be asked.
    pub http: Vec<HttpGrant>,
    /// Which objects of buckets may be read and stored.
    pub objects: Vec<ObjectGrant>,
    /// Which files of the host the parameters of rules may name, and below which directories.
    pub files: Vec<PathBuf>,
}

impl Grants {
    /// The grants of an actionner that may do nothing at all.
    pub fn none(actionner: String) -> Self {
        Self {
            actionner,
            digest: None,
            granted: Granted::default(),
            denies_ungranted: false,
            limits: Limits::default(),
            protected_namespaces: Arc::default(),
            own_namespace: None,
        }
    }

    /// What the host itself needs to say beside a pod, as an event, what was done to it.
    pub fn of_events() -> Self {
        let grant = |verb, resource: &str| KubernetesGrant {
            verbs: vec![verb],
            resources: vec![ResourceName { group: String::new(), resource: resource.to_owned(), subresource: None }],
            scope: Scope::Any,
            namespaces: Vec::new(),
            names: Vec::new(),
            fields: Vec::new(),
        };
        let mut grants = Self::none("k8sevents".to_owned());
        grants.granted.kubernetes = vec![grant(Verb::Create, "events"), grant(Verb::Get, "pods")];
        grants
    }

    /// All namespaces in which writes are refused, those of a grant's scope aside.
    pub fn all_protected(&self) -> Vec<Pattern> {
        let own = self.own_namespace.as_deref().map(|name| Pattern::Exact(name.to_owned()));
        let own = own.filter(|own| !self.protected_namespaces.contains(own));
        self.protected_namespaces.iter().cloned().chain(own).collect()
    }
}

impl Granted {
    /// These grants, and others beside them.
    pub(super) fn with(mut self, others: Granted) -> Granted {
        let Granted { kubernetes, artifacts, functions, http, objects, files } = others;
        self.kubernetes.extend(kubernetes);
        self.artifacts |= artifacts;
        self.functions.extend(functions);
        self.http.extend(http);
        self.objects.extend(objects);
        self.files.extend(files);
        self
    }

    /// The keys of an entry, each line after `indent`.
    pub fn to_yaml(&self, indent: &str) -> String {
        let Granted { kubernetes, artifacts, functions, http, objects, files } = self;
        let mut text = list_yaml(indent, "kubernetes", kubernetes);
        if *artifacts {
            text.push_str(&format!("{indent}artifacts: true\n"));
        }
        text.push_str(&list_yaml(indent, "functions", functions));
        text.push_str(&list_yaml(indent, "http", http));
        text.push_str(&list_yaml(indent, "objects", objects));
        if !files.is_empty() {
            let files: Vec<_> = files.iter().map(|file| file.display()).collect();
            text.push_str(&format!("{indent}files: {}\n", flow_list(&files)));
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

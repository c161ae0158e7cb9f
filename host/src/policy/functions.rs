//! What each function of the contract needs to be granted: the gate at load time.
//!
//! A component that imports a function which no grant could ever allow is refused before it
//! runs. The table names every function that an actionner can import; one that is not in it is
//! refused, so that a new function can't come without its gate.

#[cfg(test)]
mod tests;

use std::fmt;

use super::grant::{KubernetesGrant, Verb};
use super::limits::Limits;
use super::resource::ResourceName;

/// A function that a component imports.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Import {
    /// `kubernetes-write`, or with its package and version as a component names it:
    /// `falco-talon:actionner/kubernetes-write@0.1.0`.
    pub interface: String,
    /// `patch`.
    pub function: String,
}

impl Import {
    /// The interface's name alone, if it is one of the contract's.
    fn own_interface(&self) -> Option<&str> {
        let name = match self.interface.split_once('/') {
            Some(("falco-talon:actionner", name)) => name,
            Some(_) => return None,
            None => &self.interface,
        };
        Some(name.split_once('@').map_or(name, |(name, _)| name))
    }
}

impl fmt::Display for Import {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let interface = self.own_interface().unwrap_or(&self.interface);
        write!(formatter, "{interface}.{}", self.function)
    }
}

/// An imported function that no grant could ever allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingGrant {
    /// Which actionner imports it.
    pub actionner: String,
    /// What it imports.
    pub import: Import,
    /// A line for `kubernetes:` of its entry, in its narrowest form; none where this version
    /// does not know the function, and nothing can grant it.
    pub line: Option<&'static str>,
}

impl fmt::Display for MissingGrant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let MissingGrant { actionner, import, line } = self;
        match line {
            None => write!(formatter, "`{actionner}` imports `{import}`, which this version does not know"),
            Some(line) => write!(
                formatter,
                "`{actionner}` imports `{import}`, and nothing that it is granted could allow it; to allow it, \
                 add under `kubernetes:` of `{actionner}` (with the resources and fields that it needs):\n  - {line}"
            ),
        }
    }
}

/// A function that needs grants.
struct Gate {
    interface: &'static str,
    function: &'static str,
    /// All of them, each perhaps by another grant.
    verbs: &'static [Verb],
    /// Which resources it can reach at all, whatever it is asked for.
    reaches: fn(&ResourceName) -> bool,
    /// What to write for it where nothing is known of what it will be asked.
    line: &'static str,
}

const GATES: [Gate; 7] = [
    Gate {
        interface: "kubernetes-read",
        function: "get",
        verbs: &[Verb::Get],
        reaches: |_| true,
        line: "{verbs: [get], resources: [pods], scope: event-target}",
    },
    Gate {
        interface: "kubernetes-read",
        function: "list",
        verbs: &[Verb::List],
        reaches: |_| true,
        line: "{verbs: [list], resources: [pods], scope: event-namespace}",
    },
    Gate {
        interface: "kubernetes-write",
        function: "patch",
        verbs: &[Verb::Patch],
        reaches: |_| true,
        line: "{verbs: [patch], resources: [pods], scope: event-target, fields: [metadata.labels]}",
    },
    Gate {
        interface: "kubernetes-write",
        function: "apply",
        verbs: &[Verb::Create, Verb::Patch],
        reaches: |_| true,
        line: "{verbs: [create, patch], resources: [networking.k8s.io/networkpolicies], scope: event-namespace, names: [falco-talon-*], fields: [spec]}",
    },
    Gate {
        interface: "kubernetes-write",
        function: "create",
        verbs: &[Verb::Create],
        // It posts whole objects; an eviction has a function of its own.
        reaches: |resource| resource.subresource.is_none(),
        line: "{verbs: [create], resources: [networking.k8s.io/networkpolicies], scope: event-namespace, names: [falco-talon-*], fields: [spec]}",
    },
    Gate {
        interface: "kubernetes-write",
        function: "delete",
        verbs: &[Verb::Delete],
        reaches: |_| true,
        line: "{verbs: [delete], resources: [pods], scope: event-target}",
    },
    Gate {
        interface: "kubernetes-write",
        function: "evict",
        verbs: &[Verb::Create],
        reaches: |resource| resource.is("", "pods", Some("eviction")),
        line: "{verbs: [create], resources: [pods/eviction], scope: event-target}",
    },
];

/// Interfaces that need no grant: words for the log, and types.
const FREE: [&str; 2] = ["log", "types"];

/// The verbs that a call of a function must be granted, each of them; none at all for one
/// that is free. `None` for a function that the contract does not have.
///
/// The capability that carries a call out asks [`crate::decide::decide`] once for each.
pub fn required_verbs(interface: &str, function: &str) -> Option<&'static [Verb]> {
    if FREE.contains(&interface) {
        return Some(&[]);
    }
    gate(interface, function).map(|gate| gate.verbs)
}

fn gate(interface: &str, function: &str) -> Option<&'static Gate> {
    GATES.iter().find(|gate| gate.interface == interface && gate.function == function)
}

impl Gate {
    /// Whether some request that this function makes could be granted one of its verbs.
    fn opens_by(&self, grant: &KubernetesGrant, verb: Verb) -> bool {
        grant.verbs.contains(&verb) && grant.resources.iter().any(self.reaches)
    }
}

/// What is missing of the grants that the imports need, in the order of the imports.
pub(super) fn missing(actionner: &str, grants: &[KubernetesGrant], imports: &[Import]) -> Vec<MissingGrant> {
    let is_granted = |gate: &Gate| gate.verbs.iter().all(|verb| grants.iter().any(|grant| gate.opens_by(grant, *verb)));
    let mut missing = Vec::new();
    for import in imports {
        let interface = import.own_interface();
        if interface.is_some_and(|interface| FREE.contains(&interface)) {
            continue;
        }
        let gate = interface.and_then(|interface| gate(interface, &import.function));
        if gate.is_some_and(is_granted) {
            continue;
        }
        missing.push(MissingGrant {
            actionner: actionner.to_owned(),
            import: import.clone(),
            line: gate.map(|gate| gate.line),
        });
    }
    missing
}

/// A policy entry to paste for a component, with the narrowest grants under which it loads.
///
/// An import list does not say which resources and fields a component will ask for, so those
/// are the ones most often needed, and a comment says to look at them.
pub fn least_privilege_entry(name: &str, digest: &str, imports: &[Import]) -> String {
    let mut text = format!("actionners:\n  {name}:\n    digest: {digest}\n");
    let missing = missing(name, &[], imports);
    let mut lines: Vec<&str> = missing.iter().filter_map(|missing| missing.line).collect();
    lines.dedup();
    if !lines.is_empty() {
        text.push_str("    kubernetes:   # put in the resources and fields that it really needs\n");
        for line in lines {
            text.push_str(&format!("      - {line}\n"));
        }
    }
    text.push_str(&format!("    limits: {}\n", Limits::default()));
    for unknown in missing.iter().filter(|missing| missing.line.is_none()) {
        text.push_str(&format!("# {unknown}: it can't be granted\n"));
    }
    text
}

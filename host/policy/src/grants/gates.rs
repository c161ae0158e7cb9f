//! What each function of the contract needs to be granted: the gate at load time.
//!
//! A component that imports a function which no grant could ever allow is refused before it
//! runs. The table names every function that an actionner can import; one that is not in it is
//! refused, so that a new function can't come without its gate.

mod examples;
#[cfg(test)]
mod tests;

use std::fmt;

use super::functions::Provider;
use super::granted::{Granted, Grants};
use super::interface::{Import, Interface};
use super::kubernetes::{KubernetesGrant, Verb};
use super::limits::Limits;
use super::objects::ObjectVerb;
use super::proposal::Proposal;
use crate::address::ResourceName;

/// An imported function that no grant could ever allow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingGrant {
    /// Which actionner imports it.
    pub actionner: String,
    /// What it imports.
    pub import: Import,
    /// What to add to its entry, in its narrowest form; none where this version does not know
    /// the function, and nothing can grant it.
    pub addition: Option<Proposal>,
}

impl fmt::Display for MissingGrant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let MissingGrant { actionner, import, addition } = self;
        let Some(addition) = addition else {
            return write!(formatter, "`{actionner}` imports `{import}`, which this version does not know");
        };
        write!(
            formatter,
            "`{actionner}` imports `{import}`, and nothing that it is granted could allow it; to allow it, \
             add to its entry in the policy (with what it really needs):\n  {}",
            in_entry(addition)
        )
    }
}

/// A key of an entry with this alone.
fn in_entry(addition: &Proposal) -> String {
    let Proposal { key, line, .. } = addition;
    if addition.is_of_a_list() { format!("{key}: [{line}]") } else { format!("{key}: {line}") }
}

/// A function that needs grants.
struct Gate {
    interface: Interface,
    function: &'static str,
    needs: Needs,
    /// What to write for it where nothing is known of what it will be asked.
    example: fn() -> Option<Proposal>,
}

/// What opens a gate.
enum Needs {
    /// Grants under `kubernetes`.
    Kubernetes {
        /// All of them, each perhaps by another grant.
        verbs: &'static [Verb],
        /// Which resources it can reach at all, whatever it is asked for.
        reaches: fn(&ResourceName) -> bool,
    },
    /// The switch of this name.
    Artifacts,
    /// A grant under `functions` for this provider.
    Functions(Provider),
    /// A grant under `http`.
    Http,
    /// A grant of this verb under `objects`.
    Objects(ObjectVerb),
}

/// A gate of a function that reaches objects of the cluster.
const fn kubernetes(
    interface: Interface,
    function: &'static str,
    verbs: &'static [Verb],
    reaches: fn(&ResourceName) -> bool,
    example: fn() -> Option<Proposal>,
) -> Gate {
    Gate { interface, function, needs: Needs::Kubernetes { verbs, reaches }, example }
}

const READ: Interface = Interface::KubernetesRead;
const WRITE: Interface = Interface::KubernetesWrite;
const EXEC: Interface = Interface::KubernetesExec;

/// A subresource is reached by functions of its own.
fn objects(resource: &ResourceName) -> bool {
    resource.subresource.is_none()
}

fn log(resource: &ResourceName) -> bool {
    resource.is("", "pods", Some("log"))
}

fn exec(resource: &ResourceName) -> bool {
    resource.is("", "pods", Some("exec"))
}

fn eviction(resource: &ResourceName) -> bool {
    resource.is("", "pods", Some("eviction"))
}

const GATES: &[Gate] = &[
    kubernetes(READ, "get", &[Verb::Get], |it| !log(it), examples::get_pod),
    kubernetes(READ, "list", &[Verb::List], objects, examples::list_pods),
    kubernetes(READ, "logs", &[Verb::Get], log, examples::get_log),
    kubernetes(READ, "logs-into", &[Verb::Get], log, examples::get_log),
    kubernetes(READ, "wait", &[Verb::Get], objects, examples::get_pod),
    kubernetes(READ, "wait-deleted", &[Verb::Get], objects, examples::get_pod),
    kubernetes(WRITE, "patch", &[Verb::Patch], |_| true, examples::patch_pod),
    kubernetes(WRITE, "apply", &[Verb::Create, Verb::Patch], |_| true, examples::apply_policy),
    // It posts whole objects; an eviction and an exec have functions of their own.
    kubernetes(WRITE, "create", &[Verb::Create], objects, examples::create_policy),
    kubernetes(WRITE, "delete", &[Verb::Delete], |_| true, examples::delete_pod),
    kubernetes(WRITE, "evict", &[Verb::Create], eviction, examples::evict_pod),
    kubernetes(EXEC, "exec", &[Verb::Create], exec, examples::exec),
    kubernetes(EXEC, "exec-into", &[Verb::Create], exec, examples::exec),
    Gate {
        interface: Interface::Artifacts,
        function: "[static]artifact.create",
        needs: Needs::Artifacts,
        example: || Some(Proposal::artifacts()),
    },
    Gate {
        interface: Interface::Functions,
        function: "invoke-lambda",
        needs: Needs::Functions(Provider::Aws),
        example: examples::lambda,
    },
    Gate {
        interface: Interface::Functions,
        function: "invoke-google",
        needs: Needs::Functions(Provider::Gcp),
        example: examples::google,
    },
    Gate { interface: Interface::Http, function: "send", needs: Needs::Http, example: examples::http },
    Gate {
        interface: Interface::Objects,
        function: "get",
        needs: Needs::Objects(ObjectVerb::Get),
        example: examples::get_object,
    },
    Gate {
        interface: Interface::Objects,
        function: "put",
        needs: Needs::Objects(ObjectVerb::Put),
        example: examples::put_object,
    },
];

/// Interfaces that need no grant: words for the log, the time of day, and types.
const FREE: [Interface; 3] = [Interface::Log, Interface::Clock, Interface::Types];

/// The interfaces of WASI. What they give is empty, so that they need no grant.
const WASI: [&str; 6] = ["wasi:cli/", "wasi:clocks/", "wasi:filesystem/", "wasi:io/", "wasi:random/", "wasi:sockets/"];

/// Functions that need no grant in interfaces whose others do: what every identity of the
/// cluster may read, and what is done with an artifact that there is only by a grant.
const FREE_FUNCTIONS: [(Interface, &str); 2] = [(READ, "discover"), (Interface::Artifacts, "[method]artifact.write")];

/// Whether an import, by its whole name, is of the WASI that every component may have.
pub fn is_wasi(import: &str) -> bool {
    WASI.iter().any(|interface| import.starts_with(interface))
}

fn is_free(interface: Interface, function: &str) -> bool {
    // Handing back an artifact needs no permission either.
    FREE.contains(&interface)
        || FREE_FUNCTIONS.contains(&(interface, function))
        || (interface == Interface::Artifacts && function.starts_with("[resource-drop]"))
}

fn gate(interface: Interface, function: &str) -> Option<&'static Gate> {
    GATES.iter().find(|gate| gate.interface == interface && gate.function == function)
}

impl Gate {
    /// Whether some request that this function makes could be granted.
    fn opens_by(&self, granted: &Granted) -> bool {
        let some = |verb: &Verb, reaches: fn(&ResourceName) -> bool| {
            let opens = |it: &KubernetesGrant| it.verbs.contains(verb) && it.resources.iter().any(reaches);
            granted.kubernetes.iter().any(opens)
        };
        match &self.needs {
            Needs::Kubernetes { verbs, reaches } => verbs.iter().all(|verb| some(verb, *reaches)),
            Needs::Artifacts => granted.artifacts,
            Needs::Functions(provider) => granted.functions.iter().any(|grant| grant.provider == *provider),
            Needs::Http => !granted.http.is_empty(),
            Needs::Objects(verb) => granted.objects.iter().any(|grant| grant.verbs.contains(verb)),
        }
    }
}

/// What is missing of the grants that the imports need, in the order of the imports.
pub(super) fn missing(actionner: &str, granted: &Granted, imports: &[Import]) -> Vec<MissingGrant> {
    let mut missing = Vec::new();
    for import in imports {
        let interface = Interface::find(&import.interface);
        if is_wasi(&import.interface) || interface.is_some_and(|interface| is_free(interface, &import.function)) {
            continue;
        }
        let gate = interface.and_then(|interface| gate(interface, &import.function));
        if gate.is_some_and(|gate| gate.opens_by(granted)) {
            continue;
        }
        missing.push(MissingGrant {
            actionner: actionner.to_owned(),
            import: import.clone(),
            addition: gate.and_then(|gate| (gate.example)()),
        });
    }
    missing
}

impl Grants {
    /// What a component imports beyond its grants, and may import under `ungranted: deny`: to be
    /// linked as always denied. Empty where the entry does not say so, since such a component is
    /// refused then ([`super::Policy::missing_grants`]).
    pub fn ungranted(&self, imports: &[Import]) -> Vec<Import> {
        if !self.denies_ungranted {
            return Vec::new();
        }
        let missing = missing(&self.actionner, &self.granted, imports);
        missing.into_iter().filter(|missing| missing.addition.is_some()).map(|missing| missing.import).collect()
    }
}

/// A policy entry to paste for a component, with the narrowest grants under which it loads.
///
/// An import list does not say which resources and fields a component will ask for, so those
/// are the ones most often needed, and a comment says to look at them.
pub fn least_privilege_entry(name: &str, digest: &str, imports: &[Import]) -> String {
    let mut text = format!("actionners:\n  {name}:\n    digest: {digest}\n");
    let missing = missing(name, &Granted::default(), imports);
    let mut additions: Vec<&Proposal> = missing.iter().filter_map(|missing| missing.addition.as_ref()).collect();
    // Those of one key together, and of a key each line once.
    additions.sort();
    additions.dedup();
    let mut key = "";
    for addition in additions {
        if addition.is_of_a_list() && addition.key != key {
            key = addition.key;
            text.push_str(&format!("    {key}:   # put in what it really needs\n"));
        }
        let indent = if addition.is_of_a_list() { "    " } else { "  " };
        text.extend(addition.to_string().lines().map(|line| format!("{indent}{line}\n")));
    }
    text.push_str(&format!("    limits: {}\n", Limits::default()));
    for unknown in missing.iter().filter(|missing| missing.addition.is_none()) {
        text.push_str(&format!("# {unknown}: it can't be granted\n"));
    }
    text
}

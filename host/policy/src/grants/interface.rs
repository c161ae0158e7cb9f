//! The contract as a component imports it: its interfaces, and functions of them.

use std::fmt;

/// An interface of the contract. What links them matches on this, so that one can't be left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is documented in its file of `wit/`")]
pub enum Interface {
    Types,
    Log,
    Clock,
    KubernetesRead,
    KubernetesWrite,
    KubernetesExec,
    Artifacts,
    Functions,
    Http,
    Objects,
}

impl Interface {
    /// Every interface, in the order of the world.
    pub const ALL: [Interface; 10] = [
        Interface::Types,
        Interface::Log,
        Interface::Clock,
        Interface::KubernetesRead,
        Interface::KubernetesWrite,
        Interface::KubernetesExec,
        Interface::Artifacts,
        Interface::Functions,
        Interface::Http,
        Interface::Objects,
    ];

    /// As `wit/` names it.
    pub fn name(self) -> &'static str {
        match self {
            Interface::Types => "types",
            Interface::Log => "log",
            Interface::Clock => "clock",
            Interface::KubernetesRead => "kubernetes-read",
            Interface::KubernetesWrite => "kubernetes-write",
            Interface::KubernetesExec => "kubernetes-exec",
            Interface::Artifacts => "artifacts",
            Interface::Functions => "functions",
            Interface::Http => "http",
            Interface::Objects => "objects",
        }
    }

    /// The interface of this name, with or without the package and version that components write:
    /// `falco-talon:actionner/log@0.1.0`.
    pub fn find(import: &str) -> Option<Interface> {
        let name = match import.strip_prefix(PACKAGE) {
            Some(name) => name.split_once('@').map_or(name, |(name, _)| name),
            None => import,
        };
        Interface::ALL.into_iter().find(|interface| interface.name() == name)
    }
}

/// The package whose interfaces are the capabilities, as a component's imports spell it.
pub const PACKAGE: &str = "falco-talon:actionner/";

/// A function that a component imports.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Import {
    /// `kubernetes-write`, or with its package and version as a component names it:
    /// `falco-talon:actionner/kubernetes-write@0.1.0`.
    pub interface: String,
    /// `patch`; of a resource, as components spell it: `[static]artifact.create`.
    pub function: String,
}

impl fmt::Display for Import {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = Interface::find(&self.interface).map(Interface::name);
        let interface = known.unwrap_or(&self.interface);
        let function = self.function.rsplit_once(']').map_or(self.function.as_str(), |(_, function)| function);
        write!(formatter, "{interface}.{function}")
    }
}

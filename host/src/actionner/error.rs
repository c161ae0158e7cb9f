//! Why a component can't be used.

use policy::{MissingGrant, PACKAGE};
use rules::ActionnerName;

use super::description::DescriptionError;
use super::instance::CallError;

/// Why a component can't be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It is longer than the limit.
    #[error("the component has {bytes} bytes, more than the {bytes_max} that are compiled at most")]
    TooLarge {
        /// How long it is.
        bytes: usize,
        /// The limit.
        bytes_max: usize,
    },
    /// The engine does not understand it.
    #[error("this is not a WebAssembly component: {0}")]
    NotAComponent(String),
    /// The usual mistake: what the compiler made, before it became a component.
    #[error("this is a core WebAssembly module; make it a component first, e.g. with `wasm-tools component new`")]
    Module,
    /// It asks for what no host of this version offers.
    #[error("the component imports {imports}, which this host does not offer; it offers the interfaces of {PACKAGE} and an empty WASI only", imports = .0.join(", "))]
    UnknownImports(Vec<String>),
    /// It does not speak the contract of this version.
    #[error("the component does not fit the interfaces of {PACKAGE}: {0}")]
    Misfit(String),
    /// It failed while it described itself.
    #[error("the component can't describe itself: {0}")]
    Describe(#[from] CallError),
    /// What it says of itself is wrong.
    #[error("the component describes itself wrongly: {0}")]
    Description(#[from] DescriptionError),
    /// There is another one of that name.
    #[error("there is another actionner '{name}' already; each name can be taken once")]
    NameTaken {
        /// The name.
        name: ActionnerName,
    },
    /// There are others of that name, and the policy does not pin this one.
    #[error(
        "there are several components of the name '{name}', and the one that counts is the one whose digest the policy's entry names; this one's is {digest}"
    )]
    SeveralOfOneName {
        /// The name.
        name: ActionnerName,
        /// Its digest.
        digest: String,
    },
    /// The policy has no entry for it.
    #[error(
        "the policy has no entry for '{name}'; this one would grant what it imports, read it before you add it:\n{suggestion}"
    )]
    NoPolicy {
        /// Its name.
        name: ActionnerName,
        /// An entry to paste.
        suggestion: String,
    },
    /// The policy forbids it.
    #[error("the policy forbids '{name}'")]
    Forbidden {
        /// Its name.
        name: ActionnerName,
    },
    /// The policy pins no digest for a component that is not part of the program.
    #[error(
        "the policy's entry for '{name}' has no digest, which a component from a file needs; this one's is {digest}"
    )]
    NoDigest {
        /// Its name.
        name: ActionnerName,
        /// What it would be.
        digest: String,
    },
    /// The policy pins another component.
    #[error("the policy's entry for '{name}' is for {expected}, this component is {digest}")]
    WrongDigest {
        /// Its name.
        name: ActionnerName,
        /// What the policy pins.
        expected: String,
        /// What this one has.
        digest: String,
    },
    /// It imports more than the policy grants.
    #[error("'{name}' imports more than the policy grants it:{}", missing.iter().map(|grant| format!("\n  {grant}")).collect::<String>())]
    MissingGrants {
        /// Its name.
        name: ActionnerName,
        /// What it lacks.
        missing: Vec<MissingGrant>,
    },
}

//! Why a component can't be used.

use std::path::{Path, PathBuf};

use policy::MissingGrant;
use rules::ActionnerName;

use super::compiler::CompileError;
use super::contract::Misfit;
use super::features::CodeError;
use super::file::FileError;
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
    /// It is another file.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is not valid, or uses what the engine does not run.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// It does not speak the contract of this version, or asks for what no host of it offers.
    #[error("the component does not fit this host: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Misfit(Vec<Misfit>),
    /// It needs more than a place has.
    #[error("the component is too large for this host: {0}")]
    TooMuch(String),
    /// It begins with more memory than it may have.
    #[error(
        "the component begins with {} MiB of memory, and the policy allows {} MiB: write `limits: {{memory: {}Mi}}` into the entry that names its digest, {digest}",
        .bytes.div_ceil(1 << 20), .bytes_max >> 20, .bytes.div_ceil(1 << 20).next_power_of_two()
    )]
    Memory {
        /// What it begins with.
        bytes: u64,
        /// What it may have.
        bytes_max: usize,
        /// Its digest.
        digest: String,
    },
    /// It imports what is not in the host's WASI, mostly.
    #[error("the component can't be linked: {0}")]
    Link(String),
    /// It is too costly, or the host itself failed.
    #[error("the component can't be compiled: {0}")]
    Compile(CompileError),
    /// It failed while it described itself.
    #[error("the component can't describe itself: {error}{}", advice(.error, .digest))]
    Describe {
        /// Why.
        error: CallError,
        /// Its digest.
        digest: String,
    },
    /// What it says of itself is wrong.
    #[error("the component describes itself wrongly: {0}")]
    Description(#[from] guest::DescriptionError),
    /// There is another one of that name.
    #[error("there is another actionner '{name}' already; each name can be taken once")]
    NameTaken {
        /// The name.
        name: ActionnerName,
    },
    /// No entry of the policy names it, so it is left alone.
    #[error("no entry of the policy names this component's digest, {digest}, so it is not looked into{}{}", of_others(.idle), inspect(.file))]
    NotPinned {
        /// Its digest.
        digest: String,
        /// Where it lies.
        file: PathBuf,
        /// The actionners whose entries name a digest that no file has.
        idle: Vec<ActionnerName>,
    },
    /// The policy takes it for another one.
    #[error("the policy's entry for '{entry}' names this component's digest, and the component calls itself '{name}'")]
    OtherName {
        /// Whose entry it is.
        entry: ActionnerName,
        /// Its name.
        name: ActionnerName,
    },
    /// The policy says nothing of it.
    #[error("the policy has no entry for '{name}'")]
    NoPolicy {
        /// Its name.
        name: ActionnerName,
    },
    /// The policy forbids it.
    #[error("the policy forbids '{name}'")]
    Forbidden {
        /// Its name.
        name: ActionnerName,
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
    #[error(
        "'{name}' imports more than the policy grants it:{}{}",
        missing.iter().map(|grant| format!("\n  {grant}")).collect::<String>(),
        if *.is_of_program { "" } else { TRIMMED }
    )]
    MissingGrants {
        /// Its name.
        name: ActionnerName,
        /// What it lacks.
        missing: Vec<MissingGrant>,
        /// Whether it is one of the program's own, which import what they use.
        is_of_program: bool,
    },
}

/// What those can do whose toolchain imports all functions of an interface.
const TRIMMED: &str = "\n  Where the toolchain imports whole interfaces: build it against a copy of `wit/` that has only the functions that it \
                       calls; or write `ungranted: deny` into its entry, and it is loaded with these always denied";

/// It may be a newer version of one of these.
fn of_others(idle: &[ActionnerName]) -> String {
    let names: Vec<String> = idle.iter().map(|name| format!("'{name}'")).collect();
    match names.as_slice() {
        [] => String::new(),
        [name] => format!("; the digest in the entry for {name} is no file's"),
        names => format!("; the digests in the entries for {} are no file's", names.join(", ")),
    }
}

/// What shows more.
fn inspect(file: &Path) -> String {
    format!("; `falco-talon actionners inspect {}` prints what it asks for, and an entry", file.display())
}

/// What an entry of the policy would have to say so that it can.
fn advice(error: &CallError, digest: &str) -> String {
    let limit = match error {
        CallError::Cpu(used) => format!("cpu: {}s", (used.as_secs() * 4).max(5)),
        CallError::Memory(bytes) => format!("memory: {}Mi", (bytes >> 20) * 4),
        CallError::Deadline(used) => format!("deadline: {}s", (used.as_secs() * 2).max(60)),
        _ => return String::new(),
    };
    format!("; more is allowed by `limits: {{{limit}}}` in the entry that names its digest, {digest}")
}

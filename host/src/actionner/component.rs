//! From bytes to a component that is known: its digest, its imports and what it says of
//! itself.
//!
//! All of this happens before any capability is linked. What a component may do is not
//! looked at here, except that nothing outside the contract is ever offered to it.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use policy::{Grants, Import, Interface, MissingGrant, PACKAGE, is_wasi};
use ring::digest::{SHA256, digest as hash};
use rules::{ActionnerName, ActionnerNameError};
use serde_json::Value;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker};

use super::cache::Cache;
use super::engine::Engine;
use super::instance::{self, CallError};
use super::state::State;
use super::wasi;
use crate::capability::{self, Call, ExportsPre, action};

pub(crate) use action::OutputUse;

/// How a core module begins; a component has another version and layer.
const MODULE: &[u8] = b"\0asm\x01\0\0\0";

/// Compiling takes time and memory in proportion, so there is an end to it.
const BYTES_MAX: usize = 64 << 20;

/// Where a component came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// It is part of the program.
    Bundled,
    /// It was read from this file.
    File(PathBuf),
}

/// What an actionner says of itself, checked.
#[derive(Debug, Clone)]
pub struct Description {
    /// As rules and the policy name it.
    pub name: ActionnerName,
    /// Version of the actionner, as semver.
    pub version: String,
    /// One sentence.
    pub summary: String,
    /// The Falco sources that it can respond to; empty for any.
    pub sources: Vec<String>,
    /// An action block that works as it stands.
    pub example: String,
    /// The JSON Schema of its parameters.
    pub parameters: Value,
    /// Sets of output fields, of which the event must carry one set whole.
    pub required_fields: Vec<Vec<String>>,
    /// Whether the next action runs after it where the rule does not say.
    pub continue_by_default: bool,
    /// Whether it reads additional contexts.
    pub use_context: bool,
    /// Whether it yields artifacts.
    pub output: OutputUse,
}

/// A component, compiled and described, before the policy is asked.
pub struct Inspection {
    /// What it says of itself.
    pub description: Description,
    /// What it imports from the contract.
    pub imports: Vec<Import>,
    /// `sha256:` and the digest.
    pub digest: String,
    /// Where it came from.
    pub origin: Origin,
    component: Component,
}

/// Why a component can't be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It is longer than the limit.
    #[error("the component has {bytes} bytes, more than the {BYTES_MAX} that are compiled at most")]
    TooLarge {
        /// How long it is.
        bytes: usize,
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
    Description(String),
    /// There is another one of that name.
    #[error("there is another actionner '{name}' already; each name can be taken once")]
    NameTaken {
        /// The name.
        name: ActionnerName,
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

/// `sha256:` and the digest of `bytes` in hexadecimal.
pub fn digest(bytes: &[u8]) -> String {
    use fmt::Write;
    let mut text = "sha256:".to_owned();
    for byte in hash(&SHA256, bytes).as_ref() {
        // Writing to a string can't fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

impl Inspection {
    /// Compile a component, or take it from the cache, and let it describe itself.
    ///
    /// `call` is what its capabilities see meanwhile; its grants must allow nothing.
    ///
    /// # Errors
    ///
    /// Where it is not a component of the contract, or says of itself what can't be.
    pub async fn new(
        engine: &Engine,
        cache: Option<&Cache>,
        origin: Origin,
        bytes: &[u8],
        call: Call,
    ) -> Result<Self, LoadError> {
        if bytes.len() > BYTES_MAX {
            return Err(LoadError::TooLarge { bytes: bytes.len() });
        }
        if bytes.starts_with(MODULE) {
            return Err(LoadError::Module);
        }
        let digest = digest(bytes);
        let component = compile(engine, cache, &digest, bytes).await?;
        let imports = imports(engine, &component)?;
        let pre = link(engine, &component, &imports)?;
        let description = convert_description(instance::describe(engine, &pre, call).await?)?;
        Ok(Self { description, imports, digest, origin, component })
    }

    /// Link what it imports, once the policy was found to grant it.
    pub(super) fn link(&self, engine: &Engine) -> Result<ExportsPre<State>, LoadError> {
        link(engine, &self.component, &self.imports)
    }

    /// The least that a policy must say for this component to be loaded.
    pub fn policy_entry(&self) -> String {
        policy::least_privilege_entry(&self.description.name, &self.digest, &self.imports)
    }
}

/// The program's own components are known by being part of it; all others by their digest.
pub(super) fn check_digest(inspection: &Inspection, grants: &Grants) -> Result<(), LoadError> {
    let (name, digest) = (inspection.description.name.clone(), inspection.digest.clone());
    match &grants.digest {
        Some(expected) if *expected != digest => {
            Err(LoadError::WrongDigest { name, expected: expected.clone(), digest })
        }
        None if inspection.origin != Origin::Bundled => Err(LoadError::NoDigest { name, digest }),
        _ => Ok(()),
    }
}

async fn compile(engine: &Engine, cache: Option<&Cache>, digest: &str, bytes: &[u8]) -> Result<Component, LoadError> {
    if let Some(component) = cache.and_then(|cache| cache.get(engine, digest)) {
        return Ok(component);
    }
    let (compiler, bytes) = (engine.inner().clone(), bytes.to_vec());
    // Compiling takes long, and events go on being handled meanwhile.
    let compiling = tokio::task::spawn_blocking(move || Component::from_binary(&compiler, &bytes));
    let compiled = compiling.await.map_err(|error| LoadError::NotAComponent(error.to_string()))?;
    let component = compiled.map_err(|error| LoadError::NotAComponent(format!("{error:#}")))?;
    if let Some(cache) = cache {
        // A full or read-only disk costs the next start some time, and nothing else.
        let _ = cache.put(engine, digest, &component);
    }
    Ok(component)
}

/// The functions that a component imports, where all of them belong to the contract.
fn imports(engine: &Engine, component: &Component) -> Result<Vec<Import>, LoadError> {
    let mut known = BTreeSet::new();
    let mut unknown = Vec::new();
    for (name, item) in component.component_type().imports(engine.inner()) {
        let (Some(interface), ComponentItem::ComponentInstance(instance)) = (interface_of(name), &item.ty) else {
            unknown.push(name.to_owned());
            continue;
        };
        for (function, item) in instance.exports(engine.inner()) {
            if let ComponentItem::ComponentFunc(_) = item.ty {
                known.insert(Import { interface: interface.to_owned(), function: function.to_owned() });
            }
        }
    }
    if unknown.is_empty() { Ok(known.into_iter().collect()) } else { Err(LoadError::UnknownImports(unknown)) }
}

/// `kubernetes-read` of `falco-talon:actionner/kubernetes-read@0.1.0`, if this host offers it;
/// those of WASI keep their whole name.
fn interface_of(import: &str) -> Option<&str> {
    if is_wasi(import) {
        return Some(import);
    }
    import.strip_prefix(PACKAGE).and_then(|_| Interface::find(import)).map(Interface::name)
}

fn link(engine: &Engine, component: &Component, imports: &[Import]) -> Result<ExportsPre<State>, LoadError> {
    let misfit = |error: wasmtime::Error| LoadError::Misfit(format!("{error:#}"));
    let mut linker = Linker::new(engine.inner());
    if component.component_type().imports(engine.inner()).any(|(name, _)| is_wasi(name)) {
        wasi::link(&mut linker).map_err(misfit)?;
    }
    let interfaces: BTreeSet<_> = imports.iter().filter_map(|import| Interface::find(&import.interface)).collect();
    for interface in interfaces {
        capability::link(&mut linker, interface, |state: &mut State| &mut state.call).map_err(misfit)?;
    }
    let pre = linker.instantiate_pre(component).map_err(misfit)?;
    ExportsPre::new(pre).map_err(misfit)
}

fn convert_description(written: action::Description) -> Result<Description, LoadError> {
    let wrong = |what: String| LoadError::Description(what);
    let name = written.name.parse().map_err(|error: ActionnerNameError| {
        wrong(format!("{:?} is not the name of an actionner: {error}", written.name))
    })?;
    let parameters: Value = serde_json::from_str(&written.parameters_schema)
        .map_err(|error| wrong(format!("the schema of its parameters is not JSON: {error}")))?;
    rules::check_schema(&parameters).map_err(|errors| {
        let lines: String = errors.iter().map(|error| format!("\n  {error}")).collect();
        wrong(format!("the schema of its parameters is wrong:{lines}"))
    })?;
    Ok(Description {
        name,
        version: written.version,
        summary: written.summary,
        sources: written.sources,
        example: written.example,
        parameters,
        required_fields: written.required_fields,
        continue_by_default: written.continue_by_default,
        use_context: written.use_context,
        output: written.output,
    })
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bundled => f.write_str("bundled"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

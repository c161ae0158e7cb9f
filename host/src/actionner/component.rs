//! From bytes to a component that is known: its digest, its imports and what it says of
//! itself.
//!
//! All of this happens before any capability is linked. What a component may do is not
//! looked at here, except that nothing outside the contract is ever offered to it.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use policy::{Grants, Import, Interface, PACKAGE, is_wasi};
use ring::digest::{SHA256, digest as hash};
use wasmtime::component::{Component, Linker};
use wit_component::DecodedWasm;
use wit_parser::WorldItem;

use super::cache::Cache;
use super::description::Description;
use super::engine::Engine;
use super::error::LoadError;
use super::instance;
use super::state::State;
use super::wasi;
use crate::capability::{self, Call, ExportsPre};

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

/// A component that is known, before the policy is asked. It need not be compiled for that.
pub struct Inspection {
    /// What it says of itself.
    pub description: Description,
    /// What is odd about that.
    pub warnings: Vec<String>,
    /// What it imports from the contract.
    pub imports: Vec<Import>,
    /// `sha256:` and the digest.
    pub digest: String,
    /// Where it came from.
    pub origin: Origin,
    code: Code,
}

/// A component, compiled as soon as that is needed.
pub(super) enum Code {
    Bytes(Cow<'static, [u8]>),
    Compiled(Component),
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
    /// Find out what a component imports, and what it says of itself: from `described` where that is known, else from
    /// the cache, else by asking it.
    ///
    /// `call` is what its capabilities see meanwhile; its grants must allow nothing, and their limits hold.
    ///
    /// # Errors
    ///
    /// Where it is not a component of the contract, or says of itself what can't be.
    pub async fn new(
        engine: &Engine,
        cache: Option<&Cache>,
        origin: Origin,
        bytes: Cow<'static, [u8]>,
        described: Option<&str>,
        call: Call,
    ) -> Result<Self, LoadError> {
        if bytes.len() > BYTES_MAX {
            return Err(LoadError::TooLarge { bytes: bytes.len(), bytes_max: BYTES_MAX });
        }
        if bytes.starts_with(MODULE) {
            return Err(LoadError::Module);
        }
        let digest = digest(&bytes);
        let imports = imports(&bytes)?;
        let mut code = Code::Bytes(bytes);
        let known = described.map(str::to_owned).or_else(|| cache?.description(&digest));
        let text = match known {
            Some(text) => text,
            None => {
                let component = code.compile(engine, cache, &digest).await?;
                let text = instance::describe(engine, &link(engine, &component, &imports)?, call).await?;
                code = Code::Compiled(component);
                if let Some(cache) = cache {
                    // As for compiled components, the next start has to ask again.
                    let _ = cache.put_description(&digest, &text);
                }
                text
            }
        };
        let (description, warnings) = Description::parse(&text)?;
        Ok(Self { description, warnings, imports, digest, origin, code })
    }

    /// Compile it, where it is not yet, and link what it imports, once the policy was found to grant it.
    pub(super) async fn link(&self, engine: &Engine, cache: Option<&Cache>) -> Result<ExportsPre<State>, LoadError> {
        link(engine, &self.code.compile(engine, cache, &self.digest).await?, &self.imports)
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

impl Code {
    pub(super) async fn compile(
        &self,
        engine: &Engine,
        cache: Option<&Cache>,
        digest: &str,
    ) -> Result<Component, LoadError> {
        let bytes = match self {
            Self::Compiled(component) => return Ok(component.clone()),
            Self::Bytes(bytes) => bytes,
        };
        if let Some(component) = cache.and_then(|cache| cache.get(engine, digest)) {
            return Ok(component);
        }
        let (compiler, bytes) = (engine.inner().clone(), bytes.clone());
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
}

/// The functions that a component imports, where all of them belong to the contract.
pub(super) fn imports(bytes: &[u8]) -> Result<Vec<Import>, LoadError> {
    let decoded = wit_component::decode(bytes).map_err(|error| LoadError::NotAComponent(format!("{error:#}")))?;
    let DecodedWasm::Component(resolve, world) = decoded else {
        return Err(LoadError::NotAComponent("it is a package of interfaces, without any code".to_owned()));
    };
    let mut known = BTreeSet::new();
    let mut unknown = Vec::new();
    for (key, item) in resolve.worlds.get(world).map(|world| &world.imports).into_iter().flatten() {
        let name = resolve.name_world_key(key);
        let (Some(interface), WorldItem::Interface { id, .. }) = (interface_of(&name), item) else {
            unknown.push(name);
            continue;
        };
        for function in resolve.interfaces.get(*id).into_iter().flat_map(|interface| interface.functions.keys()) {
            known.insert(Import { interface: interface.to_owned(), function: function.clone() });
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

pub(super) fn link(engine: &Engine, component: &Component, imports: &[Import]) -> Result<ExportsPre<State>, LoadError> {
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

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bundled => f.write_str("bundled"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

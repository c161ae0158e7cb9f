//! From bytes to a component that is known: its digest, its imports and what it says of
//! itself.
//!
//! All of this happens before any capability is linked. What a component may do is not
//! looked at here, except that nothing outside the contract is ever offered to it.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

use bytes::Bytes;
use policy::{Import, Interface, is_wasi};
use ring::digest::{SHA256, digest as hash};
use wasmtime::component::{Component, Linker};

use super::cache::Cache;
use super::compiler::CompileError;
use super::contract::Misfit;
use super::engine::{Engine, MEMORIES_MAX};
use super::error::LoadError;
use super::state::State;
use super::{contract, features, file, instance, wasi};
use crate::capability::{self, Call, ExportsPre};

/// Compiling takes time and memory in proportion, so there is an end to it.
pub(crate) const BYTES_MAX: usize = 64 << 20;

/// What sizes of memories count in.
const PAGE_BYTES: u64 = 64 << 10;

/// Where a component came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// It is part of the program.
    Bundled,
    /// It was read from this file.
    File(PathBuf),
}

/// A component as far as it is known without running it, which costs next to nothing.
pub struct Candidate {
    /// What it imports from the contract.
    pub(crate) imports: Vec<Import>,
    /// `sha256:` and the digest.
    pub(crate) digest: String,
    /// Where it came from.
    pub(crate) origin: Origin,
    bytes: Bytes,
}

/// A component that has said what it is, before the policy is asked. It need not be compiled for that.
pub struct Inspection {
    /// What it says of itself.
    pub description: guest::Description,
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

/// What a call of it takes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Needs {
    /// How many memories.
    pub(super) memories: u32,
    /// What they have together before it runs, at most.
    pub(super) bytes_at_start: usize,
}

/// A component, compiled as soon as that is needed.
pub(super) struct Code {
    bytes: Bytes,
    /// Those of others are compiled apart.
    is_own: bool,
    /// By the engine that it described itself on, which need not be the one that runs it.
    compiled: Option<Component>,
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

impl Candidate {
    /// Look at a component of this digest.
    ///
    /// # Errors
    ///
    /// What the file is that is no component, and where a component does not fit the contract.
    pub fn new(origin: Origin, bytes: Bytes, digest: String) -> Result<Self, LoadError> {
        Ok(Self { imports: check(&bytes)?, digest, origin, bytes })
    }

    /// What a file is that is no component, as far as its beginning shows.
    pub fn refusal(bytes: &[u8]) -> Option<LoadError> {
        file::check(bytes).err().map(LoadError::from)
    }
}

impl Inspection {
    /// Find out what a component says of itself: from `described` where that is known, else from the cache, else by
    /// asking it.
    ///
    /// `call` is what its capabilities see meanwhile; its grants must allow nothing, and their limits hold.
    ///
    /// # Errors
    ///
    /// Where it can't be compiled or asked, or says of itself what can't be.
    pub async fn new(
        engine: &Engine,
        cache: Option<&Cache>,
        candidate: Candidate,
        described: Option<&str>,
        call: Call,
    ) -> Result<Self, LoadError> {
        let Candidate { imports, digest, origin, bytes } = candidate;
        let memory_bytes_max = call.grants().limits.memory_bytes_max;
        if let Some(bytes) = features::memory_at_start(&bytes).filter(|bytes| *bytes > memory_bytes_max as u64) {
            return Err(LoadError::Memory { bytes, bytes_max: memory_bytes_max, digest });
        }
        let mut code = Code { bytes, is_own: origin == Origin::Bundled, compiled: None };
        let known = described.map(str::to_owned).or_else(|| cache?.description(&digest));
        let mut is_new = false;
        let text = match known {
            Some(text) => text,
            None => {
                let component = code.compile(engine, memory_bytes_max, cache, &digest).await?;
                let pre = link(&component, &imports)?;
                let _place = engine.place(needs(&component)?.memories).await;
                let described = instance::describe(&pre, call).await;
                let text = described.map_err(|error| LoadError::Describe { error, digest: digest.clone() })?;
                code.compiled = Some(component);
                is_new = true;
                text
            }
        };
        let (description, warnings) = guest::Description::parse(&text)?;
        if let Some(cache) = cache.filter(|_| is_new) {
            // As for compiled components, the next start has to ask again.
            let _ = cache.put_description(&digest, &text);
        }
        Ok(Self { description, warnings, imports, digest, origin, code })
    }

    /// Compile it, where it is not yet, and link what it imports, once the policy was found to grant it.
    ///
    /// A call of it may have so much memory. Returns what its calls take, too.
    pub(super) async fn link(
        &self,
        engine: &Engine,
        memory_bytes_max: usize,
        cache: Option<&Cache>,
    ) -> Result<(ExportsPre<State>, Needs), LoadError> {
        let component = self.code.compile(engine, memory_bytes_max, cache, &self.digest).await?;
        Ok((link(&component, &self.imports)?, needs(&component)?))
    }

    /// The least that a policy must say for this component to be loaded.
    pub fn policy_entry(&self) -> String {
        policy::least_privilege_entry(&self.description.name, &self.digest, &self.imports)
    }
}

impl Code {
    /// The component as compiled for calls that may have so much memory.
    async fn compile(
        &self,
        engine: &Engine,
        memory_bytes_max: usize,
        cache: Option<&Cache>,
        digest: &str,
    ) -> Result<Component, LoadError> {
        let on = engine.for_memory(memory_bytes_max);
        if let Some(component) = &self.compiled
            && wasmtime::Engine::same(component.engine(), &on.engine)
        {
            return Ok(component.clone());
        }
        if let Some(component) = cache.and_then(|cache| cache.get(&on.engine, digest)) {
            return Ok(component);
        }
        let compiled = match self.is_own {
            true => engine.compile_own(on, self.bytes.clone()).await,
            false => engine.compile_foreign(on, &self.bytes).await,
        };
        let component = compiled.map_err(|error| match error {
            CompileError::Refused(words) => match features::check(&self.bytes, features::OF_ENGINE) {
                Err(error) => error.into(),
                // What is left are the limits of a place.
                Ok(()) => LoadError::TooMuch(one_line(&words)),
            },
            other => LoadError::Compile(other),
        })?;
        if let Some(cache) = cache {
            // A full or read-only disk costs the next start some time, and nothing else.
            let _ = cache.put(&on.engine, digest, &component);
        }
        Ok(component)
    }
}

/// What a call takes.
fn needs(component: &Component) -> Result<Needs, LoadError> {
    let required = component.resources_required();
    let memories = required.as_ref().map_or(1, |required| required.num_memories);
    if memories > MEMORIES_MAX {
        return Err(LoadError::TooMuch(format!("it has {memories} memories, and a call may have {MEMORIES_MAX}")));
    }
    let pages = required.and_then(|required| required.max_initial_memory_size).unwrap_or_default();
    let bytes_at_start = pages.saturating_mul(PAGE_BYTES).saturating_mul(memories.into());
    let bytes_at_start = usize::try_from(bytes_at_start).unwrap_or(usize::MAX);
    Ok(Needs { memories, bytes_at_start })
}

/// The functions that a component imports, where all of them belong to the contract.
///
/// # Errors
///
/// What the file is that is no component, and where a component does not fit. Nothing is compiled for that.
pub(super) fn check(bytes: &[u8]) -> Result<Vec<Import>, LoadError> {
    if bytes.len() > BYTES_MAX {
        return Err(LoadError::TooLarge { bytes: bytes.len(), bytes_max: BYTES_MAX });
    }
    file::check(bytes)?;
    contract::imports(bytes)
}

pub(super) fn link(component: &Component, imports: &[Import]) -> Result<ExportsPre<State>, LoadError> {
    let mut linker = Linker::new(component.engine());
    if component.component_type().imports(component.engine()).any(|(name, _)| is_wasi(name)) {
        wasi::link(&mut linker).map_err(unlinked)?;
    }
    let interfaces: BTreeSet<_> = imports.iter().filter_map(|import| Interface::find(&import.interface)).collect();
    for interface in interfaces {
        capability::link(&mut linker, interface, |state: &mut State| &mut state.call).map_err(unlinked)?;
    }
    let pre = linker.instantiate_pre(component).map_err(unlinked)?;
    ExportsPre::new(pre).map_err(unlinked)
}

/// All that is not of WASI was compared with the contract before.
fn unlinked(error: wasmtime::Error) -> LoadError {
    let words: Vec<String> = error.chain().map(ToString::to_string).collect();
    let quoted = |words: &String| words.split('`').nth(1).map(str::to_owned);
    if let [interface, function, missing] = words.as_slice()
        && missing.ends_with("implementation is missing")
        && let (Some(interface), Some(function)) = (quoted(interface), quoted(function))
    {
        return LoadError::Misfit(vec![Misfit::Later { interface, function }]);
    }
    LoadError::Link(one_line(&words.join(": ")))
}

/// The engine's words have names of the component in them.
fn one_line(words: &str) -> String {
    words.replace(char::is_control, " ")
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bundled => f.write_str("bundled"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

//! Actionners: components that are loaded once, and called in an instance of their own for
//! each event.
//!
//! Loading goes from bytes to an [`Actionner`] that can be called: compile (or take from the
//! cache), ask the component to describe itself, hold what it imports against the policy,
//! and link just that. A call ends with a [`Report`] or a [`CallError`], within the limits
//! of the policy, whatever the component does. Which event calls what is the pipeline's.

mod cache;
mod compiler;
mod component;
mod contract;
mod engine;
mod error;
mod features;
mod file;
mod instance;
mod settings;
mod shares;
mod state;
mod waitless;
mod wasi;

#[cfg(test)]
pub(crate) mod tests;

use std::sync::Arc;

use policy::{Entry, Grants, Import, ObjectTarget, Policy};
use rules::ActionnerName;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::capability::{Call, ExportsPre};

pub use cache::Cache;
pub use compiler::{Compiler, serve_one};
use component::Needs;
pub use component::digest;
pub(crate) use component::{BYTES_MAX, Candidate, Inspection, Origin};
pub use engine::Engine;
pub(crate) use error::LoadError;
pub(crate) use guest::{Description, OutputUse, SCHEMA};
use shares::{Place, Shares};
use state::State;

pub(crate) use instance::{CallError, CallOutput, Failure, FailureKind, Report};
pub use instance::{Invocation, Outcome};

/// A loaded actionner: described, held against the policy, linked.
pub struct Actionner {
    /// What the component says of itself.
    pub description: Description,
    /// The functions that it imports and that something is granted for: its permission sheet. What else it imports is
    /// linked too, and its grants deny it.
    pub imports: Vec<Import>,
    /// `sha256:` and the digest of the component.
    pub digest: String,
    /// Where it came from.
    pub origin: Origin,
    grants: Arc<Grants>,
    pre: ExportsPre<State>,
    needs: Needs,
    /// What its calls take of what those of all share.
    shares: Shares,
    /// Bounds the calls of this actionner that run at once.
    permits: Arc<Semaphore>,
}

/// A place for a call of an actionner, free again with this value.
pub(crate) struct Entered {
    place: Place,
    /// Given back after the place.
    _own: Option<OwnedSemaphorePermit>,
}

impl Actionner {
    /// What `policy` grants to a component, if it may be loaded.
    ///
    /// # Errors
    ///
    /// Where the policy has no entry for it, forbids it, names another digest, or grants less than it imports.
    pub fn admit(inspection: &Inspection, policy: &Policy) -> Result<Arc<Grants>, LoadError> {
        let Inspection { description, imports, digest, origin, .. } = inspection;
        Self::admit_as(&description.name, imports, digest, origin, policy)
    }

    /// The same for a component that has not said yet what it is, and that an entry of the policy takes for `name`.
    ///
    /// # Errors
    ///
    /// As [`Self::admit`].
    pub fn admit_as(
        name: &ActionnerName,
        imports: &[Import],
        digest: &str,
        origin: &Origin,
        policy: &Policy,
    ) -> Result<Arc<Grants>, LoadError> {
        let name = name.clone();
        let grants = match policy.entry(&name) {
            Entry::Granted(grants) => grants,
            Entry::Forbidden => return Err(LoadError::Forbidden { name }),
            Entry::Missing => return Err(LoadError::NoPolicy { name }),
        };
        // The program's own components are known by being part of it; all others by their digest.
        let expected = grants.digest.as_deref().or((*origin == Origin::Bundled).then_some(digest));
        if expected != Some(digest) {
            let expected = expected.unwrap_or("no digest").to_owned();
            return Err(LoadError::WrongDigest { name, expected, digest: digest.to_owned() });
        }
        let missing = policy.missing_grants(&name, imports);
        if !missing.is_empty() {
            return Err(LoadError::MissingGrants { name, missing, is_of_program: *origin == Origin::Bundled });
        }
        Ok(grants)
    }

    /// Make a component ready to be called under these grants, which [`Self::admit`] has found.
    ///
    /// # Errors
    ///
    /// Where the component can't be compiled, or does not fit the contract.
    pub async fn load(
        engine: &Engine,
        cache: Option<&Cache>,
        inspection: Inspection,
        grants: Arc<Grants>,
    ) -> Result<Self, LoadError> {
        let (pre, needs) = inspection.link(engine, grants.limits.memory_bytes_max, cache).await?;
        let ungranted = grants.ungranted(&inspection.imports);
        let mut imports = inspection.imports;
        imports.retain(|import| !ungranted.contains(import));
        Ok(Self {
            permits: Arc::new(Semaphore::new(grants.limits.concurrency_max)),
            description: inspection.description,
            imports,
            digest: inspection.digest,
            origin: inspection.origin,
            grants,
            pre,
            needs,
            shares: engine.shares(),
        })
    }

    /// Whether it can call this function of the contract, and be answered otherwise than by a denial.
    pub fn calls(&self, interface: &str, function: &str) -> bool {
        self.imports.iter().any(|import| import.interface == interface && import.function == function)
    }

    /// Whether it can reach a bucket of this storage.
    pub fn stores_in(&self, target: ObjectTarget) -> bool {
        let granted = self.grants.granted.objects.iter().any(|grant| grant.target == target);
        granted && (self.calls("objects", "get") || self.calls("objects", "put"))
    }

    /// What the policy grants it.
    pub fn grants(&self) -> &Arc<Grants> {
        &self.grants
    }

    /// Wait for a free place, the actionner's own before one that all share, so that a busy actionner holds nothing
    /// that another could use.
    ///
    /// # Errors
    ///
    /// Where other calls leave too little memory for one.
    pub(crate) async fn enter(&self) -> Result<Entered, CallError> {
        let own = Arc::clone(&self.permits).acquire_owned().await.ok();
        let Needs { memories, bytes_at_start } = self.needs;
        let place = self.shares.enter(memories, bytes_at_start).await?;
        Ok(Entered { place, _own: own })
    }

    /// Respond to an event, in a new instance, once there is a place for it.
    ///
    /// # Errors
    ///
    /// [`CallError`] where the component itself failed: it trapped, passed a limit, or ran
    /// out of time.
    pub async fn call(&self, invocation: &Invocation, call: Call) -> Result<CallOutput, CallError> {
        self.call_in(self.enter().await?, invocation, call).await
    }

    /// The same in a place that was waited for.
    ///
    /// # Errors
    ///
    /// As [`Self::call`].
    pub(crate) async fn call_in(
        &self,
        entered: Entered,
        invocation: &Invocation,
        mut call: Call,
    ) -> Result<CallOutput, CallError> {
        let Entered { place, _own } = entered;
        call.restart();
        call.share_requests(&self.shares.requests);
        instance::run(&self.pre, invocation, call, place, &self.shares.turns).await
    }
}

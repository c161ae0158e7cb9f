//! The engines that all components share: their settings, their clock and their places.
//!
//! A place is address space that is kept for one call, so that a call need not ask the system for it. Where a memory
//! has as much of it as any address of a component can reach, its code needs no checks of bounds. Not every machine
//! gives so much; on others places are as large as what the default policy allows, or there are none.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use wasmtime::component::Component;
use wasmtime::{Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

use super::compiler::{CompileError, Compiler};
use super::settings::Settings;
use super::shares::{Pools, Shares};
use crate::fair::{Held, Pool};
use crate::telemetry::metrics::{Look, Metrics};

/// How often a running component is asked whether it may go on.
pub(super) const EPOCH: Duration = Duration::from_millis(10);

/// What 32 bits can address, and the most that a policy grants.
const MEMORY_BYTES_MAX: usize = 4 << 30;

/// What a call may have where the policy does not say otherwise.
const MEMORY_BYTES_BY_DEFAULT: usize = 64 << 20;

/// What lies behind each memory, so that offsets below it need no check of their own: nearly all, or small ones.
const GUARD_BYTES: usize = 32 << 20;
const GUARD_BYTES_BY_DEFAULT: usize = 64 << 10;

/// What a place keeps of the pages that a call has touched, so that the next one finds them: most touch less.
const KEPT_BYTES_MAX: usize = 64 << 10;

/// A component made of Rust has one core instance, one memory and one table; those of other languages bring adapters
/// along, up to 38 of them and 16 tables.
pub(super) const CORE_INSTANCES_MAX: u32 = 64;
/// Nearly all have one, which their adapters share.
pub(super) const MEMORIES_MAX: u32 = 4;
/// As with the core instances.
pub(super) const TABLES_MAX: u32 = 16;
pub(super) const TABLE_ELEMENTS_MAX: usize = 20_000;

/// Components that are compiled at once, each on some threads.
const COMPILED_AT_ONCE_MAX: usize = 2;

/// The engines, shared by all components.
#[derive(Clone)]
pub struct Engine {
    /// Smaller ones first. The last one gives all that can be granted.
    engines: Vec<Sized>,
    compiler: Compiler,
    /// To compile something.
    turns: Arc<Semaphore>,
    /// What all calls share.
    pub(super) pools: Pools,
    /// What components that describe themselves take of it.
    describing: Shares,
    refusal: Option<Refusal>,
}

/// One of the engines.
#[derive(Clone)]
pub(super) struct Sized {
    /// The largest memory that it gives.
    memory_bytes_max: usize,
    pub(super) settings: Settings,
    pub(super) engine: wasmtime::Engine,
}

/// The engine can't be made on this machine.
#[derive(Debug, thiserror::Error)]
#[error("the WebAssembly engine can't be started: {0:#}")]
pub struct EngineError(wasmtime::Error);

/// The machine has not enough address space for the places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the machine does not give the {} GiB of address space in which {calls} calls at once run fastest (see `ulimit -v`): {}; a lower `concurrency.events_max` needs less",
    .bytes.div_ceil(1 << 30),
    if *.has_places { "each has a smaller part of it, and computes more slowly" } else { "each asks the system for its memory anew" }
)]
pub struct Refusal {
    calls: usize,
    bytes: u64,
    has_places: bool,
}

impl Engine {
    /// Engines that run at most `concurrency_max` calls at once. `compiler` compiles what is not part of the program.
    ///
    /// # Errors
    ///
    /// Where the machine refuses even the thread of the clock.
    pub fn new(concurrency_max: usize, compiler: Compiler) -> Result<Self, EngineError> {
        let mut engines = Vec::new();
        for (memory_bytes_max, guard_bytes) in
            [(MEMORY_BYTES_MAX, GUARD_BYTES), (MEMORY_BYTES_BY_DEFAULT, GUARD_BYTES_BY_DEFAULT)]
        {
            let strategy = InstanceAllocationStrategy::Pooling(pool(concurrency_max, memory_bytes_max));
            let settings = Settings::new(memory_bytes_max, guard_bytes, false);
            if let Ok(engine) = wasmtime::Engine::new(&settings.config(strategy)) {
                engines.push(Sized { memory_bytes_max, settings, engine });
                break;
            }
        }
        let place_bytes = engines.first().map(|engine| engine.memory_bytes_max);
        if place_bytes != Some(MEMORY_BYTES_MAX) {
            let settings = Settings::new(MEMORY_BYTES_BY_DEFAULT, GUARD_BYTES_BY_DEFAULT, true);
            let engine = wasmtime::Engine::new(&settings.config(InstanceAllocationStrategy::OnDemand));
            let engine = engine.map_err(EngineError)?;
            engines.push(Sized { memory_bytes_max: MEMORY_BYTES_MAX, settings, engine });
        }
        start_clock(engines.iter().map(|Sized { engine, .. }| engine.weak()).collect())?;
        let spare = spare_memories(concurrency_max);
        let bytes = (concurrency_max + spare) as u64 * (MEMORY_BYTES_MAX + GUARD_BYTES) as u64;
        let refusal = Refusal { calls: concurrency_max, bytes, has_places: place_bytes.is_some() };
        let workers_max = workers();
        let pools = Pools {
            places: Pool::new(concurrency_max),
            memories: Pool::new(spare),
            bytes: Pool::new(usize::MAX),
            requests: Pool::new(usize::MAX),
            workers: Arc::new(Semaphore::new(workers_max)),
            workers_max,
        };
        Ok(Self {
            engines,
            compiler,
            turns: Arc::new(Semaphore::new(COMPILED_AT_ONCE_MAX)),
            describing: pools.shares(),
            pools,
            refusal: Some(refusal).filter(|_| place_bytes != Some(MEMORY_BYTES_MAX)),
        })
    }

    /// All calls that run at once use so much memory and send so many requests to the API server.
    #[must_use]
    pub fn sharing(mut self, memory_bytes_max: usize, requests_max: usize) -> Self {
        self.pools.bytes = Pool::new(memory_bytes_max);
        self.pools.requests = Pool::new(requests_max);
        self
    }

    /// Whenever somebody asks `metrics`, say what is left of what all calls share.
    pub fn report_to(&self, metrics: &Metrics) -> Look {
        let pools = self.pools.clone();
        metrics.look(move |metrics| pools.report(metrics))
    }

    /// What makes calls slower than they could be, if anything does.
    pub fn refusal(&self) -> Option<Refusal> {
        self.refusal
    }

    /// The engine for components whose calls may have so much memory.
    pub(super) fn for_memory(&self, bytes_max: usize) -> &Sized {
        let last = self.engines.len() - 1;
        let large_enough = self.engines.iter().position(|engine| engine.memory_bytes_max >= bytes_max);
        &self.engines[large_enough.unwrap_or(last)]
    }

    /// Compile a component of the program's own for one of the engines.
    pub(super) async fn compile_own(&self, on: &Sized, component: Bytes) -> Result<Component, CompileError> {
        let _turn = self.turns.acquire().await;
        let engine = on.engine.clone();
        // Compiling takes long, and events go on being handled meanwhile.
        let compiled = spawn_blocking(move || Component::from_binary(&engine, &component)).await;
        let compiled = compiled.map_err(|error| CompileError::Ended(error.to_string()))?;
        compiled.map_err(|error| CompileError::Refused(error.root_cause().to_string()))
    }

    /// Compile a component of somebody else for one of the engines, in a process of its own.
    pub(super) async fn compile_foreign(&self, on: &Sized, component: &[u8]) -> Result<Component, CompileError> {
        let _turn = self.turns.acquire().await;
        let code = self.compiler.compile(on.settings, component).await?;
        #[expect(unsafe_code, reason = "the code comes from this very program through a socket that nobody else has")]
        // SAFETY: `deserialize` asks for bytes that `serialize` or `precompile_component` made, and it is the latter that
        // the other process answers with.
        let component = unsafe { Component::deserialize(&on.engine, &code) };
        component.map_err(|error| CompileError::Ended(error.root_cause().to_string()))
    }

    /// What one more actionner takes of what all share.
    pub(super) fn shares(&self) -> Shares {
        self.pools.shares()
    }

    /// A place for a component with so many memories to describe itself, waited for. Its memory is its own.
    pub(super) async fn place(&self, memories: u32) -> [Option<Held>; 2] {
        self.describing.place(memories).await
    }
}

/// How many of the threads that run calls may compute for long: one is left for all else.
fn workers() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).saturating_sub(1).max(1)
}

fn pool(concurrency_max: usize, place_bytes: usize) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::default();
    // Without it the lowest pages would be kept, used or not.
    let scans = PoolingAllocationConfig::is_pagemap_scan_available();
    // One more than there are places: an instance can still be on its way out while the next one comes in.
    let count = |count: usize| u32::try_from(count.saturating_add(1)).unwrap_or(u32::MAX);
    let calls = count(concurrency_max);
    pool.total_component_instances(calls)
        .total_core_instances(calls.saturating_mul(CORE_INSTANCES_MAX))
        .total_memories(count(concurrency_max + spare_memories(concurrency_max)))
        .max_memory_size(place_bytes)
        .total_tables(calls.saturating_mul(TABLES_MAX))
        .total_stacks(calls)
        .max_core_instances_per_component(CORE_INSTANCES_MAX)
        .max_memories_per_component(MEMORIES_MAX)
        .max_tables_per_component(TABLES_MAX)
        // One module may have all that a component may have.
        .max_memories_per_module(MEMORIES_MAX)
        .max_tables_per_module(TABLES_MAX)
        .table_elements(TABLE_ELEMENTS_MAX)
        .pagemap_scan(Enabled::Auto)
        .linear_memory_keep_resident(if scans { KEPT_BYTES_MAX } else { 0 });
    pool
}

/// At least enough for one call of the most.
fn spare_memories(concurrency_max: usize) -> usize {
    (concurrency_max / 4).max(MEMORIES_MAX as usize - 1)
}

/// A thread of its own, not a task: it must tick even while every worker runs a component.
fn start_clock(engines: Vec<wasmtime::EngineWeak>) -> Result<(), EngineError> {
    std::thread::Builder::new()
        .name("epoch".to_owned())
        .spawn(move || {
            loop {
                std::thread::sleep(EPOCH);
                let mut ended = true;
                for engine in engines.iter().filter_map(wasmtime::EngineWeak::upgrade) {
                    engine.increment_epoch();
                    ended = false;
                }
                if ended {
                    return;
                }
            }
        })
        .map(drop)
        .map_err(|error| EngineError(wasmtime::Error::new(error)))
}

//! The engines that all components share: their settings, their clock and their places.
//!
//! A place is address space that is kept for one call, so that a call need not ask the system for it. It has what the
//! default policy allows. What a policy allows beyond that is taken for each call anew, by an engine of its own.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::{Config, InstanceAllocationStrategy, PoolingAllocationConfig};

/// How often a running component is asked whether it may go on.
const EPOCH: Duration = Duration::from_millis(10);

/// Each level of a call inside a component needs some of this; recursion past it is a trap.
const STACK_BYTES_MAX: usize = 512 * 1024;

/// The memory of a place: what a call may have where the policy does not say otherwise.
pub(super) const PLACE_BYTES: usize = 64 << 20;

/// What lies behind each memory, so that small offsets need no check of their own.
const GUARD_BYTES: u64 = 64 << 10;

/// A component made of Rust has one core instance, one memory and one table; those of other languages bring adapters
/// along, up to 38 of them and 16 tables.
pub(super) const CORE_INSTANCES_MAX: u32 = 64;
/// Nearly all have one, which their adapters share.
pub(super) const MEMORIES_MAX: u32 = 4;
/// As with the core instances.
pub(super) const TABLES_MAX: u32 = 16;
pub(super) const TABLE_ELEMENTS_MAX: usize = 20_000;

/// The engines, shared by all components.
#[derive(Clone)]
pub struct Engine {
    /// None where the machine refuses the address space.
    pooled: Option<wasmtime::Engine>,
    on_demand: wasmtime::Engine,
    /// As many as calls may run at once.
    places: Arc<Semaphore>,
    /// What there is of memories besides one for each place.
    memories: Arc<Semaphore>,
    refusal: Option<Refusal>,
}

/// The right to one call, given back when it is dropped.
pub(super) struct Place {
    _place: Option<OwnedSemaphorePermit>,
    _memories: Option<OwnedSemaphorePermit>,
}

/// The engine can't be made on this machine.
#[derive(Debug, thiserror::Error)]
#[error("the WebAssembly engine can't be started: {0:#}")]
pub struct EngineError(wasmtime::Error);

/// The machine has not enough address space for the places.
#[derive(Debug, Clone, thiserror::Error)]
#[error(
    "the machine does not give the {} MiB of address space in which {calls} calls at once have their memory (see `ulimit -v`): each call asks the system for its own, which makes it slower; a lower `concurrency.events_max` needs less",
    .bytes >> 20
)]
pub struct Refusal {
    calls: usize,
    bytes: u64,
}

impl Engine {
    /// Engines that run at most `concurrency_max` calls at once.
    ///
    /// # Errors
    ///
    /// Where the machine refuses even the thread of the clock.
    pub fn new(concurrency_max: usize) -> Result<Self, EngineError> {
        let spare = spare_memories(concurrency_max);
        let pooled = wasmtime::Engine::new(&config(InstanceAllocationStrategy::Pooling(pool(concurrency_max)))).ok();
        let on_demand = wasmtime::Engine::new(&config(InstanceAllocationStrategy::OnDemand)).map_err(EngineError)?;
        start_clock([Some(&on_demand), pooled.as_ref()].into_iter().flatten().map(wasmtime::Engine::weak).collect())?;
        let bytes = (concurrency_max + spare) as u64 * (PLACE_BYTES as u64 + GUARD_BYTES);
        let refusal = pooled.is_none().then_some(Refusal { calls: concurrency_max, bytes });
        let (places, memories) = (Semaphore::new(concurrency_max), Semaphore::new(spare));
        Ok(Self { pooled, on_demand, places: Arc::new(places), memories: Arc::new(memories), refusal })
    }

    /// What makes calls slower than they could be, if anything does.
    pub fn refusal(&self) -> Option<&Refusal> {
        self.refusal.as_ref()
    }

    /// The engine for components whose calls may have so much memory.
    pub(super) fn for_memory(&self, bytes_max: usize) -> &wasmtime::Engine {
        match &self.pooled {
            Some(pooled) if bytes_max <= PLACE_BYTES => pooled,
            _ => &self.on_demand,
        }
    }

    /// A place for one call of a component with so many memories, waited for.
    pub(super) async fn place(&self, memories: u32) -> Place {
        // The semaphores are never closed, so there is always a permit in the end. All take them in this order.
        let place = self.places.clone().acquire_owned().await.ok();
        let memories = match memories.saturating_sub(1) {
            0 => None,
            beyond_one => self.memories.clone().acquire_many_owned(beyond_one).await.ok(),
        };
        Place { _place: place, _memories: memories }
    }
}

fn config(strategy: InstanceAllocationStrategy) -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .max_wasm_stack(STACK_BYTES_MAX)
        .wasm_component_model(true)
        .memory_reservation(PLACE_BYTES as u64)
        .memory_reservation_for_growth(PLACE_BYTES as u64)
        .memory_guard_size(GUARD_BYTES)
        // In a place it can't.
        .memory_may_move(matches!(strategy, InstanceAllocationStrategy::OnDemand))
        .allocation_strategy(strategy);
    config
}

fn pool(concurrency_max: usize) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::default();
    // One more than there are places: an instance can still be on its way out while the next one comes in.
    let count = |count: usize| u32::try_from(count.saturating_add(1)).unwrap_or(u32::MAX);
    let calls = count(concurrency_max);
    pool.total_component_instances(calls)
        .total_core_instances(calls.saturating_mul(CORE_INSTANCES_MAX))
        .total_memories(count(concurrency_max + spare_memories(concurrency_max)))
        .max_memory_size(PLACE_BYTES)
        .total_tables(calls.saturating_mul(TABLES_MAX))
        .total_stacks(calls)
        .max_core_instances_per_component(CORE_INSTANCES_MAX)
        .max_memories_per_component(MEMORIES_MAX)
        .max_tables_per_component(TABLES_MAX)
        // One module may have all that a component may have.
        .max_memories_per_module(MEMORIES_MAX)
        .max_tables_per_module(TABLES_MAX)
        .table_elements(TABLE_ELEMENTS_MAX)
        .linear_memory_keep_resident(128 * 1024);
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

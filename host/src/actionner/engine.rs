//! The engine that all components share: its settings, its clock and its places.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use wasmtime::{Config, InstanceAllocationStrategy, PoolingAllocationConfig};

/// How often a running component is asked whether it may go on.
const EPOCH: Duration = Duration::from_millis(10);

/// Each level of a call inside a component needs some of this; recursion past it is a trap.
const STACK_BYTES_MAX: usize = 512 * 1024;

/// A component made of Rust has one core instance and one memory; those of other languages
/// bring a few adapters along.
const CORE_INSTANCES_PER_CALL: u32 = 64;
const MEMORIES_PER_CALL: u32 = 4;
const TABLES_PER_CALL: u32 = 16;
pub(super) const TABLE_ELEMENTS_MAX: usize = 20_000;

/// The engine, shared by all components.
#[derive(Clone)]
pub struct Engine {
    engine: wasmtime::Engine,
    /// Fewer than the pool has, since a pool that is used up answers with an error.
    places: Arc<Semaphore>,
}

/// The engine can't be made on this machine.
#[derive(Debug, thiserror::Error)]
#[error("the WebAssembly engine can't be started: {0:#}")]
pub struct EngineError(wasmtime::Error);

impl Engine {
    /// An engine that runs at most `concurrency_max` calls at once.
    ///
    /// # Errors
    ///
    /// Where the machine refuses the address space for the pool, or the thread of the clock.
    pub fn new(concurrency_max: usize) -> Result<Self, EngineError> {
        let mut pool = PoolingAllocationConfig::default();
        // One more than there are places: an instance can still be on its way out while
        // the next one comes in.
        let calls = u32::try_from(concurrency_max).unwrap_or(u32::MAX).saturating_add(1);
        pool.total_component_instances(calls)
            .total_core_instances(calls.saturating_mul(CORE_INSTANCES_PER_CALL))
            .total_memories(calls.saturating_mul(MEMORIES_PER_CALL))
            .total_tables(calls.saturating_mul(TABLES_PER_CALL))
            .total_stacks(calls)
            .max_core_instances_per_component(CORE_INSTANCES_PER_CALL)
            .max_memories_per_component(MEMORIES_PER_CALL)
            .max_tables_per_component(TABLES_PER_CALL)
            .table_elements(TABLE_ELEMENTS_MAX)
            .linear_memory_keep_resident(128 * 1024);
        let mut config = Config::new();
        config
            .epoch_interruption(true)
            .max_wasm_stack(STACK_BYTES_MAX)
            .wasm_component_model(true)
            .allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        let engine = wasmtime::Engine::new(&config).map_err(EngineError)?;
        start_clock(&engine)?;
        Ok(Self { engine, places: Arc::new(Semaphore::new(concurrency_max)) })
    }

    /// A place for one call, waited for.
    pub(super) async fn place(&self) -> Option<OwnedSemaphorePermit> {
        // The semaphore is never closed, so there is always a permit in the end.
        self.places.clone().acquire_owned().await.ok()
    }

    pub(super) fn inner(&self) -> &wasmtime::Engine {
        &self.engine
    }
}

/// A thread of its own, not a task: it must tick even while every worker runs a component.
fn start_clock(engine: &wasmtime::Engine) -> Result<(), EngineError> {
    let engine = engine.weak();
    std::thread::Builder::new()
        .name("epoch".to_owned())
        .spawn(move || {
            loop {
                std::thread::sleep(EPOCH);
                let Some(engine) = engine.upgrade() else { return };
                engine.increment_epoch();
            }
        })
        .map(drop)
        .map_err(|error| EngineError(wasmtime::Error::new(error)))
}

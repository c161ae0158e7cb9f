//! What the store of one call carries.

use wasmtime::ResourceLimiter;
use wasmtime_wasi::{WasiCtxView, WasiView};

use super::engine::{CORE_INSTANCES_MAX, MEMORIES_MAX, TABLE_ELEMENTS_MAX, TABLES_MAX};
use super::shares::Place;
use super::wasi::Wasi;
use crate::capability::Call;

/// What a store carries.
pub(super) struct State {
    pub(super) call: Call,
    pub(super) memory: Memory,
    /// Only once the component has asked for something of it.
    wasi: Option<Box<Wasi>>,
}

/// Counts all memories of a store together: a component can have several.
pub(super) struct Memory {
    bytes: usize,
    bytes_max: usize,
    /// What it has of what all calls share; none where it has memory of its own.
    place: Option<Place>,
}

/// It asked for more than the policy allows.
#[derive(Debug, thiserror::Error)]
#[error("too much memory")]
pub(super) struct TooMuchMemory;

impl State {
    pub(super) fn new(call: Call, memory_bytes_max: usize, place: Option<Place>) -> Self {
        Self { call, memory: Memory { bytes: 0, bytes_max: memory_bytes_max, place }, wasi: None }
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let Self { call, wasi, .. } = self;
        wasi.get_or_insert_with(|| Box::new(Wasi::new(call.log()))).view()
    }
}

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        self.bytes = self.bytes.saturating_add(desired.saturating_sub(current));
        if self.bytes > self.bytes_max {
            return Err(TooMuchMemory.into());
        }
        if let Some(place) = &mut self.place {
            place.grow_to(self.bytes)?;
        }
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS_MAX)
    }

    // An engine without places has no limits of its own.
    fn instances(&self) -> usize {
        CORE_INSTANCES_MAX as usize
    }

    fn tables(&self) -> usize {
        TABLES_MAX as usize
    }

    fn memories(&self) -> usize {
        MEMORIES_MAX as usize
    }
}

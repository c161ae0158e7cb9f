//! What the code of a component depends on: the settings of the engine that runs it.
//!
//! Code is made by one engine and run by another one with the same settings, be it in another process. How many calls
//! an engine runs is not among them.

use wasmtime::{Config, InstanceAllocationStrategy};

/// Each level of a call inside a component needs some of this; recursion past it is a trap.
const STACK_BYTES_MAX: usize = 512 * 1024;

/// What differs between engines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Settings {
    /// Address space that is kept for each memory,
    memory_bytes: u64,
    /// and behind it.
    guard_bytes: u64,
    /// In a place it can't.
    memory_may_move: bool,
}

impl Settings {
    /// Of [`Self::to_bytes`].
    pub(super) const BYTES: usize = 17;

    pub(super) fn new(memory_bytes: usize, guard_bytes: usize, memory_may_move: bool) -> Self {
        Self { memory_bytes: memory_bytes as u64, guard_bytes: guard_bytes as u64, memory_may_move }
    }

    /// For the process that compiles.
    pub(super) fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&self.memory_bytes.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.guard_bytes.to_le_bytes());
        bytes[16] = self.memory_may_move.into();
        bytes
    }

    /// What [`Self::to_bytes`] has written.
    pub(super) fn from_bytes(bytes: [u8; Self::BYTES]) -> Self {
        let [memory, guard] = [0, 8].map(|at| {
            let mut number = [0; 8];
            number.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(number)
        });
        Self { memory_bytes: memory, guard_bytes: guard, memory_may_move: bytes[16] != 0 }
    }

    /// The code of a component for an engine with these settings, which need not be here.
    pub(super) fn precompile(self, component: &[u8]) -> wasmtime::Result<Vec<u8>> {
        let engine = wasmtime::Engine::new(&self.config(InstanceAllocationStrategy::OnDemand))?;
        engine.precompile_component(component)
    }

    /// For an engine that runs calls in this manner.
    pub(super) fn config(self, strategy: InstanceAllocationStrategy) -> Config {
        let mut config = Config::new();
        config
            .epoch_interruption(true)
            .max_wasm_stack(STACK_BYTES_MAX)
            .wasm_component_model(true)
            .memory_reservation(self.memory_bytes)
            .memory_reservation_for_growth(self.memory_bytes)
            .memory_guard_size(self.guard_bytes)
            .memory_may_move(self.memory_may_move)
            .allocation_strategy(strategy);
        config
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_passed_on_as_they_are() {
        let settings = Settings::new(4 << 30, 32 << 20, true);
        assert_eq!(Settings::from_bytes(settings.to_bytes()), settings);
        let settings = Settings::new(1, 2, false);
        assert_eq!(Settings::from_bytes(settings.to_bytes()), settings);
    }
}

//! Calls itself until the stack ends.

#[macro_use]
#[path = "../../hostile.rs"]
mod hostile;

use falco_talon_sdk::{Event, Failure, Outcome};

guest!("hostile:recursion");

fn run(event: &Event) -> Result<Outcome, Failure> {
    Err(Failure::rejected(format!("{}", deeper(event.rule.len() as u64))))
}

fn deeper(depth: u64) -> u64 {
    // Something on each level that can't be optimised away.
    let level = std::hint::black_box([depth; 16]);
    if level[3] == u64::MAX { 0 } else { deeper(depth + 1) + level[5] }
}

//! Hands the host more text than it takes in one call.

#[macro_use]
#[path = "../../hostile.rs"]
mod hostile;

use falco_talon_sdk::{Event, Failure, Outcome, log};

guest!("hostile:strings");

fn run(_: &Event) -> Result<Outcome, Failure> {
    log::info(&"x".repeat(8 << 20));
    Err(Failure::rejected("the host has taken 8 MiB in one call"))
}

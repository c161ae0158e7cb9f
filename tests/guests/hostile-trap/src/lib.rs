//! Gives up.

#[macro_use]
#[path = "../../hostile.rs"]
mod hostile;

use falco_talon_sdk::{Event, Failure, Outcome};

guest!("hostile:trap");

fn run(event: &Event) -> Result<Outcome, Failure> {
    assert!(event.rule.is_empty(), "an event without a rule");
    Err(Failure::rejected("an event without a rule"))
}

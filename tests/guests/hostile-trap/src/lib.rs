//! Gives up, with words that would be lines of their own.

#[macro_use]
#[path = "../../hostile.rs"]
mod hostile;

use falco_talon_sdk::{Event, Failure, Outcome};

guest!("hostile:trap");

fn run(event: &Event) -> Result<Outcome, Failure> {
    assert!(event.rule.is_empty(), "an event with a rule\nlevel=error forged=true\r\u{1b}[31m");
    Err(Failure::rejected("an event without a rule"))
}

//! Writes more lines to the log than anyone would read.

#[macro_use]
#[path = "../../hostile.rs"]
mod hostile;

use falco_talon_sdk::{Event, Failure, Outcome, Report, log};

guest!("hostile:log");

fn run(_: &Event) -> Result<Outcome, Failure> {
    for line in 0..10_000 {
        log::warn(&format!("line {line}\n\u{1b}[31mlevel=error forged=true"));
    }
    Ok(Outcome::Done(Report::new("10000 lines have been written")))
}

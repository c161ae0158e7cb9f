//! Makes artifacts without end, and holds on to each.

#[macro_use]
#[path = "../../hostile.rs"]
mod hostile;

use falco_talon_sdk::artifacts::Artifact;
use falco_talon_sdk::{Event, Failure, Outcome, Report};

guest!("hostile:handles");

fn run(_: &Event) -> Result<Outcome, Failure> {
    let mut held = Vec::new();
    loop {
        match Artifact::create("evidence", "text/plain") {
            Ok(artifact) => held.push(artifact),
            Err(error) => {
                let told = format!("{} artifacts, then: {error}", held.len());
                return Ok(Outcome::Done(Report::new(told)));
            }
        }
    }
}

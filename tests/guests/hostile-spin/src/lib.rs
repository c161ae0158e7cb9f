//! Computes for ever.

#[macro_use]
#[path = "../../hostile.rs"]
mod hostile;

use falco_talon_sdk::{Event, Failure, Outcome};

guest!("hostile:spin");

fn run(_: &Event) -> Result<Outcome, Failure> {
    let mut count = 0_u64;
    loop {
        count = std::hint::black_box(count.wrapping_add(1));
    }
}

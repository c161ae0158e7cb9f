//! Takes all the memory that there is.

#[macro_use]
#[path = "../../hostile.rs"]
mod hostile;

use falco_talon_sdk::{Event, Failure, Outcome};

guest!("hostile:memory");

fn run(_: &Event) -> Result<Outcome, Failure> {
    let mut taken = Vec::new();
    loop {
        taken.push(std::hint::black_box(vec![1_u8; 1 << 20]));
    }
}

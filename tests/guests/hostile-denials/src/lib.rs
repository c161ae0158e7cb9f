//! Asks for what it is denied, again and again.

#[macro_use]
#[path = "../../hostile.rs"]
mod hostile;

use falco_talon_sdk::kubernetes::{self, Object};
use falco_talon_sdk::{Event, Failure, Outcome};

guest!("hostile:denials");

fn run(_: &Event) -> Result<Outcome, Failure> {
    let secret = Object::namespaced("v1", "secrets", "kube-system", "token");
    // A denial is an answer, so nothing but the budget of host calls ends this.
    while kubernetes::get(&secret).is_err() {}
    Err(Failure::rejected("a secret was read"))
}

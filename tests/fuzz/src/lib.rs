//! What holds for whatever comes from outside: one property a file, held against bytes.
//!
//! Each is a function that fails where it finds what must not be. `just fuzz` lets libFuzzer look for such bytes, one
//! target a function; the tests hold each against its `seeds/`, and against the cases.

#![expect(clippy::expect_used, clippy::panic, reason = "a property that does not hold ends what looks for it")]

mod address;
mod condition;
mod description;
mod event;
mod policy;
mod rules;
mod touched;
mod wait;

pub use address::address;
pub use condition::condition;
pub use description::description;
pub use event::event;
pub use policy::policy;
pub use rules::rules;
pub use touched::touched;
pub use wait::wait;

/// What fails where bytes show that something does not hold.
pub type Property = fn(&[u8]);

/// The name of each target, as its file and the folder of its seeds have it, and what it holds.
pub const TARGETS: [(&str, Property); 8] = [
    ("address", address),
    ("condition", condition),
    ("description", description),
    ("event", event),
    ("policy", policy),
    ("rules", rules),
    ("touched", touched),
    ("wait", wait),
];

/// A character in a text for people that would end the line, move the cursor, hide or reorder what follows.
fn odd(text: &str) -> Option<char> {
    text.chars().find(|char| !"\"'\\".contains(*char) && char.escape_debug().count() > 1)
}

/// A text's lines up to this many, the last with all that follows; those that are not there are empty.
fn lines<const N: usize>(data: &[u8]) -> Option<[&str; N]> {
    let mut lines = std::str::from_utf8(data).ok()?.splitn(N, '\n');
    Some(std::array::from_fn(|_| lines.next().unwrap_or_default()))
}

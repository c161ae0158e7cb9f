//! `config keys`: everything that a configuration file may hold, from the one table of keys.
//!
//! Markdown, as it stands in `host/README.md`; a test holds the two together.

use std::fmt::Write;

use rules::quantity::{duration_text, size_text};

use super::print::print;
use crate::config::keys::{KEYS, Key, Kind};

/// Explain the configuration
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Print every key with its variable, type, bounds and default, as Markdown
    Keys,
}

pub(super) fn run(command: &Command) {
    match command {
        Command::Keys => print(format!("{}\n{}", markdown(), notifiers()).trim_end()),
    }
}

/// All keys as tables, those that differ in how they are read in tables of their own.
pub fn markdown() -> String {
    let mut text = table(|key| !is_inert(key) && !key.is_shared_name() && !key.is_of_a_notifier());
    text.push_str(
        "\nOn a cloud's machine, `AWS_ROLE_ARN` and its like are set for others. So the variables of these keys count \
         only where\nthe file has the key, be it empty:\n\n",
    );
    text.push_str(&table(|key| !is_inert(key) && key.is_shared_name()));
    text.push_str("\nThese are taken and have no effect in this version:\n\n");
    text.push_str("| key | what it would be |\n|---|---|\n");
    for key in KEYS.iter().filter(|key| is_inert(key)) {
        // Writing to a string does not fail.
        let _ = writeln!(text, "| `{}` | {} |", key.name, key.about);
    }
    text
}

/// The keys of the notifiers.
pub fn notifiers() -> String {
    table(Key::is_of_a_notifier)
}

fn is_inert(key: &Key) -> bool {
    matches!(key.kind, Kind::Inert(_))
}

fn table(wanted: impl Fn(&Key) -> bool) -> String {
    let mut text = "| key | variable | type | default | what it is |\n|---|---|---|---|---|\n".to_owned();
    for key in KEYS.iter().filter(|key| wanted(key)) {
        let default = if key.default.is_empty() { String::new() } else { format!("`{}`", key.default) };
        let (name, variable, of_type, about) = (key.name, key.environment(), type_of(key.kind), key.about);
        let _ = writeln!(text, "| `{name}` | `{variable}` | {of_type} | {default} | {about} |");
    }
    text
}

fn type_of(kind: Kind) -> String {
    match kind {
        Kind::Text | Kind::Secret => "text".to_owned(),
        Kind::Source => "secret".to_owned(),
        Kind::Headers => "map".to_owned(),
        Kind::Integer { min, max } => format!("{min} to {max}"),
        Kind::Duration { min, max } => format!("time, {} to {}", duration_text(min), duration_text(max)),
        Kind::Size { min, max } => format!("size, {} to {}", size_text(min), size_text(max)),
        Kind::Switch => "`true`, `false`".to_owned(),
        Kind::List => "list".to_owned(),
        Kind::Inert(_) => String::new(),
    }
}

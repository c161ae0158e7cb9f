//! What a key of the configuration is.

use std::time::Duration;

/// One key of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key {
    /// The path from the top of the file, with dots between.
    pub name: &'static str,
    /// What it may hold.
    pub kind: Kind,
    /// The value when neither the file nor the environment has one.
    pub default: &'static str,
    /// What it is for, in one line of Markdown.
    pub about: &'static str,
}

/// What a key may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Any text.
    Text,
    /// A text that is never shown.
    Secret,
    /// The same, or the environment variable or the file in which it is.
    Source,
    /// Names of headers and their values, which may be secrets.
    Headers,
    /// A whole number within bounds.
    Integer {
        /// The least.
        min: u64,
        /// The most.
        max: u64,
    },
    /// A time with its unit, within bounds.
    Duration {
        /// The least.
        min: Duration,
        /// The most.
        max: Duration,
    },
    /// A size in bytes, with its unit or without, within bounds.
    Size {
        /// The least, in bytes.
        min: u64,
        /// The most, in bytes.
        max: u64,
    },
    /// `true` or `false`.
    Switch,
    /// A list of texts, or one text with commas.
    List,
    /// A key of the original for something that this version does not do yet: it says what that would be.
    Inert(Asks),
}

/// When a key without effect asks for something, so that it must be reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asks {
    /// When it is true.
    WhenTrue,
    /// When it is not empty.
    WhenSet,
}

impl Key {
    /// Whether it is one of a notifier.
    pub(crate) fn is_of_a_notifier(&self) -> bool {
        self.name.starts_with("notifiers.")
    }

    /// Whether the environment counts only where the file has the key, be it empty. The names
    /// are those of the clouds' own tools, and on a machine of theirs are set for others.
    pub(crate) fn is_shared_name(&self) -> bool {
        ["aws.", "gcp.", "minio."].iter().any(|group| self.name.starts_with(group))
    }

    /// The environment variable that overrides the file.
    pub(crate) fn environment(&self) -> String {
        self.name.replace('.', "_").to_uppercase()
    }
}

pub(super) const fn text(name: &'static str, default: &'static str, about: &'static str) -> Key {
    Key { name, kind: Kind::Text, default, about }
}

pub(super) const fn secret(name: &'static str, about: &'static str) -> Key {
    Key { name, kind: Kind::Secret, default: "", about }
}

pub(super) const fn switch(name: &'static str, default: &'static str, about: &'static str) -> Key {
    Key { name, kind: Kind::Switch, default, about }
}

pub(super) const fn list(name: &'static str, default: &'static str, about: &'static str) -> Key {
    Key { name, kind: Kind::List, default, about }
}

pub(super) const fn integer(
    name: &'static str,
    default: &'static str,
    (min, max): (u64, u64),
    about: &'static str,
) -> Key {
    Key { name, kind: Kind::Integer { min, max }, default, about }
}

pub(super) const fn duration(
    name: &'static str,
    default: &'static str,
    (min, max): (Duration, Duration),
    about: &'static str,
) -> Key {
    Key { name, kind: Kind::Duration { min, max }, default, about }
}

pub(super) const fn size(
    name: &'static str,
    default: &'static str,
    (min, max): (u64, u64),
    about: &'static str,
) -> Key {
    Key { name, kind: Kind::Size { min, max }, default, about }
}

pub(super) const fn inert(name: &'static str, asks: Asks, about: &'static str) -> Key {
    Key { name, kind: Kind::Inert(asks), default: "", about }
}

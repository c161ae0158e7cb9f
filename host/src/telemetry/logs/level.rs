//! How a line looks, and how much it matters.

use std::str::FromStr;

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `text` with ANSI colours, whether or not a terminal reads it.
    Color,
    /// Time, level, tag, then `key=value` pairs in alphabetical order, `error` first.
    Text,
    /// One JSON object.
    Json,
}

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// For someone who looks for a mistake; off unless asked for.
    Debug,
    /// The normal course of things.
    Info,
    /// Something is refused or degraded.
    Warn,
    /// Something failed.
    Error,
    /// The program ends because of this.
    Fatal,
}

/// A level that is not one of the four that can be chosen.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("it must be debug, info, warn or error")]
pub struct UnknownLevel;

impl FromStr for Level {
    type Err = UnknownLevel;

    fn from_str(text: &str) -> Result<Level, UnknownLevel> {
        match text.to_ascii_lowercase().as_str() {
            "debug" => Ok(Level::Debug),
            "info" => Ok(Level::Info),
            "warn" | "warning" => Ok(Level::Warn),
            "error" => Ok(Level::Error),
            _ => Err(UnknownLevel),
        }
    }
}

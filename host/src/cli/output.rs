//! How commands show what they have found: as text for people, or as JSON for programs.

use crate::telemetry::clean;

#[derive(Debug, clap::Args)]
pub(super) struct Output {
    /// Text for people, or a JSON object a line
    #[arg(long, value_enum, default_value = "text")]
    pub(super) format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    Text,
    Json,
}

/// So many characters at most, the last of which says that there are more. It moves no cursor.
pub(super) fn cut(text: &str, chars_max: usize) -> String {
    // No character takes more than four bytes.
    let text = clean(text, 4 * (chars_max + 1));
    if text.chars().count() <= chars_max {
        return text.into_owned();
    }
    text.chars().take(chars_max - 1).chain(['…']).collect()
}

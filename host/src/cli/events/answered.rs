//! What came of a command.

/// What came of a command.
#[derive(Debug, Default)]
pub struct Answered {
    /// What it was asked for.
    pub text: String,
    /// What goes to standard error: it is not part of the former.
    pub note: Option<String>,
    /// What it could not do, and why.
    pub refused: Vec<String>,
}

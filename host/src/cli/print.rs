//! Where commands print what they were asked for.

/// Print what a command was asked for. Nobody is left to tell where the output is closed.
pub(super) fn print(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{text}");
}

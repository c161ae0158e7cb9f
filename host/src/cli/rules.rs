//! `rules check` and `rules print`: the original's answers, with positions.

use std::process::ExitCode;

use super::context::Context;
use super::files::Files;
use super::print::print;
use crate::telemetry::logs::Level;

/// Check or print rules
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Check Falco Talon Rules file
    Check,
    /// Print the rules as they are after merging all files
    Print,
}

pub(super) async fn run(command: &Command, files: &Files) -> Result<(), ExitCode> {
    let context = Context::new(files)?;
    let loader = context.loader()?;
    let problems = match command {
        Command::Check => match loader.load().await {
            Ok(loaded) => {
                context.report(Level::Warn, &loaded.warnings);
                context.logger.line(Level::Info, "rules").field("result", "rules file valid").write();
                return Ok(());
            }
            Err(problems) => problems,
        },
        Command::Print => match loader.document() {
            Ok(document) => {
                print(document.to_yaml().trim_end());
                return Ok(());
            }
            Err(problems) => problems,
        },
    };
    context.report(Level::Error, &problems);
    Err(context.fail("rules", &"invalid rules"))
}

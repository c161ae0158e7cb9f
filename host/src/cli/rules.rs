//! `rules check` and `rules print`: the original's answers, with positions.

use std::process::ExitCode;

use super::context::Context;
use super::{Files, print};
use crate::telemetry::logs::Level;

/// Check or print rules
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Check Falco Talon Rules file
    Check,
    /// Print the rules as they are after merging all files
    Print,
}

pub(super) async fn run(command: &Command, files: &Files) -> ExitCode {
    let context = match Context::new(files) {
        Ok(context) => context,
        Err(code) => return code,
    };
    let loader = match context.loader() {
        Ok(loader) => loader,
        Err(code) => return code,
    };
    let problems = match command {
        Command::Check => match loader.load().await {
            Ok(loaded) => {
                context.report(Level::Warn, &loaded.warnings);
                context.logger.line(Level::Info, "rules").field("result", "rules file valid").write();
                return ExitCode::SUCCESS;
            }
            Err(problems) => problems,
        },
        Command::Print => match loader.document() {
            Ok(document) => {
                print(document.to_yaml().trim_end());
                return ExitCode::SUCCESS;
            }
            Err(problems) => problems,
        },
    };
    context.report(Level::Error, &problems);
    context.fail("rules", &"invalid rules")
}

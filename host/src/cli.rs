//! The command line: one file a command, the original's flags and answers.
//!
//! Commands print what they were asked for on standard output, as the original does, in the
//! format of its log where it is a finding. Their exit codes are 0 for yes, 1 for a mistake
//! in files or for what is refused, 2 for a mistake in the arguments, and 3 where the server's end
//! cut something off.

mod files;
mod listing;
mod moment;
mod output;
mod print;

mod context;

mod descriptors;
mod server;
mod signals;

mod rules;

pub mod catalogue;

mod actionners;
mod notifiers;
mod outputs;

pub mod config;

mod policy;
mod rbac;

pub mod events;

pub mod audit;

mod demo;
mod version;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

use files::Files;

use crate::actionner::serve_one;

/// A response engine for Falco, with actionners in a WebAssembly sandbox.
#[derive(Debug, Parser)]
#[command(name = "falco-talon", disable_version_flag = true, arg_required_else_help = true)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    files: Files,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start the server
    Server,
    /// Check or print rules
    #[command(subcommand, arg_required_else_help = true)]
    Rules(rules::Command),
    /// List actionners, or look into a component
    #[command(subcommand, arg_required_else_help = true)]
    Actionners(actionners::Command),
    /// List notifiers, or test one
    #[command(subcommand, arg_required_else_help = true)]
    Notifiers(notifiers::Command),
    /// List outputs
    #[command(subcommand, arg_required_else_help = true)]
    Outputs(outputs::Command),
    /// Check, print or explain the policy
    #[command(subcommand, arg_required_else_help = true)]
    Policy(policy::Command),
    /// Print the ClusterRole and the Roles that the host needs for the rules in force
    Rbac(rbac::Rbac),
    /// List, show, replay or drop events that the host has stored
    #[command(arg_required_else_help = true)]
    Events(events::Events),
    /// Look into the record of what actionners asked of the host
    #[command(arg_required_else_help = true)]
    Audit(audit::Audit),
    /// Explain the configuration
    #[command(subcommand, arg_required_else_help = true)]
    Config(config::Command),
    /// Show the whole journey of an event, against a simulated cluster
    Demo(demo::Demo),
    /// Compile a component for the process that started this one
    #[command(hide = true)]
    Compile,
    /// Print the version
    Version,
    /// Print a completion script for a shell
    Completion {
        /// The shell to complete in
        shell: Shell,
    },
}

/// Run one command to its end.
pub async fn run(arguments: Arguments) -> ExitCode {
    let files = arguments.files;
    let result = match arguments.command {
        Command::Server => server::run(&files).await,
        Command::Rules(command) => rules::run(&command, &files).await,
        Command::Actionners(command) => actionners::run(&command, &files).await,
        Command::Notifiers(command) => notifiers::run(&command, &files).await,
        Command::Outputs(command) => {
            outputs::run(&command);
            Ok(())
        }
        Command::Policy(command) => policy::run(&command, &files).await,
        Command::Rbac(command) => rbac::run(&command, &files).await,
        Command::Events(events) => events::run(&events, &files).await,
        Command::Audit(audit) => audit::run(&audit, &files),
        Command::Config(command) => {
            config::run(&command);
            Ok(())
        }
        Command::Demo(demo) => demo::run(&demo).await,
        // Nobody reads what it could say of an error but that it failed.
        Command::Compile => serve_one().map_err(|_| ExitCode::FAILURE),
        Command::Version => {
            version::run();
            Ok(())
        }
        Command::Completion { shell } => {
            clap_complete::generate(shell, &mut Arguments::command(), "falco-talon", &mut std::io::stdout());
            Ok(())
        }
    };
    result.err().unwrap_or(ExitCode::SUCCESS)
}

//! `falco-talon`: arguments in, exit code out.

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use host::{Arguments, run};

#[tokio::main]
async fn main() -> ExitCode {
    match Arguments::try_parse() {
        Ok(arguments) => run(arguments).await,
        // As the original does: who names no command gets to know the commands.
        Err(help) if help.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            print!("{}", help.render());
            ExitCode::SUCCESS
        }
        Err(error) => error.exit(),
    }
}

//! `falco-talon`: arguments in, exit code out.

use std::process::ExitCode;

use clap::Parser;
use clap::error::ErrorKind;
use host::{Arguments, run};

fn main() -> ExitCode {
    match Arguments::try_parse() {
        Ok(arguments) => run_to_its_end(arguments),
        // As the original does: who names no command gets to know the commands.
        Err(help) if help.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            print!("{}", help.render());
            ExitCode::SUCCESS
        }
        Err(error) => error.exit(),
    }
}

fn run_to_its_end(arguments: Arguments) -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("the machine gives no threads: {error}");
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(run(arguments));
    // A file that can't be read, such as a pipe that nobody writes to, holds up nobody at the end either.
    runtime.shutdown_background();
    code
}

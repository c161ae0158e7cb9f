//! `falco-talon`: arguments in, exit code out.

use std::process::ExitCode;

use clap::Parser;

#[tokio::main]
async fn main() -> ExitCode {
    host::cli::run(host::cli::Arguments::parse()).await
}

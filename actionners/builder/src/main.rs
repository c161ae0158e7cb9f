//! Makes a component of one actionner: `falco-talon-builder PATH_OF_CRATE OUT.wasm`.
//!
//! Only arguments and exit codes are here.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use falco_talon_builder::{Build, BuildError};

const USAGE: &str = "\
Compiles an actionner that is written in Rust, and writes it as a component.

Usage: falco-talon-builder PATH_OF_CRATE OUT.wasm

The crate depends on falco-talon-sdk and is a library with crate-type = [\"cdylib\"].
The variable WASM_RUSTC names the compiler to use where the one in use does not fit.";

fn main() -> ExitCode {
    let arguments: Vec<PathBuf> = env::args_os().skip(1).map(PathBuf::from).collect();
    let [package, out] = arguments.as_slice() else {
        eprintln!("{USAGE}");
        let asked = arguments.iter().any(|it| it.as_os_str() == "--help");
        return if asked { ExitCode::SUCCESS } else { ExitCode::from(2) };
    };
    match build(package, out) {
        Ok(bytes) => {
            println!("{}: {bytes} bytes", out.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn build(package: &Path, out: &Path) -> Result<usize, BuildError> {
    let components = Build::of_package(package)?.run()?;
    let none = || BuildError::NoModule { package: package.display().to_string() };
    let component = components.first().ok_or_else(none)?;
    fs::write(out, &component.bytes).map_err(|source| BuildError::File { path: out.to_owned(), source })?;
    Ok(component.bytes.len())
}

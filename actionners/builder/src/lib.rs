//! Makes components of actionners that are written in Rust.
//!
//! A guest package is compiled for `wasm32-unknown-unknown` by a cargo of its own, with a target
//! directory of its own, and wrapped as a component that imports nothing but the functions that
//! it calls. Build scripts call [`build_script`]; the binary of this package does the same for
//! one crate anywhere.
//!
//! Knows cargo and `wit-component`; does not know what an actionner does.

mod build;
mod environment;
mod script;
mod toolchain;

use std::path::PathBuf;

pub use build::{Build, Component};
pub use script::build_script;

/// Why there are no components.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// There is no standard library for WebAssembly on this machine.
    #[error(
        "no Rust standard library for WebAssembly was found: {searched}.\n\
         Either add it to the toolchain in use: rustup target add wasm32-unknown-unknown\n\
         or bring its source, from which it is built: rustup component add rust-src, or on Debian \
         apt-get install rustc-web cargo-web rust-web-src rust-web-llvm\n\
         (`just setup` does one of the two; the variable WASM_RUSTC names a rustc to use instead)"
    )]
    NoStandardLibrary {
        /// Where it was looked for.
        searched: String,
    },
    /// A program can't be started.
    #[error("{program} can't be run: {source}")]
    NotRunnable {
        /// Which.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// The compiler has found mistakes, and reported them on standard error.
    #[error("the actionners can't be compiled, cargo says why above")]
    NotCompiled,
    /// Cargo has made no WebAssembly module of a package.
    #[error(
        "the package '{package}' yields no WebAssembly module: \
         its Cargo.toml needs [lib] with crate-type = [\"cdylib\"]"
    )]
    NoModule {
        /// Which.
        package: String,
    },
    /// The module can't be made a component.
    #[error("the package '{package}' is no actionner: {reason}")]
    NoComponent {
        /// Which.
        package: String,
        /// What `wit-component` says.
        reason: String,
    },
    /// A file can't be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A build script was asked for outside of a build script.
    #[error("the variable {name} is not set: this runs in build scripts only")]
    NoBuildScript {
        /// Which variable is missing.
        name: &'static str,
    },
}

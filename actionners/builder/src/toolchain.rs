//! Which compiler makes WebAssembly on this machine.
//!
//! Does not install anything, and does not know what is compiled.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{BuildError, environment};

/// What guests are compiled for: it has no imports but those that a guest declares.
pub(crate) const TARGET: &str = "wasm32-unknown-unknown";

/// Where Debian's packages put theirs.
const SYSTEM_RUSTC: &str = "/usr/bin/rustc";

/// Names the rustc to use, whatever else is on the machine.
pub(crate) const WASM_RUSTC: &str = "WASM_RUSTC";

/// A compiler that can make WebAssembly.
#[derive(Debug)]
pub(crate) struct Toolchain {
    pub(crate) cargo: PathBuf,
    pub(crate) rustc: PathBuf,
    /// None: the one that rustc finds itself.
    pub(crate) linker: Option<PathBuf>,
    pub(crate) standard_library: StandardLibrary,
}

/// Where a compiler has its standard library for WebAssembly from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StandardLibrary {
    /// It is installed.
    Installed,
    /// It is compiled from source along with the guests, which stable compilers do only when
    /// they are made to believe that they are bootstrapping.
    FromSource,
}

impl Toolchain {
    /// The one that `WASM_RUSTC` names; else the toolchain in use with the target installed;
    /// else the first that has the source of a standard library.
    pub(crate) fn find() -> Result<Self, BuildError> {
        let in_use = PathBuf::from(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
        let linkers = Compiler::ask(&in_use);
        let candidates = match env::var_os(WASM_RUSTC).filter(|it| !it.is_empty()) {
            // Asked for by name: another one in its place would be a surprise.
            Some(wanted) => vec![PathBuf::from(wanted)],
            None => vec![in_use, PathBuf::from(SYSTEM_RUSTC)],
        };
        let compilers: Vec<_> = candidates.iter().map(|rustc| Compiler::ask(rustc)).collect();
        for standard_library in [StandardLibrary::Installed, StandardLibrary::FromSource] {
            let fitting = compilers.iter().flatten().find(|it| it.has(standard_library));
            if let Some(compiler) = fitting {
                let fallback = linkers.as_ref().ok();
                return Ok(compiler.toolchain(standard_library, fallback));
            }
        }
        let searched: Vec<_> = compilers
            .iter()
            .map(|compiler| match compiler {
                Ok(compiler) => {
                    let path = compiler.sysroot.display();
                    format!("{path} has neither {TARGET} nor lib/rustlib/src")
                }
                Err(error) => error.to_string(),
            })
            .collect();
        Err(BuildError::NoStandardLibrary { searched: searched.join("; ") })
    }
}

/// A rustc, and where its parts are.
struct Compiler {
    rustc: PathBuf,
    sysroot: PathBuf,
    host: String,
}

impl Compiler {
    fn ask(rustc: &Path) -> Result<Self, BuildError> {
        let answer = |arguments: &[&str]| {
            let mut command = Command::new(rustc);
            command.args(arguments).stderr(Stdio::null());
            environment::clear(&mut command);
            let output = command
                .output()
                .map_err(|source| BuildError::NotRunnable { program: rustc.display().to_string(), source })?;
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        };
        let host = answer(&["-vV"])?;
        Ok(Self {
            rustc: rustc.to_owned(),
            sysroot: PathBuf::from(answer(&["--print", "sysroot"])?.trim()),
            host: host.lines().find_map(|it| it.strip_prefix("host: ")).unwrap_or("").to_owned(),
        })
    }

    fn has(&self, standard_library: StandardLibrary) -> bool {
        let libraries = self.sysroot.join("lib/rustlib");
        match standard_library {
            StandardLibrary::Installed => libraries.join(TARGET).join("lib").is_dir(),
            // The lock file comes with the packages of the source, and building needs it.
            StandardLibrary::FromSource => libraries.join("src/rust/library/Cargo.lock").is_file(),
        }
    }

    fn toolchain(&self, standard_library: StandardLibrary, fallback: Option<&Self>) -> Toolchain {
        let cargo = self.sysroot.join("bin").join(format!("cargo{}", env::consts::EXE_SUFFIX));
        Toolchain {
            // A cargo that builds a standard library must be of the same release.
            cargo: if cargo.is_file() { cargo } else { env::var_os("CARGO").unwrap_or_else(|| "cargo".into()).into() },
            rustc: self.rustc.clone(),
            linker: match self.linker() {
                Some(_) => None,
                None => fallback.and_then(Self::linker),
            },
            standard_library,
        }
    }

    /// The linker that comes with the toolchain: Debian's packages lack it.
    fn linker(&self) -> Option<PathBuf> {
        let linker = self.sysroot.join("lib/rustlib").join(&self.host).join("bin/rust-lld");
        linker.with_extension(env::consts::EXE_EXTENSION).is_file().then_some(linker)
    }
}

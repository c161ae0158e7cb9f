//! What a build script needs around a [`Build`]: places, and when to run again.
//!
//! Does not compile anything itself.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::toolchain::WASM_RUSTC;
use crate::{Build, BuildError};

/// The whole `main` of a build script: writes a component for each guest into `OUT_DIR`, as
/// `<package>.wasm`, for `include_bytes!`.
///
/// `guests` are directories, relative to the package of the build script and in its workspace;
/// each is called as its package is. `shared` are further files or directories that they are
/// made of. The script runs again when one of them changes, and only then.
#[must_use]
pub fn build_script(guests: &[&str], shared: &[&str]) -> ExitCode {
    println!("cargo::rerun-if-env-changed={WASM_RUSTC}");
    for path in guests.iter().chain(shared) {
        println!("cargo::rerun-if-changed={path}");
    }
    match write_components(guests) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            for line in error.to_string().lines() {
                println!("cargo::error={line}");
            }
            ExitCode::FAILURE
        }
    }
}

fn write_components(guests: &[&str]) -> Result<(), BuildError> {
    let out = variable("OUT_DIR")?;
    let name = |guest: &&str| Some(Path::new(guest).file_name()?.to_string_lossy().into_owned());
    let build = Build {
        manifest: variable("CARGO_MANIFEST_DIR")?.join("Cargo.toml"),
        packages: guests.iter().filter_map(name).collect(),
        target_directory: target_directory(&out).join("actionners"),
        locked: true,
    };
    for component in build.run()? {
        let path = out.join(&component.package).with_extension("wasm");
        fs::write(&path, component.bytes).map_err(|source| BuildError::File { path, source })?;
    }
    Ok(())
}

fn variable(name: &'static str) -> Result<PathBuf, BuildError> {
    env::var_os(name).map(PathBuf::from).ok_or(BuildError::NoBuildScript { name })
}

/// The directory that cargo keeps everything in, of which `out` is somewhere below.
///
/// How far below differs with cargo's versions and options, but cargo marks it. One directory
/// for all profiles and tools, so that each guest is compiled once; where there is no mark,
/// `out` itself, which is right too, and slower. It can't be the directory that is in use,
/// which the running cargo has locked until this script ends.
fn target_directory(out: &Path) -> &Path {
    let marked =
        |directory: &&Path| ["CACHEDIR.TAG", ".rustc_info.json"].iter().any(|mark| directory.join(mark).is_file());
    out.ancestors().find(marked).unwrap_or(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_target_directory_is_the_marked_one() {
        fn check(mark: Option<&str>, expected: &str) {
            let root = tempfile::tempdir().unwrap();
            let out = root.path().join("target/debug/build/actionners-1234/out");
            fs::create_dir_all(&out).unwrap();
            if let Some(mark) = mark {
                fs::write(root.path().join(mark), "").unwrap();
            }
            assert_eq!(target_directory(&out), root.path().join(expected));
        }
        check(Some("target/CACHEDIR.TAG"), "target");
        check(Some("target/.rustc_info.json"), "target");
        check(None, "target/debug/build/actionners-1234/out");
    }
}

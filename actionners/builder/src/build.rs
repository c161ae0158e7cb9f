//! One run of cargo that compiles guests, and what becomes of its modules.
//!
//! Does not know whether a build script or a person asked for it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use wit_component::ComponentEncoder;

use crate::toolchain::{StandardLibrary, TARGET, Toolchain};
use crate::{BuildError, environment};

/// Small, and the same from each machine: a policy may name a component by its digest.
const PROFILE: [&str; 6] =
    ["opt-level='s'", "lto=true", "codegen-units=1", "panic='abort'", "strip=true", "incremental=false"];

/// Guests to be compiled together.
#[derive(Debug)]
pub struct Build {
    /// The Cargo.toml of the package, or of any member of the packages' workspace.
    pub manifest: PathBuf,
    /// Names of packages; none: the package of the manifest.
    pub packages: Vec<String>,
    /// Where cargo keeps what it makes. No other cargo may be using it that waits for this one.
    pub target_directory: PathBuf,
    /// Whether Cargo.lock must be as it should already.
    pub locked: bool,
}

/// A guest as the host loads it.
#[derive(Debug)]
pub struct Component {
    /// The package that it was made of.
    pub package: String,
    /// The component, validated.
    pub bytes: Vec<u8>,
}

impl Build {
    /// The package in a directory, with the target directory that cargo has for it.
    pub fn of_package(directory: &Path) -> Result<Self, BuildError> {
        let manifest = directory.join("Cargo.toml");
        let manifest = fs::canonicalize(&manifest).map_err(|source| BuildError::File { path: manifest, source })?;
        let cargo = Toolchain::find()?.cargo;
        let mut command = Command::new(&cargo);
        environment::clear(&mut command);
        command
            .args(["metadata", "--no-deps", "--format-version=1", "--manifest-path"])
            .arg(&manifest)
            .stderr(Stdio::inherit());
        let output = run(&mut command)?;
        let metadata: Value = serde_json::from_slice(&output).unwrap_or_default();
        let target = metadata["target_directory"].as_str().ok_or(BuildError::NotCompiled)?;
        Ok(Self {
            manifest,
            packages: Vec::new(),
            target_directory: Path::new(target).join("actionners"),
            locked: false,
        })
    }

    /// Compiles the packages and makes each a component.
    ///
    /// What cargo has to say goes to standard error. Quick where nothing has changed.
    pub fn run(&self) -> Result<Vec<Component>, BuildError> {
        let toolchain = Toolchain::find()?;
        let output = run(&mut self.command(&toolchain))?;
        let modules = modules(&String::from_utf8_lossy(&output));
        let wanted = modules.iter().filter(|module| self.wants(module));
        let components: Vec<_> = wanted.map(component).collect::<Result<_, _>>()?;
        let made = |package: &String| components.iter().any(|it| it.package == *package);
        match self.packages.iter().find(|package| !made(package)) {
            Some(package) => Err(BuildError::NoModule { package: package.clone() }),
            None if components.is_empty() => Err(BuildError::NoModule { package: self.manifest.display().to_string() }),
            None => Ok(components),
        }
    }

    /// Cargo also reports the packages that the wanted ones depend on.
    fn wants(&self, module: &Module) -> bool {
        if self.packages.is_empty() {
            module.manifest == self.manifest
        } else {
            self.packages.contains(&module.package)
        }
    }

    fn command(&self, toolchain: &Toolchain) -> Command {
        let mut command = Command::new(&toolchain.cargo);
        environment::clear(&mut command);
        command
            .args(["build", "--lib", "--release", "--message-format=json-render-diagnostics"])
            .args(["--target", TARGET, "--target-dir"])
            .arg(&self.target_directory)
            .arg("--manifest-path")
            .arg(&self.manifest)
            .args(self.packages.iter().flat_map(|package| ["--package", package]))
            .args(PROFILE.iter().flat_map(|it| ["--config".into(), format!("profile.release.{it}")]))
            .args(self.locked.then_some("--locked"))
            .env("RUSTC", &toolchain.rustc)
            .env("CARGO_ENCODED_RUSTFLAGS", flags(toolchain).join("\x1f"))
            .stdin(Stdio::null())
            .stderr(Stdio::inherit());
        if toolchain.standard_library == StandardLibrary::FromSource {
            command.arg("-Zbuild-std=std,panic_abort").env("RUSTC_BOOTSTRAP", "1");
        }
        command
    }
}

/// Set even where there is nothing to say, so that no configuration file says otherwise.
fn flags(toolchain: &Toolchain) -> Vec<String> {
    let mut flags = Vec::new();
    if let Some(linker) = &toolchain.linker {
        flags.push(format!("-Clinker={}", linker.display()));
    }
    // The texts of panics name source files, those of the packages at hand relative to
    // their workspace: without the place of the others on this machine, the same source
    // gives the same component everywhere.
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    if let Some(home) = home.or_else(|| Some(env::home_dir()?.join(".cargo"))) {
        flags.push(format!("--remap-path-prefix={}=/cargo", home.display()));
    }
    flags
}

/// What cargo writes to standard output.
fn run(cargo: &mut Command) -> Result<Vec<u8>, BuildError> {
    let output = cargo
        .output()
        .map_err(|source| BuildError::NotRunnable { program: cargo.get_program().display().to_string(), source })?;
    if output.status.success() { Ok(output.stdout) } else { Err(BuildError::NotCompiled) }
}

/// A WebAssembly module that cargo has made.
struct Module {
    package: String,
    manifest: PathBuf,
    path: PathBuf,
}

/// The modules that cargo's messages tell of, one JSON object a line.
fn modules(messages: &str) -> Vec<Module> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    messages.filter_map(|message| module(&message)).collect()
}

fn module(message: &Value) -> Option<Module> {
    let is_wasm = |path: &&str| Path::new(path).extension().is_some_and(|it| it == "wasm");
    let kinds = message["target"]["kind"].as_array()?;
    if message["reason"] != "compiler-artifact" || !kinds.iter().any(|kind| kind == "cdylib") {
        return None;
    }
    let path = message["filenames"].as_array()?.iter().filter_map(Value::as_str).find(is_wasm)?;
    Some(Module {
        package: package(message["package_id"].as_str()?).to_owned(),
        manifest: PathBuf::from(message["manifest_path"].as_str()?),
        path: PathBuf::from(path),
    })
}

/// The name in a package id: `path+file:///a/name#0.1.0`, or `path+file:///a/dir#name@0.1.0`
/// where the directory is called otherwise.
fn package(id: &str) -> &str {
    let (url, fragment) = id.rsplit_once('#').unwrap_or((id, ""));
    match fragment.split_once('@') {
        Some((name, _)) => name,
        None => url.rsplit('/').next().unwrap_or(url),
    }
}

fn component(module: &Module) -> Result<Component, BuildError> {
    let bytes = fs::read(&module.path).map_err(|source| BuildError::File { path: module.path.clone(), source })?;
    let encoded = ComponentEncoder::default().validate(true).module(&bytes).and_then(|mut encoder| encoder.encode());
    match encoded {
        Ok(bytes) => Ok(Component { package: module.package.clone(), bytes }),
        Err(error) => Err(BuildError::NoComponent { package: module.package.clone(), reason: format!("{error:#}") }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_ids_name_packages() {
        fn check(id: &str, expected: &str) {
            assert_eq!(package(id), expected);
        }
        check("path+file:///a/kubernetes-label#0.1.0", "kubernetes-label");
        check("path+file:///a/b#kubernetes-label@0.1.0", "kubernetes-label");
        check("registry+https://example.com/index#serde@1.0.0", "serde");
    }

    #[test]
    fn modules_are_libraries_for_the_host_to_load() {
        fn check(message: &str, expected: Option<&str>) {
            let modules = modules(message);
            assert_eq!(modules.first().map(|module| module.package.as_str()), expected);
        }
        check(
            r#"{"reason":"compiler-artifact","package_id":"path+file:///a#0.1.0","manifest_path":"/a/Cargo.toml","target":{"kind":["cdylib"]},"filenames":["/t/a.wasm"]}"#,
            Some("a"),
        );
        check(
            r#"{"reason":"compiler-artifact","package_id":"path+file:///a#0.1.0","manifest_path":"/a/Cargo.toml","target":{"kind":["lib"]},"filenames":["/t/liba.rlib"]}"#,
            None,
        );
        check(r#"{"reason":"build-finished","success":true}"#, None);
        check("not JSON", None);
    }

    #[test]
    fn what_is_no_module_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.wasm");
        fs::write(&path, b"text").unwrap();
        let module = Module { package: "a".into(), manifest: PathBuf::new(), path };
        let error = component(&module).unwrap_err();
        assert!(matches!(error, BuildError::NoComponent { package, .. } if package == "a"));
    }
}

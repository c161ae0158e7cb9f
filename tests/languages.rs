//! Actionners in other languages: each is built with the tools of its language, and responds as those in Rust do.
//!
//! What is built is kept from run to run, under the digest of all that it is built of. A language whose tools this
//! machine lacks is skipped.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use expect_test::expect;
use host::testing::digest;
use simulation::Simulation;

use crate::data::loader;
use crate::hostile::{CLUSTER, event, policy};
use crate::material::folder;
use crate::running::{Host, config, text, told};

/// A language, and what its guest in `guests/languages` needs.
struct Language {
    /// As its folder is called.
    folder: &'static str,
    name: &'static str,
    /// With their versions, as its build script names them.
    toolchain: &'static [&'static str],
    /// Commands that succeed where the toolchain can be had.
    tools: &'static [&'static [&'static str]],
    /// How large the component is, more or less.
    kilobytes: usize,
    imports_wasi: bool,
    /// As the policy grants them.
    limits: &'static str,
}

const C: Language = Language {
    folder: "c",
    name: "C",
    toolchain: &["ziglang 0.16.0", "wit-bindgen-cli 0.60.0"],
    tools: &[PIP],
    kilobytes: 30,
    imports_wasi: false,
    limits: "{memory: 1Mi, cpu: 1s}",
};

const GO: Language = Language {
    folder: "go",
    name: "Go",
    toolchain: &["go 1.25", "wit-bindgen-cli 0.60.0"],
    tools: &[&["go", "version"], PIP, NPM],
    kilobytes: 3_300,
    imports_wasi: true,
    limits: "{memory: 8Mi, cpu: 5s}",
};

const JAVASCRIPT: Language = Language {
    folder: "javascript",
    name: "JavaScript",
    toolchain: &["componentize-qjs 0.4.5"],
    tools: &[NPM],
    kilobytes: 1_100,
    imports_wasi: false,
    limits: "{memory: 8Mi, cpu: 5s}",
};

const PYTHON: Language = Language {
    folder: "python",
    name: "Python",
    toolchain: &["componentize-py 0.25.1"],
    tools: &[PIP],
    kilobytes: 18_500,
    imports_wasi: true,
    limits: "{memory: 32Mi, cpu: 5s}",
};

const PIP: &[&str] = &["python3", "-m", "pip", "--version"];
const NPM: &[&str] = &["npm", "--version"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn c() {
    C.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn go() {
    GO.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn javascript() {
    JAVASCRIPT.check().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python() {
    PYTHON.check().await;
}

impl Language {
    /// Build its guest, and let it respond to two events.
    async fn check(&self) {
        let Some(component) = self.component() else { return };
        let kilobytes = component.len() / 1000;
        assert!(kilobytes.abs_diff(self.kilobytes) <= self.kilobytes / 10, "it has {kilobytes} KB");
        let folder = self.folder(&component);
        // Compiled here, however long it takes, and then in the cache of the host.
        let loader = loader(folder.path());
        let (inspections, problems) = loader.inspect(&loader.policy().unwrap(), |name| name.starts_with("acme:")).await;
        assert!(problems.is_empty(), "{problems:?}");
        assert!(inspections[0].warnings.is_empty(), "{:?}", inspections[0].warnings);
        let imports = inspections[0].imports.iter().map(|import| format!("{}.{}", import.interface, import.function));
        let (of_wasi, mut seen): (Vec<_>, Vec<_>) = imports.partition(|import| import.starts_with("wasi:"));
        assert_eq!(!of_wasi.is_empty(), self.imports_wasi, "{of_wasi:?}");

        let simulation = Simulation::from_yaml(CLUSTER).unwrap();
        let host = Host::start(config(folder.path()), simulation.client()).await;
        let host = host.unwrap_or_else(|log| panic!("{}", told(&log.lines())));
        for pod in ["web-0", "web-1"] {
            host.post(event("shell", pod)).await;
        }
        let lines = host.stop().await;
        for pod in ["web-0", "web-1"] {
            let line = lines.iter().find(|line| line["message"] == "action" && text(line, "pod") == pod);
            let line = line.unwrap_or_else(|| panic!("{}", told(&lines)));
            seen.push(format!("{}: {}{}", text(line, "status"), text(line, "error"), text(line, "output")));
            let metadata = simulation.get("v1", "Pod", Some("shop"), pod).unwrap()["metadata"].clone();
            let details = text(line, "details").replace(text(&metadata, "uid"), "UID");
            seen.push(format!("{pod}: {}, {details}", metadata["labels"]));
        }
        expect![[r#"
            kubernetes-write.patch
            success: the pod 'web-0' in the namespace 'shop' has been labeled
            web-0: {"suspicious":"very"}, {"uid":"UID"}
            success: the pod 'web-1' in the namespace 'shop' has been labeled
            web-1: {"suspicious":"very"}, {"uid":"UID"}"#]]
        .assert_eq(&seen.join("\n"));
    }

    /// The files of a host whose only rule is for its guest.
    fn folder(&self, component: &[u8]) -> tempfile::TempDir {
        let (folder, actionner) = (tempfile::tempdir().unwrap(), format!("acme:label-in-{}", self.folder));
        let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
        fs::create_dir(folder.path().join("actionners")).unwrap();
        write("actionners/guest.wasm", component);
        let rules = format!(
            "- rule: Respond\n  match: {{rules: [shell]}}\n  actions:\n    \
             - {{action: Label it, actionner: '{actionner}', parameters: {{value: very}}}}\n"
        );
        write("rules.yaml", rules.as_bytes());
        let entry = format!(
            "    kubernetes: [{{verbs: [patch], resources: [pods], fields: [metadata.labels.suspicious]}}]\n    \
             limits: {}\n",
            self.limits
        );
        write("policy.yaml", policy(&actionner, component, &entry).as_bytes());
        folder
    }

    /// Its guest, `None` where the tools to build it are missing; then it says so.
    fn component(&self) -> Option<Vec<u8>> {
        let sources = folder("guests/languages");
        let built = cache().join(format!("{}-{}.wasm", self.folder, self.fingerprint(&sources)));
        if let Ok(component) = fs::read(&built) {
            return Some(component);
        }
        if let Some(missing) = self.tools.iter().find(|command| !succeeds(command)) {
            eprintln!("skipped in {}: `{}` fails here", self.name, missing.join(" "));
            assert!(std::env::var_os("CI").is_none(), "this must not be skipped in CI");
            return None;
        }
        fs::create_dir_all(cache()).unwrap();
        let unfinished = built.with_extension(format!("{}.new", std::process::id()));
        let mut build = Command::new("sh");
        build.arg(sources.join(self.folder).join("build.sh")).arg(&unfinished).stdin(Stdio::null());
        let output = build.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        fs::rename(unfinished, &built).unwrap();
        Some(fs::read(built).unwrap())
    }

    /// Of all files that it is built of.
    fn fingerprint(&self, sources: &Path) -> String {
        let mut all = fs::read(sources.join("tools.sh")).unwrap();
        for folder in [self.folder, "wit"] {
            for file in files(&sources.join(folder)) {
                all.extend(file.strip_prefix(sources).unwrap().as_os_str().as_encoded_bytes());
                all.extend(fs::read(&file).unwrap());
            }
        }
        digest(&all).trim_start_matches("sha256:")[..16].to_owned()
    }
}

/// What the README for authors says of each.
pub(crate) fn table() -> String {
    let mut rows = "| language | made by | size | imports WASI | `limits` |\n|---|---|---|---|---|\n".to_owned();
    for language in [C, GO, JAVASCRIPT, PYTHON] {
        let Language { folder, name, toolchain, kilobytes, imports_wasi, limits, .. } = language;
        let size =
            if kilobytes < 1000 { format!("{kilobytes} KB") } else { format!("{:.1} MB", kilobytes as f64 / 1e3) };
        let wasi = if imports_wasi { "yes" } else { "no" };
        rows.push_str(&format!(
            "| [{name}](../../tests/guests/languages/{folder}) | {} | {size} | {wasi} | `{limits}` |\n",
            toolchain.join(", ")
        ));
    }
    rows
}

#[test]
fn toolchains_are_those_of_the_build_scripts() {
    for language in [C, GO, JAVASCRIPT, PYTHON] {
        let folder = folder("guests/languages").join(language.folder);
        let all: String = files(&folder).iter().filter_map(|path| fs::read_to_string(path).ok()).collect();
        let missing: Vec<_> = language.toolchain.iter().filter(|tool| !all.contains(**tool)).collect();
        assert!(missing.is_empty(), "{}: {missing:?}", language.name);
    }
}

/// Where what is built is kept, beside the tools that `tools.sh` fetches.
fn cache() -> PathBuf {
    let caches = std::env::var_os("XDG_CACHE_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
    let caches = caches.unwrap_or_else(|| std::env::home_dir().unwrap().join(".cache"));
    caches.join("falco-talon-tests/guests")
}

fn succeeds(command: &[&str]) -> bool {
    let [program, arguments @ ..] = command else { return false };
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// All files below a folder, sorted.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(files(&entry.path())),
            false => found.push(entry.path()),
        }
    }
    found.sort();
    found
}

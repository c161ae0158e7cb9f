//! The SDK as an author gets it: packaged, and used by a crate that knows nothing of this repository.

use std::fs;
use std::path::Path;
use std::process::Command;

use falco_talon_builder::Build;
use wit_component::DecodedWasm;

use crate::documents::root;

const SDK: &str = "falco-talon-sdk-1.0.0";

#[test]
fn its_contract_is_that_of_the_host() {
    let read = |folder: &str| {
        let mut files: Vec<_> = fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        files.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect::<Vec<_>>()
    };
    assert_eq!(read("actionners/sdk/wit"), read("wit"), "copy `wit/` to `actionners/sdk/wit/`");
}

#[test]
fn it_stands_alone() {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("package");
    run(Command::new(env!("CARGO"))
        .args(["package", "--package", "falco-talon-sdk", "--locked", "--allow-dirty", "--target-dir"])
        .arg(&target)
        .current_dir(root()));
    let folder = tempfile::tempdir().unwrap();
    let package = target.join(format!("package/{SDK}.crate"));
    run(Command::new("tar").arg("-xzf").arg(&package).current_dir(folder.path()));
    let author = folder.path().join("acme-page");
    fs::create_dir_all(author.join("src")).unwrap();
    let example = root().join("tests/guests/example-http");
    for file in ["src/lib.rs", "parameters.json"] {
        fs::copy(example.join(file), author.join(file)).unwrap();
    }
    // The versions that were fetched already.
    fs::copy(root().join("Cargo.lock"), author.join("Cargo.lock")).unwrap();
    fs::write(author.join("Cargo.toml"), manifest()).unwrap();
    let components = Build::of_package(&author).unwrap().run().unwrap();
    let [component] = components.as_slice() else { panic!("{} components", components.len()) };
    let DecodedWasm::Component(resolve, world) = wit_component::decode(&component.bytes).unwrap() else {
        panic!("not a component")
    };
    let exports: Vec<_> = resolve.worlds[world].exports.keys().map(|key| resolve.name_world_key(key)).collect();
    assert_eq!(exports, ["falco-talon:actionner/action@1.0.0"]);
}

/// As the README says, but for where the SDK is.
fn manifest() -> String {
    let readme = fs::read_to_string(root().join("actionners/sdk/README.md")).unwrap();
    let (_, manifest) = readme.split_once("```toml\n").unwrap();
    let (manifest, _) = manifest.split_once("```").unwrap();
    let dependency = "falco-talon-sdk = \"1\"";
    assert!(manifest.contains(dependency), "{manifest}");
    manifest.replace(dependency, &format!("falco-talon-sdk = {{ path = \"../{SDK}\" }}"))
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}

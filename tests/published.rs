//! Components that were built when a version of the contract was new, and have not changed since.
//!
//! What they do is held by the cases that are named after them. Here it is that they are the same, and what they say of
//! themselves.

use std::fs;

use expect_test::expect;
use host::testing::{Cache, digest};

use crate::data::loader;
use crate::material::folder;

/// Built against `falco-talon:actionner@1.0.0`.
pub(crate) const V1_0_0: &[u8] = include_bytes!("guests/published/1.0.0/survey.wasm");

#[test]
fn the_component_of_1_0_0_is_the_one_that_was_published() {
    let readme = fs::read_to_string(folder("guests/published/1.0.0").join("README.md")).unwrap();
    assert!(readme.contains(&digest(V1_0_0)), "it is {}", digest(V1_0_0));
}

#[tokio::test]
async fn the_component_of_1_0_0_is_known_by_what_it_imports_and_says() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("actionners")).unwrap();
    fs::write(folder.path().join("actionners/survey.wasm"), V1_0_0).unwrap();
    let (mut loader, cache) = (loader(folder.path()), folder.path().join("cache"));
    loader.cache = Some(Cache::open(&cache).unwrap());
    let file = folder.path().join("actionners/survey.wasm");
    let inspection = loader.inspect_file(&loader.policy().unwrap(), &file).await.unwrap();
    assert!(inspection.warnings.is_empty(), "{:?}", inspection.warnings);
    // The cache keeps its words, behind a MAC.
    let digest = digest(V1_0_0);
    let kept = fs::read(cache.join(format!("{}.json", digest.trim_start_matches("sha256:")))).unwrap();
    assert!(kept.ends_with(include_bytes!("guests/published/1.0.0/source/src/description.json")));
    let imports = inspection.imports.iter().map(|import| format!("{}.{}\n", import.interface, import.function));
    expect![[r#"
        artifacts.[method]artifact.write
        artifacts.[static]artifact.create
        clock.now
        clock.pause
        functions.invoke-google
        functions.invoke-lambda
        http.send
        kubernetes-exec.exec
        kubernetes-exec.exec-into
        kubernetes-read.discover
        kubernetes-read.get
        kubernetes-read.list
        kubernetes-read.logs
        kubernetes-read.logs-into
        kubernetes-read.wait
        kubernetes-read.wait-deleted
        kubernetes-write.apply
        kubernetes-write.create
        kubernetes-write.delete
        kubernetes-write.evict
        kubernetes-write.patch
        log.write
        objects.get
        objects.put
    "#]]
    .assert_eq(&imports.collect::<String>());
}

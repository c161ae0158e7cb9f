//! Parts and copies of the contract, which must say what the contract in `wit/` says.

use std::fs;
use std::path::Path;

use crate::material::folder;

/// Fails where an interface of the contract lacks an item of `text` or has it in other words. Comments don't count, nor
/// what only the contract has.
fn check_part(text: &str) {
    let text = format!("\n{}", uncommented(text));
    for interface in text.split("\ninterface ").skip(1) {
        let (name, items) = interface.split_once(" {\n").unwrap();
        let whole = fs::read_to_string(folder("guests").join(format!("../../wit/{name}.wit")));
        let whole = uncommented(&whole.unwrap_or_else(|error| panic!("{name}: {error}")));
        for item in items.trim_end().trim_end_matches('}').split("\n\n").filter(|item| !item.starts_with("  use ")) {
            // A resource has items of its own, behind the last of which others may have been added.
            let is_last = item.matches('}').count() > item.matches('{').count();
            let item = if is_last { item.trim_end_matches(['}', '\n', ' ']) } else { item.trim_end() };
            assert!(whole.contains(item), "{name}.wit has no longer:\n{item}");
        }
    }
}

fn uncommented(text: &str) -> String {
    text.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| format!("{line}\n")).collect()
}

fn package(text: &str) -> &str {
    text.lines().find(|line| line.starts_with("package ")).unwrap()
}

#[test]
fn the_contract_for_other_languages_is_a_part_of_the_whole() {
    let trimmed = fs::read_to_string(folder("guests/languages/wit").join("actionner.wit")).unwrap();
    let whole = fs::read_to_string(folder("guests").join("../../wit/world.wit")).unwrap();
    assert_eq!(package(&trimmed), package(&whole));
    check_part(&trimmed);
}

#[test]
fn the_contract_still_has_all_that_it_had_as_1_0_0() {
    let check = |path: &Path| check_part(&fs::read_to_string(path).unwrap());
    let files = fs::read_dir(folder("guests/published/1.0.0/source/wit")).unwrap();
    files.for_each(|file| check(&file.unwrap().path()));
}

#[test]
#[should_panic(expected = "types.wit has no longer")]
fn what_it_lacks_is_found() {
    check_part("interface types {\n  record object {\n    group: string,\n  }\n}\n");
}

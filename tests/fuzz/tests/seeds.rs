//! Holds what is fuzzed against the seeds of the targets, and against what other tests are made of.

use std::fs;
use std::path::Path;

#[test]
fn every_seed_holds() {
    for (target, holds) in fuzz::TARGETS {
        let mut seeds = 0;
        for seed in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds").join(target)).unwrap() {
            let seed = seed.unwrap().path();
            eprintln!("{}", seed.display());
            holds(&fs::read(seed).unwrap());
            seeds += 1;
        }
        assert!(seeds > 0, "{target}");
    }
}

#[test]
fn every_case_holds() {
    let mut files = 0;
    for case in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../cases")).unwrap() {
        for file in fs::read_dir(case.unwrap().path()).unwrap() {
            let file = file.unwrap().path();
            let holds = match file.file_name().unwrap().to_str().unwrap() {
                "rules.yaml" => fuzz::rules,
                "policy.yaml" => fuzz::policy,
                name if name.starts_with("event") => fuzz::event,
                _ => continue,
            };
            eprintln!("{}", file.display());
            holds(&fs::read(file).unwrap());
            files += 1;
        }
    }
    assert!(files > 0);
}

#[test]
fn every_bundled_description_holds() {
    let mut files = 0;
    for actionner in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../actionners")).unwrap() {
        if let Ok(text) = fs::read_to_string(actionner.unwrap().path().join("description.json")) {
            fuzz::description(format!("{{}}\n{text}").as_bytes());
            files += 1;
        }
    }
    assert!(files > 0);
}

//! Policies that people may have, as they were published: each loads for good, or its error has the
//! line to write instead.
//!
//! The files of `published/` are never changed. Whoever writes a policy may have copied it from one.

use std::fs;
use std::path::{Path, PathBuf};

use expect_test::expect;
use policy::Policy;

fn here(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries
}

/// The policy before any file, of the actionners that are bundled today.
fn bundled() -> Policy {
    let folders = entries(&here("../../actionners"));
    let entry = |folder: &PathBuf| {
        let text = fs::read_to_string(folder.join("policy.yaml")).ok()?;
        let name = folder.file_name()?.to_str()?.replacen('-', ":", 1);
        Some((name, text))
    };
    let entries: Vec<(String, String)> = folders.iter().filter_map(entry).collect();
    assert!(entries.len() > 10, "where are they?");
    let entries = entries.iter().map(|(name, text)| (name.as_str(), text.as_str()));
    Policy::bundled(entries).unwrap_or_else(|errors| panic!("{errors:#?}")).protecting("falco-talon")
}

#[test]
fn a_published_policy_loads_or_its_error_has_the_line_to_write() {
    let (bundled, mut refused, mut warned, mut count) = (bundled(), String::new(), String::new(), 0);
    for version in entries(&here("tests/published")) {
        for file in entries(&version) {
            let text = fs::read_to_string(&file).unwrap();
            for document in text.split("---\n").skip(1) {
                let (title, _) = document.split_once('\n').unwrap();
                let name = format!("{}, {}", file.file_name().unwrap().display(), title.trim_start_matches("# "));
                let read = Policy::parse("policy.yaml", document).and_then(|policy| bundled.clone().with(policy));
                count += 1;
                match read {
                    Ok(policy) => {
                        policy.warnings().iter().for_each(|warning| warned += &format!("{name}: {warning}\n"));
                    }
                    Err(errors) => errors.iter().for_each(|error| refused += &format!("{name}: {error}\n")),
                }
            }
        }
    }
    assert!(count > 50, "{count}");
    // What gives power loads as it did, and is said.
    expect![[r#"
        bundled-0.1.0.yaml, policy print: policy.yaml:58:9: `delete` of `namespaces` gives power over a namespace: with it goes all that lies in it; narrow it by `names`
        bundled-0.1.0.yaml, policy print: policy.yaml:58:9: `delete` of `rbac.authorization.k8s.io/clusterroles` gives power over the cluster: its own parts work by some of them; narrow it by `names`
        cases-0.1.0.yaml, denied-http-url: policy.yaml:3:3: `acme:page`: the header `Authorization` for http://127.0.0.1:8080/falco/ is a secret that stands in the policy: use `{env: NAME}` or `{file: /path}`
        cases-0.1.0.yaml, denied-sysdig-create: policy.yaml:10:9: `create` of `pods/exec` gives power over the accounts of all pods that it reaches: it runs there what it likes; narrow it by a scope of the event
        cases-0.1.0.yaml, denied-sysdig-delete: policy.yaml:11:9: `create` of `pods/exec` gives power over the accounts of all pods that it reaches: it runs there what it likes; narrow it by a scope of the event
    "#]].assert_eq(&warned);
    expect![[r#"
        cases-0.1.0.yaml, nothing is protected: policy.yaml:2:25: `protected` adds to what is protected, so that an empty list says nothing: leave it out, or to allow writes in kube-system, write at the top of the file:
          unprotected: {namespaces: [kube-system]}
    "#]].assert_eq(&refused);
}

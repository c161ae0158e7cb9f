//! Rules that change while the host runs, in each of the ways in which files change.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use simulation::Simulation;
use tempfile::TempDir;

use crate::hostile::{CLUSTER, event};
use crate::running::{Host, config, text, told};

/// As many rules, of which the last responds to the event `good` by a label with this value.
fn rules(count: usize, value: &str) -> String {
    let rule = |number: usize| {
        let labels = format!("{{labels: {{rules: '{value}'}}}}");
        let matched = if number == count { "good" } else { "other" };
        format!(
            "- rule: Rule {number}\n  match: {{rules: [{matched}]}}\n  actions:\n    \
             - {{action: Label it {number}, actionner: 'kubernetes:label', parameters: {labels}}}\n"
        )
    };
    (1..=count).map(rule).collect()
}

struct Reloading {
    folder: TempDir,
    simulation: Simulation,
    host: Host,
}

impl Reloading {
    /// A host with one rule, in a folder that `lay_out` has filled.
    async fn start(lay_out: impl FnOnce(&Path)) -> Reloading {
        let folder = tempfile::tempdir().unwrap();
        lay_out(folder.path());
        let mut config = config(folder.path());
        config.watch_rules = true;
        config.deduplication.window = std::time::Duration::ZERO;
        let simulation = Simulation::from_yaml(CLUSTER).unwrap();
        let host =
            Host::start(config, simulation.client()).await.unwrap_or_else(|log| panic!("{}", told(&log.lines())));
        Reloading { folder, simulation, host }
    }

    async fn loaded(&self, count: usize) {
        let loaded = format!("{count} rules have been successfully loaded");
        self.host.log.line("rules", |line| text(line, "result") == loaded).await;
    }

    /// Which rules are in force, seen by what they do.
    async fn check_in_force(self, value: &str) {
        self.host.post(event("good", "web-0")).await;
        self.host.stop().await;
        let pod = self.simulation.get("v1", "Pod", Some("shop"), "web-0").unwrap();
        assert_eq!(pod["metadata"]["labels"]["rules"], value);
    }
}

fn write_rules(folder: &Path) {
    fs::write(folder.join("rules.yaml"), rules(1, "first")).unwrap();
}

/// As the kubelet lays out a ConfigMap: one link for each file, and one that is swapped.
fn lay_out_config_map(folder: &Path) {
    swap_config_map(folder, "..1", &rules(1, "first"));
    symlink("..data/rules.yaml", folder.join("rules.yaml")).unwrap();
}

fn swap_config_map(folder: &Path, version: &str, rules: &str) {
    fs::create_dir(folder.join(version)).unwrap();
    fs::write(folder.join(version).join("rules.yaml"), rules).unwrap();
    symlink(version, folder.join("..data_tmp")).unwrap();
    fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
}

#[tokio::test]
async fn a_file_is_replaced() {
    let reloading = Reloading::start(write_rules).await;
    let folder = reloading.folder.path();
    fs::write(folder.join("rules.new"), rules(2, "second")).unwrap();
    fs::rename(folder.join("rules.new"), folder.join("rules.yaml")).unwrap();
    reloading.loaded(2).await;
    reloading.check_in_force("second").await;
}

#[tokio::test]
async fn a_file_is_written_in_place() {
    let reloading = Reloading::start(write_rules).await;
    fs::write(reloading.folder.path().join("rules.yaml"), rules(2, "second")).unwrap();
    reloading.loaded(2).await;
    reloading.check_in_force("second").await;
}

#[tokio::test]
async fn a_config_map_is_swapped_twice() {
    let reloading = Reloading::start(lay_out_config_map).await;
    let folder = reloading.folder.path();
    swap_config_map(folder, "..2", &rules(2, "second"));
    fs::remove_dir_all(folder.join("..1")).unwrap();
    reloading.loaded(2).await;
    swap_config_map(folder, "..3", &rules(3, "third"));
    fs::remove_dir_all(folder.join("..2")).unwrap();
    reloading.loaded(3).await;
    reloading.check_in_force("third").await;
}

#[tokio::test]
async fn wrong_rules_leave_the_old_ones_in_force() {
    let reloading = Reloading::start(write_rules).await;
    let path = reloading.folder.path().join("rules.yaml");
    fs::write(&path, rules(2, "second").replace("kubernetes:label", "kubernetes:lable")).unwrap();
    let log = &reloading.host.log;
    log.line("rules", |line| text(line, "error").contains("did you mean 'kubernetes:label'?")).await;
    log.line("rules", |line| text(line, "error") == "invalid rules").await;
    reloading.check_in_force("first").await;
}

#[tokio::test]
async fn a_missing_file_leaves_the_old_rules_in_force() {
    let reloading = Reloading::start(write_rules).await;
    let path = reloading.folder.path().join("rules.yaml");
    fs::remove_file(&path).unwrap();
    reloading.host.log.line("rules", |line| text(line, "error") == "invalid rules").await;
    fs::write(&path, rules(2, "second")).unwrap();
    reloading.loaded(2).await;
    reloading.check_in_force("second").await;
}

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
        Self::start_at("rules.yaml", lay_out).await
    }

    /// The same, where the rules lie at another place of the folder.
    async fn start_at(rules: &str, lay_out: impl FnOnce(&Path)) -> Reloading {
        let folder = tempfile::tempdir().unwrap();
        lay_out(folder.path());
        let mut config = config(folder.path());
        config.rules_files = vec![folder.path().join(rules)];
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

/// What does not change is loaded too: who asks for it knows why.
#[tokio::test]
async fn it_is_asked_for() {
    let reloading = Reloading::start(write_rules).await;
    let asked = "asked to load them anew";
    reloading.host.reload.notify_one();
    reloading.host.log.line("rules", |line| text(line, "result") == asked).await;
    reloading.host.log.line("rules", |line| text(line, "result").starts_with("1 rule has been")).await;
    reloading.check_in_force("first").await;
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

/// `link` leads to a folder, and from now on to another one.
fn swap(link: &Path, to: &str) {
    let unfinished = link.with_file_name("unfinished");
    symlink(to, &unfinished).unwrap();
    fs::rename(unfinished, link).unwrap();
}

fn write_in(folder: &Path, rules: &str) {
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("rules.yaml"), rules).unwrap();
}

#[tokio::test]
async fn a_link_to_a_folder_is_swapped_as_git_sync_does() {
    let lay_out = |folder: &Path| {
        write_in(&folder.join("worktrees/1/talon"), &rules(1, "first"));
        symlink("worktrees/1", folder.join("current")).unwrap();
    };
    let reloading = Reloading::start_at("current/talon/rules.yaml", lay_out).await;
    let folder = reloading.folder.path();
    for count in 2..=4 {
        let worktree = format!("worktrees/{count}");
        write_in(&folder.join(&worktree).join("talon"), &rules(count, "another"));
        swap(&folder.join("current"), &worktree);
        fs::remove_dir_all(folder.join(format!("worktrees/{}", count - 1))).unwrap();
        reloading.loaded(count).await;
    }
    // What lies behind the last link is watched as what lay behind the first one was.
    fs::write(folder.join("worktrees/4/talon/rules.yaml"), rules(5, "last")).unwrap();
    reloading.loaded(5).await;
    reloading.check_in_force("last").await;
}

#[tokio::test]
async fn a_config_map_has_items_with_folders_in_their_paths() {
    let lay_out = |folder: &Path| {
        write_in(&folder.join("..1/talon"), &rules(1, "first"));
        symlink("..1", folder.join("..data")).unwrap();
        symlink("..data/talon", folder.join("talon")).unwrap();
    };
    let reloading = Reloading::start_at("talon/rules.yaml", lay_out).await;
    let folder = reloading.folder.path();
    for count in 2..=3 {
        let version = format!("..{count}");
        write_in(&folder.join(&version).join("talon"), &rules(count, "another"));
        swap(&folder.join("..data"), &version);
        fs::remove_dir_all(folder.join(format!("..{}", count - 1))).unwrap();
        reloading.loaded(count).await;
    }
    reloading.check_in_force("another").await;
}

#[tokio::test]
async fn a_folder_is_made_anew() {
    let reloading = Reloading::start_at("etc/talon/rules.yaml", |folder| {
        write_in(&folder.join("etc/talon"), &rules(1, "first"));
    })
    .await;
    let etc = reloading.folder.path().join("etc");
    fs::remove_dir_all(&etc).unwrap();
    reloading.host.log.line("rules", |line| text(line, "error") == "invalid rules").await;
    write_in(&etc.join("talon"), &rules(2, "second"));
    reloading.loaded(2).await;
    fs::rename(&etc, reloading.folder.path().join("old")).unwrap();
    write_in(&etc.join("talon"), &rules(3, "third"));
    reloading.loaded(3).await;
    fs::write(etc.join("talon/rules.yaml"), rules(4, "fourth")).unwrap();
    reloading.loaded(4).await;
    reloading.check_in_force("fourth").await;
}

#[tokio::test]
async fn policy_and_actionners_lie_behind_links_too() {
    let write = |folder: &Path, namespaces: &str, component: &[u8]| {
        fs::create_dir_all(folder.join("actionners")).unwrap();
        fs::write(folder.join("policy.yaml"), format!("protected: {{namespaces: [{namespaces}]}}\n")).unwrap();
        fs::write(folder.join("actionners/one.wasm"), component).unwrap();
    };
    let reloading = Reloading::start(|folder| {
        write_rules(folder);
        write(&folder.join("..1"), "a", b"first");
        symlink("..1", folder.join("..data")).unwrap();
        symlink("..data/policy.yaml", folder.join("policy.yaml")).unwrap();
        symlink("..data/actionners", folder.join("actionners")).unwrap();
    })
    .await;
    let folder = reloading.folder.path();
    let changed = |name: &'static str| {
        reloading.host.log.line("rules", move |line| {
            text(line, "result") == "changes detected" && text(line, "files").ends_with(name)
        })
    };
    write(&folder.join("..2"), "b", b"first");
    swap(&folder.join("..data"), "..2");
    changed("/policy.yaml").await;
    write(&folder.join("..3"), "b", b"second");
    swap(&folder.join("..data"), "..3");
    changed("/actionners/one.wasm").await;
    reloading.check_in_force("first").await;
}

#[tokio::test]
async fn what_is_not_named_does_not_count() {
    let reloading = Reloading::start(write_rules).await;
    let folder = reloading.folder.path().to_owned();
    let grows = tokio::spawn(async move {
        let mut log = fs::File::create(folder.join("audit.log")).unwrap();
        loop {
            std::io::Write::write_all(&mut log, b"a line\n").unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
    });
    fs::write(reloading.folder.path().join("rules.yaml"), rules(2, "second")).unwrap();
    reloading.loaded(2).await;
    grows.abort();
    let detected = |line: &&serde_json::Value| text(line, "result") == "changes detected";
    let lines = reloading.host.log.lines();
    let files: Vec<_> = lines.iter().filter(detected).map(|line| text(line, "files").to_owned()).collect();
    assert_eq!(files, [reloading.folder.path().join("rules.yaml").display().to_string()]);
    reloading.check_in_force("second").await;
}

/// The rules that name it are refused, and nothing but the file itself makes them right.
#[tokio::test]
async fn a_script_that_rules_name_comes_later() {
    let reloading = Reloading::start(write_rules).await;
    let folder = reloading.folder.path();
    let script = folder.join("script.sh");
    let action =
        format!("{{action: Run it, actionner: 'kubernetes:script', parameters: {{file: '{}'}}}}", script.display());
    let named = format!("- rule: Named\n  match: {{rules: [named]}}\n  actions: [{action}]\n");
    fs::write(folder.join("rules.yaml"), rules(1, "second") + &named).unwrap();
    reloading.host.log.line("rules", |line| text(line, "error") == "invalid rules").await;
    fs::write(&script, "id").unwrap();
    reloading.loaded(2).await;
    let lines = reloading.host.log.lines();
    let detected: Vec<_> = lines.iter().filter(|line| text(line, "result") == "changes detected").collect();
    assert_eq!(detected.len(), 2, "{detected:?}");
    assert_eq!(text(detected[1], "files"), script.display().to_string());
    reloading.check_in_force("second").await;
}

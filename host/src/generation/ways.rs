//! Where changes of files show: in the folders that their names lead through, and in what the files hold.
//!
//! An editor replaces a file, a ConfigMap swaps a link two levels up, `git-sync` one to a whole folder, and somebody
//! makes a folder anew: none of them writes to the file that was there before. So a name is followed from the root,
//! link by link, as the file system does it, and each entry on the way counts. Does not know what the files are for.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use notify::Event;

use super::component_file;
use crate::actionner::digest;

/// How what [`digest`] makes begins.
const DIGEST: &str = "sha256:";

/// As many as Linux follows.
const LINKS_MAX: usize = 40;

/// What names lead through, as it is now.
#[derive(Debug, Default)]
pub(super) struct Ways {
    /// The folders that have an entry on the way.
    pub(super) folders: BTreeSet<PathBuf>,
    /// Those entries: folders, links, and the files themselves.
    entries: BTreeSet<PathBuf>,
    /// Folders in which each component counts, be it new.
    of_components: BTreeSet<PathBuf>,
}

impl Ways {
    /// Follow these names, and in a folder those of its components.
    pub(super) fn of(names: &[PathBuf]) -> Self {
        let mut ways = Self::default();
        for name in names {
            let Some(real) = ways.follow(name).filter(|real| real.is_dir()) else { continue };
            for component in component_file::in_folder(&real).unwrap_or_default() {
                ways.follow(&component);
            }
            ways.folders.insert(real.clone());
            ways.of_components.insert(real);
        }
        ways
    }

    /// Where a name leads, if there is anything.
    fn follow(&mut self, name: &Path) -> Option<PathBuf> {
        let (mut at, mut links) = (PathBuf::from("/"), 0);
        let mut ahead = steps(&std::path::absolute(name).ok()?);
        while let Some(step) = ahead.pop() {
            if step == ".." {
                at.pop();
                continue;
            }
            let entry = at.join(step);
            self.folders.insert(at.clone());
            self.entries.insert(entry.clone());
            match fs::read_link(&entry) {
                Ok(target) => {
                    links += 1;
                    if links > LINKS_MAX {
                        return None;
                    }
                    if target.is_absolute() {
                        at = PathBuf::from("/");
                    }
                    ahead.extend(steps(&target));
                }
                // It is there, and no link.
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => at = entry,
                Err(_) => return None,
            }
        }
        Some(at)
    }

    /// Whether an event is about anything that a name leads through.
    pub(super) fn concern(&self, event: &Event) -> bool {
        let concerns = |path: &PathBuf| {
            let is_in = |folders: &BTreeSet<PathBuf>| path.parent().is_some_and(|folder| folders.contains(folder));
            let is_component = component_file::is_named(path) && is_in(&self.of_components);
            is_component || self.entries.contains(path)
        };
        // Some may have been lost.
        event.need_rescan() || event.paths.iter().any(concerns)
    }
}

/// The parts of a path, the first one last.
fn steps(path: &Path) -> Vec<OsString> {
    let steps = path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    let mut steps: Vec<OsString> = steps.collect();
    steps.reverse();
    steps
}

/// What files hold, as digests; in the place of a digest, why one can't be read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Contents(pub(super) BTreeMap<PathBuf, String>);

impl Contents {
    /// Of these files, and of the components in these folders.
    pub(super) fn of(names: &[PathBuf]) -> Self {
        let mut files: Vec<PathBuf> = Vec::new();
        for name in names {
            match component_file::in_folder(name) {
                Ok(components) => files.extend(components),
                Err(_) => files.push(name.clone()),
            }
        }
        let held = |file: PathBuf| {
            let held = component_file::read(&file).map_or_else(|error| error.to_string(), |bytes| digest(&bytes));
            (file, held)
        };
        Self(files.into_iter().map(held).collect())
    }

    /// Those that can't be read.
    pub(super) fn unreadable(mut self) -> Self {
        self.0.retain(|_, held| !held.starts_with(DIGEST));
        self
    }

    /// The files that hold something else than `before`, new and missing ones among them.
    pub(super) fn changed_since(&self, before: &Self) -> Vec<PathBuf> {
        let of_either: BTreeSet<&PathBuf> = self.0.keys().chain(before.0.keys()).collect();
        of_either.into_iter().filter(|file| self.0.get(*file) != before.0.get(*file)).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use notify::EventKind;

    use super::*;

    /// Whether a change of `changed` shows to whoever watches for `name`.
    #[track_caller]
    fn check(root: &Path, name: &str, changed: &str, expected: bool) {
        let ways = Ways::of(&[root.join(name)]);
        let path = root.join(changed);
        let watched = path.parent().is_some_and(|folder| ways.folders.contains(folder));
        let concerned = ways.concern(&Event::new(EventKind::Any).add_path(path));
        assert_eq!((watched, concerned), (watched || expected, expected), "{name}: {changed}");
    }

    #[test]
    fn each_entry_on_the_way_counts() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for folder in ["git/wt/a/talon", "components/deep", "configmap/..1/talon"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        fs::write(root.join("git/wt/a/talon/rules.yaml"), "").unwrap();
        fs::write(root.join("configmap/..1/talon/rules.yaml"), "").unwrap();
        fs::write(root.join("components/deep/one.wasm"), "").unwrap();
        symlink("wt/a", root.join("git/current")).unwrap();
        symlink("..1", root.join("configmap/..data")).unwrap();
        symlink("..data/talon", root.join("configmap/talon")).unwrap();
        symlink("deep/one.wasm", root.join("components/two.wasm")).unwrap();
        symlink("round", root.join("round")).unwrap();
        let rules = "git/current/talon/rules.yaml";
        check(&root, rules, "git/current", true);
        check(&root, rules, "git/wt/a/talon/rules.yaml", true);
        check(&root, rules, "git/wt/a", true);
        check(&root, rules, "git", true);
        check(&root, rules, "git/wt/a/talon/other.yaml", false);
        check(&root, rules, "git/other", false);
        check(&root, "configmap/talon/rules.yaml", "configmap/..data", true);
        check(&root, "configmap/talon/../talon/rules.yaml", "configmap/..1/talon/rules.yaml", true);
        check(&root, "absent/rules.yaml", "absent", true);
        check(&root, "round", "round", true);
        check(&root, "components", "components/two.wasm", true);
        check(&root, "components", "components/deep/one.wasm", true);
        check(&root, "components", "components/new.WASM", true);
        check(&root, "components", "components/new.log", false);
    }
}

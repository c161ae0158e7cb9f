//! Which file of a crate knows which others, as its `use` lines and paths say.
//!
//! A name that a module only hands on is followed to the file that defines it. What is compiled
//! for tests alone does not count.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use syn::visit::{self, Visit};
use syn::{Attribute, File, ItemMod, ItemUse, UseTree, Visibility};

/// A module by its path in the crate; the crate's own file has none.
pub(crate) type Module = Vec<String>;

/// The files of a crate, and which of them each knows.
pub(crate) type Edges = BTreeMap<Module, BTreeSet<Module>>;

/// What is read of one file.
#[derive(Default)]
struct Source {
    /// Names that it hands on, and the paths that they come from.
    handed_on: BTreeMap<String, Vec<String>>,
    /// All other paths that it names.
    named: Vec<Vec<String>>,
    /// Modules in files of their own.
    children: Vec<String>,
}

/// Who knows whom in the crate whose `lib.rs` lies in `folder`.
pub(crate) fn edges(folder: &Path) -> Edges {
    let mut sources = BTreeMap::new();
    read(folder, Vec::new(), &mut sources);
    let resolve =
        |module: &Module, path: &[String]| absolute(module, path, &sources).map(|path| file_of(&path, &sources));
    sources
        .iter()
        .map(|(module, source)| {
            let known = source.named.iter().filter_map(|path| resolve(module, path));
            (module.clone(), known.filter(|known| known != module).collect())
        })
        .collect()
}

fn read(folder: &Path, module: Module, sources: &mut BTreeMap<Module, Source>) {
    let file =
        if module.is_empty() { folder.join("lib.rs") } else { folder.join(module.join("/")).with_extension("rs") };
    let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let parsed: File = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut source = Source::default();
    source.visit_file(&parsed);
    for child in source.children.clone() {
        read(folder, module.iter().cloned().chain([child]).collect(), sources);
    }
    sources.insert(module, source);
}

impl<'ast> Visit<'ast> for Source {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if is_for_tests(&item.attrs) {
            return;
        }
        if item.content.is_none() {
            self.children.push(item.ident.to_string());
        }
        visit::visit_item_mod(self, item);
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let is_own = matches!(item.vis, Visibility::Inherited);
        leaves(&item.tree, Vec::new(), &mut |path| {
            if is_own {
                self.named.push(path);
            } else if let Some(name) = path.last().cloned() {
                self.handed_on.insert(name, path);
            }
        });
    }

    /// `pub(super)` names a module, and knows nothing of it.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.named.push(path.segments.iter().map(|segment| segment.ident.to_string()).collect());
        visit::visit_path(self, path);
    }
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    let is_test = |attribute: &Attribute| {
        attribute.path().is_ident("cfg") && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
    };
    attributes.iter().any(is_test)
}

/// Each path of a `use`; one that renames ends with what it renames.
fn leaves(tree: &UseTree, before: Vec<String>, found: &mut impl FnMut(Vec<String>)) {
    let with = |name: &dyn ToString| before.iter().cloned().chain([name.to_string()]).collect();
    match tree {
        UseTree::Path(path) => leaves(&path.tree, with(&path.ident), found),
        UseTree::Group(group) => group.items.iter().for_each(|item| leaves(item, before.clone(), found)),
        UseTree::Name(name) if name.ident == "self" => found(before),
        UseTree::Name(name) => found(with(&name.ident)),
        UseTree::Rename(rename) => found(with(&rename.ident)),
        UseTree::Glob(_) => found(before),
    }
}

/// The path from the top of the crate, if it is one of this crate.
fn absolute(module: &Module, path: &[String], sources: &BTreeMap<Module, Source>) -> Option<Vec<String>> {
    let mut base = module.clone();
    let mut rest = path;
    match path.first()?.as_str() {
        "crate" => (base, rest) = (Vec::new(), &path[1..]),
        "self" => rest = &path[1..],
        "super" => {
            while rest.first().is_some_and(|step| step == "super") {
                base.pop();
                rest = &rest[1..];
            }
        }
        first => {
            let child = base.iter().cloned().chain([first.to_owned()]).collect::<Module>();
            let is_own = sources.contains_key(&child) || sources.get(module)?.handed_on.contains_key(first);
            if !is_own || path.len() < 2 && !sources.get(module)?.handed_on.contains_key(first) {
                return None;
            }
        }
    }
    base.extend(rest.iter().cloned());
    Some(base)
}

/// The file that defines what a path from the top of the crate names.
fn file_of(path: &[String], sources: &BTreeMap<Module, Source>) -> Module {
    let mut module = Module::new();
    for (at, step) in path.iter().enumerate() {
        let child: Module = module.iter().cloned().chain([step.clone()]).collect();
        if sources.contains_key(&child) {
            module = child;
            continue;
        }
        let handed_on = sources.get(&module).and_then(|source| source.handed_on.get(step));
        let followed = handed_on.filter(|from| from.last() != Some(step) || from.len() > 1);
        if let Some(from) = followed.and_then(|from| absolute(&module, from, sources)) {
            let whole: Vec<String> = from.into_iter().chain(path[at + 1..].iter().cloned()).collect();
            return file_of(&whole, sources);
        }
        break;
    }
    module
}

/// Files that know each other, directly or through others: each circle once.
pub(crate) fn circles(edges: &Edges) -> Vec<BTreeSet<Module>> {
    let reached = |from: &Module| {
        let mut reached = BTreeSet::new();
        let mut left = vec![from];
        while let Some(module) = left.pop() {
            left.extend(edges[module].iter().filter(|known| reached.insert((*known).clone())));
        }
        reached
    };
    let reached: BTreeMap<&Module, BTreeSet<Module>> = edges.keys().map(|module| (module, reached(module))).collect();
    let mut circles: Vec<BTreeSet<Module>> = Vec::new();
    for (module, known) in &reached {
        let circle: BTreeSet<Module> = known.iter().filter(|other| reached[other].contains(*module)).cloned().collect();
        if circle.len() > 1 && !circles.contains(&circle) {
            circles.push(circle);
        }
    }
    circles
}

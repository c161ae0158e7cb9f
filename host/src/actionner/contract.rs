//! Whether a component fits the contract of this host, and where it does not.
//!
//! Compares the interfaces that a component was built with to those of `wit/`, so that a misfit is told by the names of
//! both, and nothing need be compiled for it. Who may use what is the policy's.

mod misfit;
mod types;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use policy::{Import, Interface as Known};
use wit_component::DecodedWasm;
use wit_parser::{Function, Interface, InterfaceId, PackageName, Resolve, WorldId, WorldItem, WorldKey};

pub(super) use misfit::Misfit;
use types::Comparison;

use super::error::LoadError;
use super::features::{self, CodeError};
use super::file::FileError;

/// `wit/` as one text: the package's name stands in the file of the world.
const WIT: &str = concat!(
    include_str!("../../../wit/world.wit"),
    include_str!("../../../wit/types.wit"),
    include_str!("../../../wit/action.wit"),
    include_str!("../../../wit/log.wit"),
    include_str!("../../../wit/clock.wit"),
    include_str!("../../../wit/kubernetes-read.wit"),
    include_str!("../../../wit/kubernetes-write.wit"),
    include_str!("../../../wit/kubernetes-exec.wit"),
    include_str!("../../../wit/artifacts.wit"),
    include_str!("../../../wit/functions.wit"),
    include_str!("../../../wit/http.wit"),
    include_str!("../../../wit/objects.wit"),
);

/// The one interface that a component must export.
const ACTION: &str = "action";

/// What this host speaks.
struct Contract {
    resolve: Resolve,
    package: PackageName,
}

/// One interface that a component names, in words.
struct Named<'a> {
    /// As the component spells it: `falco-talon:actionner/log@1.0.0`.
    whole: String,
    package: Option<&'a PackageName>,
    interface: &'a Interface,
}

/// The functions that a component imports, where it fits the contract.
///
/// # Errors
///
/// Everything in which it does not.
pub(super) fn imports(component: &[u8]) -> Result<Vec<Import>, LoadError> {
    let (resolve, world) = match wit_component::decode(component) {
        Ok(DecodedWasm::Component(resolve, world)) => (resolve, world),
        Ok(DecodedWasm::WitPackage(..)) => return Err(FileError::Package.into()),
        Err(error) => return Err(undecoded(component, &error)),
    };
    let mut check = Check { theirs: &resolve, misfits: Vec::new(), imports: BTreeSet::new() };
    check.world(world);
    let Check { mut misfits, imports, .. } = check;
    // All else follows from another version.
    if misfits.iter().any(|misfit| matches!(misfit, Misfit::Version { .. })) {
        misfits.retain(|misfit| matches!(misfit, Misfit::Version { .. }));
    }
    let mut told = BTreeSet::new();
    misfits.retain(|misfit| told.insert(misfit.to_string()));
    if misfits.is_empty() { Ok(imports.into_iter().collect()) } else { Err(LoadError::Misfit(misfits)) }
}

/// What can't be decoded is mostly not valid at all.
fn undecoded(component: &[u8], error: &impl std::fmt::Display) -> LoadError {
    match features::check(component, features::OF_ENGINE) {
        Err(error) => error.into(),
        Ok(()) => CodeError::Undecoded(format!("{error:#}").replace(char::is_control, " ")).into(),
    }
}

struct Check<'a> {
    theirs: &'a Resolve,
    misfits: Vec<Misfit>,
    imports: BTreeSet<Import>,
}

impl Check<'_> {
    fn world(&mut self, world: WorldId) {
        let Some(world) = self.theirs.worlds.get(world) else { return };
        for (key, item) in &world.imports {
            self.import(key, item);
        }
        let exported = world.exports.iter().filter_map(|(key, item)| named(self.theirs, key, item));
        let exported: Vec<_> = exported.collect();
        match exported.iter().find(|named| named.is_of_contract() && named.name() == ACTION) {
            Some(action) => self.action(action),
            None => {
                let exports = world.exports.keys().map(|key| self.theirs.name_world_key(key)).collect();
                self.misfits.push(Misfit::NoAction { contract: contract().package.to_string(), exports });
            }
        }
    }

    fn import(&mut self, key: &WorldKey, item: &WorldItem) {
        let Some(named) = named(self.theirs, key, item) else {
            let name = self.theirs.name_world_key(key);
            // A type is no demand on anybody.
            if matches!(item, WorldItem::Function(_)) {
                self.misfits.push(Misfit::OwnImport(name));
            }
            return;
        };
        let interface = if named.is_of_contract() {
            let Some(known) = self.known(&named) else { return };
            known.name().to_owned()
        } else {
            self.misfits.extend(misfit::of_foreign(&named.whole, named.package));
            named.whole.clone()
        };
        for function in named.interface.functions.keys() {
            self.imports.insert(Import { interface: interface.clone(), function: function.clone() });
        }
    }

    /// The interface of the contract that a component means, once its functions were compared.
    fn known(&mut self, named: &Named<'_>) -> Option<Known> {
        if !self.speaks(named) {
            return None;
        }
        let Some(known) = Known::find(named.name()) else {
            self.misfits
                .push(Misfit::Unknown { what: format!("the interface `{}`", named.name()), of: named.versions() });
            return None;
        };
        let ours = contract().interface(known.name())?;
        for (name, theirs) in &named.interface.functions {
            match ours.functions.get(name) {
                Some(ours) => self.function(named.name(), ours, theirs),
                None => {
                    let what = format!("the function `{}.{}`", named.name(), types::function_name(name));
                    self.misfits.push(Misfit::Unknown { what, of: named.versions() });
                }
            }
        }
        Some(known)
    }

    fn action(&mut self, named: &Named<'_>) {
        if !self.speaks(named) {
            return;
        }
        let Some(ours) = contract().interface(ACTION) else { return };
        for (name, ours) in &ours.functions {
            match named.interface.functions.get(name) {
                Some(theirs) => self.function(ACTION, ours, theirs),
                None => self.misfits.push(Misfit::Missing { function: format!("{ACTION}.{name}") }),
            }
        }
    }

    fn function(&mut self, interface: &str, ours: &Function, theirs: &Function) {
        let differences = Comparison::new(&contract().resolve, self.theirs).function(interface, ours, theirs);
        self.misfits.extend(differences.into_iter().map(Misfit::Differs));
    }

    /// Whether a component means a version of the contract that this host speaks.
    fn speaks(&mut self, named: &Named<'_>) -> bool {
        let ours = &contract().package.version;
        let theirs = named.package.and_then(|package| package.version.as_ref());
        let same_major = |theirs| ours.as_ref().is_some_and(|ours| ours.major == theirs);
        if theirs.is_some_and(|theirs| theirs.pre.is_empty() && same_major(theirs.major)) {
            return true;
        }
        let is_later = theirs > ours.as_ref();
        let is_draft = theirs.is_some_and(|theirs| !theirs.pre.is_empty());
        let built = theirs.map(ToString::to_string);
        self.misfits.push(Misfit::Version { built, is_later, is_draft, host: version(&contract().package) });
        false
    }
}

impl Named<'_> {
    fn name(&self) -> &str {
        self.interface.name.as_deref().unwrap_or_default()
    }

    fn is_of_contract(&self) -> bool {
        let ours = &contract().package;
        self.package.is_some_and(|theirs| (&theirs.namespace, &theirs.name) == (&ours.namespace, &ours.name))
    }

    fn versions(&self) -> misfit::Versions {
        let (ours, theirs) = (&contract().package, self.package);
        let is_later = theirs.is_some_and(|theirs| theirs.version > ours.version);
        misfit::Versions { built: theirs.map(version).unwrap_or_default(), host: version(ours), is_later }
    }
}

/// The interface of an import or export, if it is one.
fn named<'a>(resolve: &'a Resolve, key: &WorldKey, item: &WorldItem) -> Option<Named<'a>> {
    let WorldItem::Interface { id, .. } = item else { return None };
    let interface = resolve.interfaces.get(*id)?;
    let package = interface.package.and_then(|package| resolve.packages.get(package));
    Some(Named { whole: resolve.name_world_key(key), package: package.map(|package| &package.name), interface })
}

fn version(package: &PackageName) -> String {
    package.version.as_ref().map(ToString::to_string).unwrap_or_default()
}

impl Contract {
    fn interface(&self, name: &str) -> Option<&Interface> {
        let is_it = |(_, interface): &(InterfaceId, &Interface)| interface.name.as_deref() == Some(name);
        self.resolve.interfaces.iter().find(is_it).map(|(_, interface)| interface)
    }
}

fn contract() -> &'static Contract {
    #[expect(clippy::expect_used, reason = "`wit/` is part of the program, and a test parses it")]
    static CONTRACT: LazyLock<Contract> = LazyLock::new(|| {
        let mut resolve = Resolve::new();
        let package = resolve.push_source("wit", WIT).expect("`wit/` can be parsed");
        let package = resolve.packages[package].name.clone();
        Contract { resolve, package }
    });
    &CONTRACT
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_interface_of_the_contract_is_known_here() {
        for known in Known::ALL {
            assert!(contract().interface(known.name()).is_some(), "{} is not in the text", known.name());
        }
        assert!(contract().interface(ACTION).is_some());
    }
}

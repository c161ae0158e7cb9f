//! How a component does not fit the contract, in words that say what to do.

use policy::is_wasi;
use wit_parser::PackageName;

/// One way in which a component does not fit.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// It was built against another version of the contract.
    #[error("{}", version_words(.built.as_deref(), *.is_draft, *.is_later, .host))]
    Version {
        /// The version that it names, if any.
        built: Option<String>,
        /// Whether that is one of a draft.
        is_draft: bool,
        /// Whether it comes after this host's.
        is_later: bool,
        /// This host's.
        host: String,
    },
    /// It imports from the contract what this host does not have.
    #[error("it imports {what} of {}", .of.words())]
    Unknown {
        /// The interface or function.
        what: String,
        /// Of which version.
        of: Versions,
    },
    /// It does not export what it must.
    #[error("it does not export `{}`{}: build it for the world `actionner` of the contract", action(.contract), but(.exports))]
    NoAction {
        /// The package, with this host's version.
        contract: String,
        /// What it exports instead.
        exports: Vec<String>,
    },
    /// A function of the exported interface is not there.
    #[error("it lacks the function `{function}`, which every actionner exports")]
    Missing {
        /// Interface and function.
        function: String,
    },
    /// A type or function is not as the contract has it.
    #[error("{0}")]
    Differs(String),
    /// A function of its own world.
    #[error("it imports the function `{0}` of its own world, which no host offers: leave it out")]
    OwnImport(String),
    /// A function that came to WASI later than the host's.
    #[error(
        "it imports `{function}` of `{interface}`, which this host's WASI does not have: leave it out, or build it for an earlier 0.2"
    )]
    Later {
        /// With its version.
        interface: String,
        /// The function.
        function: String,
    },
    /// An interface of another package.
    #[error("it imports `{name}`, which this host does not offer: {advice}")]
    Foreign {
        /// As the component spells it.
        name: String,
        /// What to do without it.
        advice: &'static str,
    },
}

/// The version of the contract that a component names, and this host's.
#[derive(Debug, PartialEq, Eq)]
pub struct Versions {
    /// The component's.
    pub built: String,
    /// The host's.
    pub host: String,
    /// Whether the component's comes after the host's.
    pub is_later: bool,
}

impl Versions {
    fn words(&self) -> String {
        let Self { built, host, is_later } = self;
        if *is_later {
            format!("version {built} of the contract, and this host speaks {host}: it needs a later host")
        } else {
            format!("the contract, which is not there in {host}: leave it out")
        }
    }
}

fn version_words(built: Option<&str>, is_draft: bool, is_later: bool, host: &str) -> String {
    let Some(built) = built else {
        return format!(
            "it names the contract without a version, and this host speaks {host}: build it against `wit/` as it is"
        );
    };
    let advice = match (is_draft, is_later) {
        (true, _) => format!("a draft, and this host speaks {host}: build it anew against that"),
        (false, true) => format!("and this host speaks {host}: it needs a later host, or to be built against {host}"),
        (false, false) => format!("and this host speaks {host}: build it anew against that"),
    };
    format!("it is built against version {built} of the contract, {advice}")
}

/// `falco-talon:actionner/action@1.0.0` of the package.
fn action(package: &str) -> String {
    match package.split_once('@') {
        Some((package, version)) => format!("{package}/action@{version}"),
        None => format!("{package}/action"),
    }
}

fn but(exports: &[String]) -> String {
    if exports.is_empty() {
        return String::new();
    }
    let exports: Vec<_> = exports.iter().map(|name| format!("`{name}`")).collect();
    format!(", but {}", exports.join(", "))
}

/// What serves in place of interfaces that toolchains bring along, by their package.
const INSTEAD: [(&str, &str); 3] = [
    (
        "http",
        "leave it out (in JavaScript: `componentize-js --disable http`), and reach the web by `http` of the contract",
    ),
    ("logging", "leave it out, and write lines by `log` of the contract, or to the standard output"),
    ("config", "leave it out, and let rules say it by parameters"),
];

/// Why an interface that is not of the contract is not offered, if it is not.
pub(super) fn of_foreign(name: &str, package: Option<&PackageName>) -> Option<Misfit> {
    let foreign = |advice| Some(Misfit::Foreign { name: name.to_owned(), advice });
    let Some(package) = package.filter(|package| package.namespace == "wasi") else {
        return foreign("leave it out, or compose it with a component that exports it");
    };
    if !is_wasi(name) {
        let instead = INSTEAD.iter().find(|(of, _)| *of == package.name);
        return foreign(instead.map_or("leave it out", |(_, advice)| advice));
    }
    match &package.version {
        Some(version) if (version.major, version.minor) == (0, 2) && version.pre.is_empty() => None,
        Some(version) if !version.pre.is_empty() => {
            foreign("that is a draft; build it with a newer toolchain, for WASI 0.2 (`wasm32-wasip2`)")
        }
        _ => foreign("of WASI it offers 0.2 alone; build it for that (`wasm32-wasip2`)"),
    }
}

//! The actionners that come with the host: each a component, what it says of itself, and its default policy.
//!
//! The build script compiles them and this embeds them. Does not run them, does not know the
//! policy's syntax, and names nothing but packages: what an actionner is, it says itself when
//! it is loaded.

#[cfg(test)]
mod tests;

/// An actionner as it is shipped.
#[derive(Debug, Clone, Copy)]
pub struct Bundled {
    /// As rules name it, e.g. `kubernetes:label`.
    pub name: &'static str,
    /// The WebAssembly component.
    pub component: &'static [u8],
    /// What it says of itself, so that nobody has to ask it.
    pub description: &'static str,
    /// The body of its entry in the default policy, in YAML: the least that it can work with.
    pub policy: &'static str,
}

/// The folder and its package are named as the actionner is, with a dash for the colon.
macro_rules! bundled {
    ($category:literal, $name:literal) => {
        Bundled {
            name: concat!($category, ":", $name),
            component: include_bytes!(concat!(env!("OUT_DIR"), "/", $category, "-", $name, ".wasm")),
            description: include_str!(concat!("../", $category, "-", $name, "/description.json")),
            policy: include_str!(concat!("../", $category, "-", $name, "/policy.yaml")),
        }
    };
}

/// All of them, in the order of the documentation.
pub const BUNDLE: &[Bundled] = &[
    bundled!("kubernetes", "terminate"),
    bundled!("kubernetes", "label"),
    bundled!("kubernetes", "annotation"),
    bundled!("kubernetes", "networkpolicy"),
    bundled!("kubernetes", "exec"),
    bundled!("kubernetes", "script"),
    bundled!("kubernetes", "log"),
    bundled!("kubernetes", "delete"),
    bundled!("kubernetes", "cordon"),
    bundled!("kubernetes", "drain"),
    bundled!("kubernetes", "download"),
    bundled!("kubernetes", "tcpdump"),
    bundled!("kubernetes", "sysdig"),
    bundled!("aws", "lambda"),
    bundled!("gcp", "function"),
    bundled!("calico", "networkpolicy"),
    bundled!("cilium", "networkpolicy"),
];

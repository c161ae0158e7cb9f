//! The actionners that come with the host: each a component and its default policy.
//!
//! The build script compiles them and this embeds them. Does not run them, does not know the
//! policy's syntax, and names nothing but packages: what an actionner is, it tells itself when
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
    /// The body of its entry in the default policy, in YAML: the least that it can work with.
    pub policy: &'static str,
}

macro_rules! bundled {
    ($name:literal, $package:literal) => {
        Bundled {
            name: $name,
            component: include_bytes!(concat!(env!("OUT_DIR"), "/", $package, ".wasm")),
            policy: include_str!(concat!("../", $package, "/policy.yaml")),
        }
    };
}

/// All of them, in the order of the documentation.
pub const BUNDLE: &[Bundled] = &[
    bundled!("kubernetes:terminate", "kubernetes-terminate"),
    bundled!("kubernetes:label", "kubernetes-label"),
    bundled!("kubernetes:annotation", "kubernetes-annotation"),
    bundled!("kubernetes:networkpolicy", "kubernetes-networkpolicy"),
    bundled!("kubernetes:exec", "kubernetes-exec"),
    bundled!("kubernetes:script", "kubernetes-script"),
    bundled!("kubernetes:log", "kubernetes-log"),
    bundled!("kubernetes:delete", "kubernetes-delete"),
    bundled!("kubernetes:cordon", "kubernetes-cordon"),
    bundled!("kubernetes:drain", "kubernetes-drain"),
    bundled!("kubernetes:download", "kubernetes-download"),
    bundled!("kubernetes:tcpdump", "kubernetes-tcpdump"),
    bundled!("kubernetes:sysdig", "kubernetes-sysdig"),
    bundled!("calico:networkpolicy", "calico-networkpolicy"),
    bundled!("cilium:networkpolicy", "cilium-networkpolicy"),
];

//! The host's side of `wit/`, generated.

#![allow(missing_docs, unreachable_pub, clippy::all, reason = "generated from `wit/`, which documents every item")]

wasmtime::component::bindgen!({
    path: "../wit",
    world: "actionner",
    imports: { default: async | trappable },
    exports: { default: async },
    with: {
        "falco-talon:actionner/artifacts.artifact": super::spool::Handle,
    },
    trappable_error_type: {
        "falco-talon:actionner/types.error" => super::call::Closed,
    },
});

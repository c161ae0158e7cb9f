//! What `wit-bindgen` makes of the contract in `wit/`, of which this crate has a copy of its own: the types, the imports and the export.
//!
//! Nothing is written by hand here. The other modules give it words; only what [`export!`](crate::export!)
//! expands to names this module from outside.

#![allow(missing_docs, reason = "the documentation is that of the WIT files, where they have one")]
#![allow(unsafe_code, reason = "the canonical ABI passes addresses, so bindings are unsafe by nature")]
#![allow(clippy::all, reason = "generated code follows no style")]

wit_bindgen::generate!({
    path: "wit",
    world: "actionner",
    additional_derives: [PartialEq],
    pub_export_macro: true,
});

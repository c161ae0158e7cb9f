//! What several of the bundled actionners share, and no author of another actionner needs.
//!
//! Each module is a part of what rules can ask for, with the words that Falco Talon has for it: the SDK gives an actionner
//! its event and its capabilities, this makes of them what several actionners do in the same way. It may change with these
//! at any time, while others build upon the SDK.
//!
//! This crate does not know any actionner, nor the contract of `wit/` but through the SDK. It has no place for what only
//! one actionner does.

// Names of what is made.
pub mod names;

// Which pods are spared, and how an object or a pod's traffic is changed.
pub mod isolation;
pub mod metadata;
pub mod replicas;

// What runs in a container.
pub mod command;

// What leaves the cluster.
pub mod payload;

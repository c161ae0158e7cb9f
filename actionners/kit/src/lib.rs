//! What several of the bundled actionners share, and no author of another actionner needs.
//!
//! Each module is something that rules can ask of several of them, and that all of these do in the same way. It changes
//! as they do, while others build upon the SDK.
//!
//! This crate knows no actionner, and the contract of `wit/` through the SDK only. It does not know the policy
//! either, nor what one actionner alone does: that stays with it.

// Names of what is made.
pub mod names;

// Which pods are spared for what they belong to.
pub mod replicas;

// How an object is marked, and pods are cut off from the network.
pub mod isolation;
pub mod metadata;

// What runs in a container.
pub mod command;

// What leaves the cluster.
pub mod payload;

//! host

pub mod decide;
pub mod policy;

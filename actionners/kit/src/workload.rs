//! The workload that a pod belongs to, as it is.
//!
//! Does not know which workloads there are, nor what one is read for.

use falco_talon_sdk::kubernetes::{self, Object};
use falco_talon_sdk::{Failure, Pod};
use serde_json::Value;

/// Reads it; `address` is that of the pod's [`Owner`](falco_talon_sdk::Owner).
pub fn read(pod: Pod<'_>, address: &Object) -> Result<Value, Failure> {
    kubernetes::get(address).map_err(|error| {
        let doing = format!("can't read the {} '{}' of {pod}", address.resource, address.name);
        pod.concerned(Failure::from_error(doing, &error))
    })
}

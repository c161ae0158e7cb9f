//! Every client of the host: built once, lent to capabilities and outputs, never seen by a guest.
//!
//! Does not know what is sent, nor whether it may be.

mod error;

mod web;

mod kubernetes;

mod aws;
mod google;
mod storage;

mod http;

mod clouds;

pub use aws::Aws;
pub use clouds::{Clients, Clouds};
pub use error::ClientError;
pub(crate) use error::RequestError;
pub use google::Google;
pub(crate) use http::Refused;
pub use http::{HttpClient, SecretError};
pub(crate) use kubernetes::{Answer, ApiRequest, JSON, convert_client_error, convert_status};
pub use kubernetes::{Cluster, Kubernetes};
pub use storage::Storage;
pub(crate) use web::{causes, read, with_causes};

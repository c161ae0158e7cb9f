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

pub(crate) use aws::Aws;
pub use clouds::Clients;
pub(crate) use clouds::Clouds;
pub(crate) use error::ClientError;
pub(crate) use error::{Refusal, RequestError, Said};
pub(crate) use google::Google;
pub(crate) use http::Refused;
pub(crate) use http::{HttpClient, SecretError};
pub use kubernetes::Cluster;
pub(crate) use kubernetes::Kubernetes;
pub(crate) use kubernetes::{
    Answer, ApiRequest, Effect, Identity, JSON, Written, convert_client_error, convert_status,
};
pub(crate) use web::{causes, is_not_connected, read, with_causes};

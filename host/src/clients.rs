//! Every client of the host: built once, lent to capabilities and outputs, never seen by a guest.
//!
//! Does not know what is sent, nor whether it may be.

mod error;

mod end;
mod meter;

mod circuit;
mod looks;

mod secrets;
mod web;

mod kubernetes;

mod aws;
mod google;
mod instance;
mod lambda;
mod storage;

mod http;

mod notifiers;

mod clouds;

pub(crate) use aws::Aws;
pub(crate) use circuit::Circuit;
pub use clouds::Clients;
pub(crate) use clouds::Clouds;
pub(crate) use end::{End, Ending};
pub(crate) use error::ClientError;
pub(crate) use error::{Exhausted, Refusal, RequestError, Said};
pub(crate) use google::GoogleFunction;
pub(crate) use http::{HttpAnswer, HttpClient, HttpRequest, SecretError};
pub(crate) use instance::InstanceFact;
pub(crate) use kubernetes::{Answer, ApiRequest, Command, Exit, FieldManager, Identity, JSON, Sink, Written};
pub use kubernetes::{Cluster, Kubernetes};
pub(crate) use lambda::{LambdaAnswer, LambdaCall, LambdaKind};
pub(crate) use meter::{Meter, Permit};
pub use notifiers::{Notifiers, SendError};
pub(crate) use storage::{Location, Storage};

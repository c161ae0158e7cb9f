//! Events of the cluster.

use std::sync::Arc;
use std::time::Duration;

use http::Method;
use jiff::Timestamp;
use notifiers::Notice;
use notifiers::k8sevents::{DEFAULT_NAMESPACE, Involved, event};
use policy::{Address, Limits};
use tokio::time::Instant;

use super::error::SendError;
use crate::clients::error::{Refusal, RequestError};
use crate::clients::kubernetes::{ApiRequest, JSON, Kubernetes, TERMINATING};
use crate::clients::meter::{Meter, Permit};

/// How long it may take to ask for the pod, and to create the event.
const CALL_MAX: Duration = Duration::from_secs(20);

/// No object that the API server stores is longer.
const POD_BYTES_MAX: usize = 8 << 20;

/// Create the event of a notice, in the namespace of its pod.
pub(super) async fn send(
    kubernetes: &Kubernetes,
    notice: &Notice,
    own_namespace: Option<&str>,
) -> Result<String, SendError> {
    let permit = Meter::new(&Limits::default()).permit(Instant::now() + CALL_MAX, false, Arc::default());
    let mut involved = Involved::of(notice, own_namespace);
    // What others have named is part of a path.
    if path(&involved).is_none() {
        involved = Involved::namespace(own_namespace.unwrap_or(DEFAULT_NAMESPACE), true);
    }
    if involved.kind == "Pod" && involved.uid.is_none() {
        involved.uid = uid(kubernetes, notice, &involved, &permit).await;
    }
    match create(kubernetes, notice, &involved, &permit).await {
        // The namespace is gone, or goes, and what is said of it is said outside.
        Err(error) if is_gone(&error) => {
            let gone = Involved::namespace(involved.event_namespace(), false);
            create(kubernetes, notice, &gone, &permit).await
        }
        created => created,
    }
    .map_err(|error| match error {
        RequestError::Timeout | RequestError::Unknown(_) | RequestError::Unavailable(_) => SendError::temporary(error),
        error => SendError::lasting(error),
    })
}

fn is_gone(error: &RequestError) -> bool {
    match error {
        RequestError::NotFound => true,
        RequestError::Other(why) => why == TERMINATING,
        _ => false,
    }
}

async fn create(
    kubernetes: &Kubernetes,
    notice: &Notice,
    involved: &Involved,
    permit: &Permit,
) -> Result<String, RequestError> {
    let namespace = involved.event_namespace();
    let path = path(involved).ok_or_else(|| RequestError::Invalid("this is no namespace".to_owned()))?;
    let body = event(notice, involved).to_string().into_bytes().into();
    let written = kubernetes.write(&ApiRequest::write(Method::POST, path, JSON, body), permit).await;
    match written.into_result() {
        Ok(written) => Ok(format!("created {namespace}/{}", written.identity.name)),
        // It was created before, and the answer to that was lost.
        Err(Refusal { error: RequestError::Conflict(_), .. }) => Ok(format!("it is in {namespace} already")),
        Err(Refusal { error, .. }) => Err(error),
    }
}

/// The uid of the pod of a notice, unless it is another one of the same name.
async fn uid(kubernetes: &Kubernetes, notice: &Notice, involved: &Involved, permit: &Permit) -> Option<String> {
    let namespace = involved.namespace.as_deref();
    let path = Address::new("", "v1", "pods", namespace, Some(&involved.name)).ok()?.path();
    let pod = kubernetes.get(&path, permit, POD_BYTES_MAX).await.ok()?;
    let metadata = &pod.object["metadata"];
    let created: Timestamp = metadata["creationTimestamp"].as_str()?.parse().ok()?;
    let uid = metadata["uid"].as_str()?;
    (created <= notice.time).then(|| uid.to_owned())
}

/// Where events about it are created; nothing where a name is none.
fn path(involved: &Involved) -> Option<String> {
    Address::new("", "v1", "pods", involved.namespace.as_deref(), Some(&involved.name)).ok()?;
    Some(Address::new("", "v1", "events", Some(involved.event_namespace()), None).ok()?.path())
}

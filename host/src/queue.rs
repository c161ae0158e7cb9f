//! Where events come from: a closed set of queues.
//!
//! Today all come from this host's own store. What is done with an event is not known here.

use std::sync::Arc;

use crate::store::{Entry, Store};

/// Where the spine takes its events from.
#[derive(Debug, Clone)]
pub(crate) enum Queue {
    /// What this host accepted itself.
    Store(Store),
}

impl Queue {
    /// The next event, or none once there will be no more.
    pub(crate) async fn next(&self) -> Option<Arc<Entry>> {
        match self {
            Queue::Store(store) => store.next().await,
        }
    }
}

//! The connection to the API server that is in force, and what replaces it when its credentials change.
//!
//! Files are looked at every few seconds while requests are sent, and at once where the API server refuses what it is
//! shown, or shows a certificate that is not known. Where what they hold has changed, the connection is made anew, once
//! for all that wait for it. What can't be read leaves the last one in force.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::task::{spawn, spawn_blocking};
use tokio::time::Instant;

use super::cluster::{Cluster, Contents, Way};
use crate::clients::error::ClientError;
use crate::clients::looks::Looks;
use crate::telemetry::logs::{Level, Logger};

/// What the log calls it.
pub(super) const CATEGORY: &str = "kubernetes";

/// So long after a plugin has ended it is not run again, however many are refused.
const PLUGIN_EVERY: Duration = Duration::from_secs(1);

/// The connection that is in force.
pub(super) struct Session {
    cluster: Cluster,
    logger: Option<Logger>,
    current: ArcSwap<Way>,
    looks: Looks,
    /// Held while they are looked at.
    looked: Arc<tokio::sync::Mutex<Looked>>,
}

/// The last look.
#[derive(Default)]
struct Looked {
    began: Option<Instant>,
    ended: Option<Instant>,
    /// What could not be used, and has been reported.
    unusable: Option<Contents>,
}

impl Session {
    /// Nothing where nothing is to be reached.
    ///
    /// # Errors
    ///
    /// Where the configuration is wrong; nothing is sent yet.
    pub(super) async fn new(cluster: &Cluster, logger: Option<Logger>) -> Result<Option<Arc<Self>>, ClientError> {
        let Some(way) = cluster.connect().await? else { return Ok(None) };
        Ok(Some(Arc::new(Self {
            cluster: cluster.clone(),
            logger,
            current: ArcSwap::from_pointee(way),
            looks: Looks::new(),
            looked: Arc::default(),
        })))
    }

    /// The connection to send the next request by.
    pub(super) async fn way(self: &Arc<Self>) -> Arc<Way> {
        let way = self.current.load_full();
        if !way.files.is_empty() && self.looks.is_due() {
            self.renew(&way, false).await;
            return self.current.load_full();
        }
        way
    }

    /// Host and port, for the log.
    pub(super) fn server(&self) -> String {
        self.current.load().connection.server.clone()
    }

    /// After what was sent by `used` was refused for its credentials: whether there are new ones.
    pub(super) async fn is_renewed_after(self: &Arc<Self>, used: &Arc<Way>) -> bool {
        self.renew(used, true).await
    }

    /// Look whether what `used` was made of has changed, and where it has, whether it can be used.
    async fn renew(self: &Arc<Self>, used: &Arc<Way>, is_refused: bool) -> bool {
        let asked = Instant::now();
        let mut looked = self.looked.clone().lock_owned().await;
        if !Arc::ptr_eq(&self.current.load(), used) {
            return true;
        }
        let is_new = match (used.has_plugin, looked.began, looked.ended) {
            // What began after the refusal saw all that was there.
            (false, Some(began), _) => began >= asked,
            (true, _, Some(ended)) => asked.saturating_duration_since(ended) < PLUGIN_EVERY,
            _ => false,
        };
        if is_new {
            return false;
        }
        looked.began = Some(Instant::now());
        let (session, used) = (Arc::clone(self), Arc::clone(used));
        // Whoever waits for it may give up: it goes on for the others.
        let look = async move {
            let is_renewed = session.look(&used, is_refused, &mut looked).await;
            looked.ended = Some(Instant::now());
            is_renewed
        };
        spawn(look).await.unwrap_or(false)
    }

    async fn look(&self, used: &Way, is_refused: bool, looked: &mut Looked) -> bool {
        let files = used.files.clone();
        let Ok(found) = spawn_blocking(move || Contents::of(&files)).await else { return false };
        // What a plugin would say now, only the plugin knows.
        if found == used.contents && !(is_refused && used.has_plugin) {
            return false;
        }
        match self.cluster.connect().await {
            Ok(Some(way)) => {
                self.current.store(Arc::new(way));
                self.log(Level::Info, &"the credentials of the cluster were read again");
                looked.unusable = None;
                true
            }
            Ok(None) => false,
            Err(error) => {
                if looked.unusable.as_ref() != Some(&found) {
                    self.log(Level::Warn, &error);
                    looked.unusable = Some(found);
                }
                false
            }
        }
    }

    fn log(&self, level: Level, text: &dyn fmt::Display) {
        let Some(logger) = &self.logger else { return };
        let line = logger.line(level, "client").field("category", CATEGORY);
        match level {
            Level::Info => line.field("result", &text.to_string()).write(),
            _ => line.error(text).write(),
        }
    }
}

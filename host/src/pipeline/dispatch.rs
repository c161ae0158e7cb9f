//! The stage after an action: what it has collected is put where it is safe, and goes where the rule says.
//!
//! A destination that is away holds up no action: a rule goes on when its artifacts have arrived, or when they are safe
//! and will be sent again.

use std::time::Duration;

use futures_util::future::join_all;
use outputs::{Artifact, Source};
use rules::{Action, OutputUseSite, Rule};
use tokio::sync::oneshot;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};

use super::deliver::{DeliveryError, check, objects, send};
use super::deliveries::Deliveries;
use super::destination::{Destination, First, Item};
use super::ended::{About, Ended, Stage, Status};
use super::trace::{output, put_out};
use crate::store::{Closed, Delivery, DeliveryId};

/// For so long a rule waits for the first attempt.
const FIRST_MAX: Duration = Duration::from_secs(2);

/// Where artifacts come from, and where they go.
pub(super) struct Origin<'a> {
    pub(super) trace_id: &'a str,
    /// The span of the action.
    pub(super) traceparent: Option<&'a str>,
    pub(super) rule: &'a Rule,
    pub(super) action: &'a Action,
    pub(super) site: &'a OutputUseSite,
    /// What the action was about, as (kind, name).
    pub(super) objects: &'a [(String, String)],
}

impl Origin<'_> {
    fn destination(&self) -> Destination {
        let OutputUseSite { target, parameters } = self.site;
        Destination { target: target.clone(), parameters: parameters.to_string() }
    }
}

impl Deliveries {
    /// Send what an action has collected to where its rule says. `end` stores that the action has ended, and what is
    /// still to be delivered then, of which nothing is sent before that is stored. Ready when all has arrived, or is
    /// safe and will be sent again.
    ///
    /// # Errors
    ///
    /// Where some of it never will arrive.
    pub(super) async fn deliver<W>(
        &self,
        origin: &Origin<'_>,
        artifacts: Vec<Artifact>,
        end: impl FnOnce(Vec<Delivery>) -> W,
    ) -> Result<(), String>
    where
        W: Future<Output = Result<(), Closed>> + Send + 'static,
    {
        let mut failure = None;
        if artifacts.is_empty() {
            failure = Some(self.fail(origin, &[], &DeliveryError::Empty));
        }
        let (mut deliveries, mut items, mut firsts) = (Vec::new(), Vec::new(), Vec::new());
        for artifact in artifacts {
            let delivery = self.delivery_of(origin, &artifact);
            match self.prepare(origin, &delivery, artifact).await {
                Ok(Some(held)) => {
                    let (first, hears) = oneshot::channel();
                    let (id, made, held) =
                        (delivery.id, Instant::now(), (!self.0.room.is_lasting()).then(|| Source::new(held)));
                    items.push(Item { id, made, attempts: 0, held, first: Some(first) });
                    firsts.push(hears);
                    deliveries.push(delivery);
                }
                Ok(None) => {}
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        let stored = end(deliveries);
        let (this, destination) = (self.clone(), origin.destination());
        tokio::spawn(async move {
            if stored.await.is_ok() {
                for item in items {
                    this.push(destination.clone(), item, Instant::now());
                }
            }
        });
        // Who waits for longer than that knows that they are safe.
        for first in timeout(FIRST_MAX, join_all(firsts)).await.unwrap_or_default() {
            if let Ok(First::Failed(error)) = first {
                failure = failure.or(Some(error));
            }
        }
        failure.map_or(Ok(()), Err)
    }

    fn delivery_of(&self, origin: &Origin<'_>, artifact: &Artifact) -> Delivery {
        let Origin { trace_id, traceparent, rule, action, site, objects } = *origin;
        Delivery {
            id: DeliveryId::random(),
            trace_id: trace_id.to_owned(),
            rule: rule.name.clone(),
            action: action.name.clone(),
            actionner: action.actionner.to_string(),
            target: site.target.clone(),
            parameters: site.parameters.to_string(),
            name: artifact.name.clone(),
            media_type: artifact.media_type.clone(),
            bytes: artifact.bytes(),
            objects: objects.to_vec(),
            made: self.0.store.now(),
            notifiers: rule.notifiers.clone(),
            traceparent: traceparent.map(str::to_owned),
        }
    }

    /// Put an artifact where it is safe. It is sent at once where that can't be: then there is none to be sent later.
    async fn prepare(
        &self,
        origin: &Origin<'_>,
        delivery: &Delivery,
        artifact: Artifact,
    ) -> Result<Option<Artifact>, String> {
        let about = objects(delivery);
        if artifact.bytes() == 0 {
            return Err(self.fail(origin, &about, &DeliveryError::Empty));
        }
        check(&delivery.target).map_err(|error| self.fail(origin, &about, &error))?;
        if !self.0.room.is_lasting() {
            return Ok(Some(artifact));
        }
        let (mut artifact, name) = (artifact, delivery.id.to_string());
        let keep = move || (artifact.keep(&name), artifact);
        let unsafe_since = match spawn_blocking(keep).await {
            Ok((Ok(()), artifact)) => return Ok(Some(artifact)),
            Ok((Err(error), artifact)) => (error, artifact),
            Err(error) => return Err(self.fail(origin, &about, &DeliveryError::Cut(error.to_string()))),
        };
        let (error, artifact) = unsafe_since;
        let (began, span) = (Instant::now(), output(delivery.traceparent.as_deref(), &delivery.target));
        let sent = send(&self.0.clouds, delivery, Source::new(artifact)).await;
        self.remove(delivery.id).await;
        match sent {
            Ok(stored) => {
                put_out(span, Status::Success, &stored.message);
                self.arrived(delivery, stored, began.elapsed());
                Ok(None)
            }
            Err(failure) => {
                let message = format!("{failure}; it can't be sent again, since it could not be kept: {error}");
                put_out(span, Status::Failure, &message);
                self.tell(delivery, Status::Failure, &message, &about, began.elapsed());
                Err(message)
            }
        }
    }

    fn fail(&self, origin: &Origin<'_>, objects: &[(String, String)], error: &DeliveryError) -> String {
        let Origin { trace_id, traceparent, rule, action, site, .. } = *origin;
        let message = error.to_string();
        put_out(output(traceparent, &site.target), Status::Failure, &message);
        self.0.listeners.tell(&Ended {
            stage: Stage::Output(&site.target),
            trace_id,
            answered_by: None,
            about: About::new(rule, Some(action)),
            status: Status::Failure,
            message: &message,
            objects,
            of: origin.objects,
            details: None,
            uid: None,
            traceparent,
            took: Duration::ZERO,
        });
        message
    }
}

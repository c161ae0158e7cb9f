//! What a request passes, from the connection to the queue: one list, in order.
//!
//! TLS will not stand here: it is a matter of the connection, agreed on before a request begins.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use tokio::time::Instant;
use tower::layer::layer_fn;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

use super::intake::{Intake, only_post, queue};
use super::refusal::Refusal;
use super::trace::begin;
use super::{body, probes};
use crate::telemetry::{Span, Throttle};

/// Answers each request. The first layer sees it first, and its answer last.
pub(super) fn edge(
    intake: Intake,
) -> impl Service<http::Request<Incoming>, Response = Response, Error = Infallible, Future: Send>
+ Clone
+ Send
+ Sync
+ 'static {
    let (limits, throttle) = (intake.limits, Arc::new(Throttle::new()));
    let intake = Arc::new(intake);
    let reporting = Arc::clone(&intake);
    let watched = Arc::clone(&intake);
    ServiceBuilder::new()
        // Before all that may refuse a request, so that no refusal goes unreported.
        .map_response(move |answer| report(&reporting, &throttle, answer))
        // Before authentication and rate limits: what watches the program has no credentials, and
        // must get its answer when senders flood the program.
        .layer(layer_fn(move |next| probes::routes(&watched).fallback_service(next)))
        // Around the answer, of which it says how it was.
        .layer(layer_fn(traced))
        // What is below returns a refusal as an error; here it becomes an answer.
        .layer(layer_fn(answered))
        // Authentication, and then the rate of who was authenticated, will stand here: before the
        // body, which costs more to take in than a refusal does.
        .layer(before(async |request| only_post(request)))
        // Last, so that memory and time are spent on an event alone.
        .layer(before(move |request| body::read_whole(request, limits)))
        .service(service_fn(move |request| queue(Arc::clone(&intake), request)))
}

/// Makes a span of each request, as the original does for this one path, where traces are made.
fn traced<Next>(
    next: Next,
) -> impl Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + Sync
where
    Next: Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + Sync,
{
    service_fn(move |mut request: Request| {
        let span = if request.uri().path() == "/" { begin(&mut request) } else { Span::default() };
        let answer = next.clone().oneshot(request);
        async move {
            let answer = answer.await;
            if let Ok(answer) = &answer {
                span.describe(|span| span.number("http.response.status_code", answer.status().as_u16().into()));
            }
            answer
        }
    })
}

/// Answers an event that was accepted as well as one that was refused.
fn answered<Next>(
    next: Next,
) -> impl Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + Sync
where
    Next: Service<Request, Response: IntoResponse, Error = Refusal, Future: Send> + Clone + Send + Sync,
{
    service_fn(move |request| {
        let accepted = next.clone().oneshot(request);
        async move { Ok(accepted.await.into_response()) }
    })
}

/// A layer that goes on with what `step` makes of a request, unless that refuses it.
///
/// Unlike the middleware of axum it allocates nothing: the layers together are one future.
fn before<Step, Made, Next, Before, After>(
    step: Step,
) -> impl Layer<
    Next,
    Service = impl Service<Before, Response = Next::Response, Error = Refusal, Future: Send> + Clone + Send + Sync,
>
where
    Step: Fn(Before) -> Made + Clone + Send + Sync,
    Made: Future<Output = Result<After, Refusal>> + Send,
    Next: Service<After, Error = Refusal, Future: Send> + Clone + Send + Sync,
    After: Send,
{
    layer_fn(move |next: Next| {
        let step = step.clone();
        service_fn(move |request| {
            let (made, next) = (step(request), next.clone());
            async move { next.oneshot(made.await?).await }
        })
    })
}

/// Counts a refusal, and logs it unless too many came at once.
fn report(Intake { metrics, logger, .. }: &Intake, throttle: &Throttle, mut answer: Response) -> Response {
    if let Some(refusal) = answer.extensions_mut().remove::<Refusal>() {
        metrics.rejected(refusal.reason());
        if logger.enabled(refusal.level())
            && let Some(note) = throttle.admit(Instant::now())
        {
            logger.line(refusal.level(), "http").error(&refusal).field("result", &note).write();
        }
    }
    answer
}

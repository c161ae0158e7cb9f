//! What others watch the program by: whether it lives, has started and is ready, and its metrics.

use std::sync::Arc;

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{StatusCode, header};

use super::intake::Intake;
use super::refusal::Refusal;
use crate::health::States;
use crate::telemetry::metrics::Metrics;
use crate::telemetry::{clean, metrics};

/// What is shown of the reason why a check failed.
const REASON_BYTES_MAX: usize = 600;

/// The paths that are not for events.
pub(super) fn routes(intake: &Arc<Intake>) -> Router {
    Router::new()
        .route("/healthz", get(healthz).fallback(only_get))
        .route("/readyz", get(readyz).fallback(only_get))
        .route("/startupz", get(startupz).fallback(only_get))
        .route("/metrics", get(show_metrics).fallback(only_get))
        .with_state(Arc::clone(intake))
}

async fn healthz() -> Response {
    status(StatusCode::OK, r#"{"status": "ok"}"#)
}

async fn readyz(State(intake): State<Arc<Intake>>, RawQuery(query): RawQuery) -> Response {
    let states = intake.health.states();
    let code = if states.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    if is_verbose(&query.unwrap_or_default()) {
        let headers =
            [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
        return (code, headers, verbose(&states)).into_response();
    }
    status(code, if states.is_ready() { r#"{"status": "ok"}"# } else { r#"{"status": "not ready"}"# })
}

/// Never asked while rules load: the listener holds requests until then, events among them, which are better late than
/// refused, since nobody sends them twice. To a probe an answer that does not come is as good as a 503.
async fn startupz(State(intake): State<Arc<Intake>>) -> Response {
    if intake.health.has_started() {
        status(StatusCode::OK, r#"{"status": "ok"}"#)
    } else {
        status(StatusCode::SERVICE_UNAVAILABLE, r#"{"status": "not started"}"#)
    }
}

fn status(code: StatusCode, json: &'static str) -> Response {
    (code, [(header::CONTENT_TYPE, "application/json")], json).into_response()
}

/// Whether the query has the key, with a value or without.
fn is_verbose(query: &str) -> bool {
    form_urlencoded::parse(query.as_bytes()).any(|(key, _)| key == "verbose")
}

/// One line a check, and one for what follows from them, as the API server of Kubernetes writes them. What does not
/// count is `excluded` there, too.
fn verbose(states: &States) -> String {
    let mut text = String::new();
    for (check, state) in states.iter() {
        let excluded = if check.makes_unready() { "" } else { "excluded: " };
        let line = match state {
            Ok(()) => format!("[+]{} ok\n", check.name()),
            Err(why) => format!("[-]{} {excluded}failed: {}\n", check.name(), clean(why, REASON_BYTES_MAX)),
        };
        text.push_str(&line);
    }
    text.push_str(if states.is_ready() { "readyz check passed\n" } else { "readyz check failed\n" });
    text
}

async fn show_metrics(State(intake): State<Arc<Intake>>) -> Response {
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], intake.metrics.render()).into_response()
}

/// Sets what is known of the queue and of each check.
pub(super) fn look(Intake { admission, health, .. }: &Intake) -> impl Fn(&Metrics) + Send + Sync + 'static {
    let (store, health) = (admission.store().clone(), health.clone());
    move |metrics| {
        metrics.queue(store.counts());
        for (check, state) in health.states().iter() {
            metrics.check(check.name(), state.is_ok());
        }
    }
}

async fn only_get() -> Refusal {
    Refusal::NotGet
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;
    use crate::health::{Check, Health};

    fn check(report: impl FnOnce(&Health), expected: Expect) {
        let health = Health::default();
        report(&health);
        expected.assert_eq(&verbose(&health.states()));
    }

    #[test]
    fn tells_each_check_that_was_reported() {
        check(
            |_| (),
            expect![[r#"
            [-]store failed: it is not open yet
            [+]shutdown ok
            readyz check failed
        "#]],
        );
        let all_is_well = |health: &Health| {
            for check in [Check::Log, Check::Store, Check::Rules, Check::Cluster, Check::Disk] {
                health.ok(check);
            }
        };
        check(
            all_is_well,
            expect![[r#"
            [+]store ok
            [+]shutdown ok
            [+]rules ok
            [+]cluster ok
            [+]disk ok
            [+]log ok
            readyz check passed
        "#]],
        );
    }

    #[test]
    fn what_is_wrong_and_takes_events_is_excluded() {
        let report = |health: &Health| {
            health.ok(Check::Store);
            health.wrong(Check::Rules, "they are invalid");
            health.wrong(Check::Cluster, "the API server can't be reached");
            health.trouble(Check::Outputs, "aws:s3", None);
            health.trouble(Check::Notifiers, "slack", Some("authentication error"));
            health.trouble(Check::Notifiers, "smtp", Some("it does not answer"));
        };
        check(
            report,
            expect![[r#"
            [+]store ok
            [+]shutdown ok
            [-]rules excluded: failed: they are invalid
            [-]cluster excluded: failed: the API server can't be reached
            [+]outputs ok
            [-]notifiers excluded: failed: slack: authentication error; smtp: it does not answer
            readyz check passed
        "#]],
        );
    }

    #[test]
    fn what_refuses_events_fails() {
        let report = |health: &Health| {
            health.wrong(Check::Store, "the disk is full");
            health.ok(Check::Rules);
        };
        check(
            report,
            expect![[r#"
            [-]store failed: the disk is full
            [+]shutdown ok
            [+]rules ok
            readyz check failed
        "#]],
        );
        let report = |health: &Health| {
            health.ok(Check::Store);
            health.wrong(Check::Shutdown, "the host takes no more events");
        };
        check(
            report,
            expect![[r#"
            [+]store ok
            [-]shutdown failed: the host takes no more events
            readyz check failed
        "#]],
        );
    }

    #[test]
    fn a_reason_is_one_line_and_short() {
        check(
            |health| health.wrong(Check::Store, "a\n[+]store ok\u{1b}[31m"),
            expect![[r#"
            [-]store failed: a�[+]store ok�[31m
            [+]shutdown ok
            readyz check failed
        "#]],
        );
        let health = Health::default();
        health.wrong(Check::Store, "z".repeat(1000));
        assert!(verbose(&health.states()).len() < 700);
    }

    #[test]
    fn verbose_may_have_a_value() {
        let check = |query: &str, expected: bool| assert_eq!(is_verbose(query), expected, "{query}");
        check("verbose", true);
        check("verbose=1", true);
        check("exclude=cluster&verbose", true);
        check("", false);
        check("verbosely", false);
        check("a=verbose", false);
    }
}

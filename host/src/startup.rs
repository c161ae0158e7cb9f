//! The end of a start: the API server has answered, or has had its time.
//!
//! Asks for its version until it answers. Knows nothing of rules, nor of what the client is used for after that.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use policy::Limits;
use tokio::time::{Instant, sleep, timeout_at};

use crate::clients::{Kubernetes, Meter, RequestError};
use crate::health::Check;
use crate::telemetry::Reporting;
use crate::telemetry::logs::Level;

/// What every client may read, and costs the API server nothing.
const PATH: &str = "/version";

/// How long an answer may be, which is some hundred bytes.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// A start takes no longer, since the start of the process: events are stored without an API server, too.
const START_MAX: Duration = Duration::from_secs(60);

/// What is wrong until then.
const NOT_YET: &str = "the API server has not answered yet";

/// The pause after the first question; it doubles with each, up to
const PAUSE_MIN: Duration = Duration::from_millis(100);

/// this.
const PAUSE_MAX: Duration = Duration::from_secs(10);

/// Report that the host has started, which began at `began` and has loaded its rules: at once where they need no
/// cluster, else when its API server has answered or 60 seconds are over.
///
/// Ends when the API server has answered; to be dropped when the host stops.
pub(crate) async fn startup(kubernetes: Option<Kubernetes>, began: Instant, reporting: Reporting) {
    let health = &reporting.health;
    if let Some(kubernetes) = kubernetes {
        health.wrong(Check::Cluster, NOT_YET);
        let mut answered = pin!(answered(&kubernetes, &reporting));
        if timeout_at(began + START_MAX, &mut answered).await.is_err() {
            health.started();
            answered.await;
        }
        health.ok(Check::Cluster);
    }
    health.started();
}

/// Wait for the API server's first answer.
async fn answered(kubernetes: &Kubernetes, Reporting { logger, health, .. }: &Reporting) {
    let mut pause = PAUSE_MIN;
    while let Err(why) = ask(kubernetes).await {
        let why = format!("{NOT_YET}: {why}");
        if pause == PAUSE_MIN {
            logger.line(Level::Warn, "init").error(&why).field("category", "kubernetes").write();
        }
        health.wrong(Check::Cluster, why);
        sleep(pause).await;
        pause = (2 * pause).min(PAUSE_MAX);
    }
}

/// Ask once; an error says why there was no answer. A refusal is an answer: what the host may do shows where it is done.
async fn ask(kubernetes: &Kubernetes) -> Result<(), String> {
    let permit = Meter::new(&Limits::default()).permit(Instant::now() + ANSWER_MAX, false, Arc::default());
    match kubernetes.read(PATH, &permit, ANSWER_BYTES_MAX).await.map_err(|refusal| refusal.error) {
        Err(RequestError::Timeout) => Err(format!("no answer came within {} s", ANSWER_MAX.as_secs())),
        Err(error @ (RequestError::Unavailable(_) | RequestError::Unknown(_))) => Err(error.to_string()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use expect_test::{Expect, expect};
    use http::{Request, Response};
    use kube::client::Body;
    use tokio::time::advance;

    use super::*;
    use crate::actionner::tests::silent;
    use crate::clients::Cluster;
    use crate::health::{Health, State};

    /// An API server that answers its first questions so, and is well after that.
    async fn server(first: &'static [u16]) -> Kubernetes {
        let asked = Arc::new(AtomicUsize::new(0));
        let service = tower::service_fn(move |request: Request<Body>| {
            assert_eq!(request.uri().path(), PATH);
            let status = first.get(asked.fetch_add(1, Ordering::Relaxed)).copied().unwrap_or(200);
            async move {
                if status == SILENCE {
                    std::future::pending::<()>().await;
                }
                Ok::<_, Infallible>(Response::builder().status(status).body(Body::empty()).unwrap())
            }
        });
        let cluster = Cluster::Client(kube::Client::new(service, "default"));
        Kubernetes::connect(&cluster, None).await.unwrap().unwrap()
    }

    /// Stands for no answer.
    const SILENCE: u16 = 0;

    fn cluster(health: &Health) -> Option<State> {
        health.states().iter().find(|(check, _)| *check == Check::Cluster).map(|(_, state)| state.clone())
    }

    /// When the host has started and when the cluster is ok, in whole seconds, and what was wrong before.
    async fn check(first: &'static [u16], expected: Expect) {
        let reporting = silent();
        let health = reporting.health.clone();
        let began = Instant::now();
        let task = tokio::spawn(startup(Some(server(first).await), began, reporting));
        let (mut started, mut wrong) = (None, Vec::new());
        while !task.is_finished() {
            advance(Duration::from_millis(100)).await;
            if health.has_started() {
                started.get_or_insert(began.elapsed().as_secs());
            }
            if let Some(Err(why)) = cluster(&health)
                && wrong.last() != Some(&why)
            {
                wrong.push(why);
            }
        }
        task.await.unwrap();
        assert_eq!(cluster(&health), Some(Ok(())));
        let started = started.unwrap_or(began.elapsed().as_secs());
        expected.assert_debug_eq(&(started, began.elapsed().as_secs(), wrong));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_ends_the_start() {
        check(
            &[],
            expect![[r#"
            (
                0,
                0,
                [],
            )
        "#]],
        )
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_refusal_is_an_answer() {
        check(
            &[403],
            expect![[r#"
            (
                0,
                0,
                [],
            )
        "#]],
        )
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_asked_until_it_answers() {
        check(
            &[503, 502, SILENCE],
            expect![[r#"
                (
                    11,
                    11,
                    [
                        "the API server has not answered yet: the API server failed with the status 503",
                        "the API server has not answered yet: the API server, or what is before it, gave up",
                        "the API server has not answered yet: no answer came in time",
                    ],
                )
            "#]],
        )
        .await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_minute_ends_the_start() {
        check(
            &[SILENCE, SILENCE, SILENCE, SILENCE, SILENCE, SILENCE, SILENCE],
            expect![[r#"
                (
                    60,
                    82,
                    [
                        "the API server has not answered yet",
                        "the API server has not answered yet: no answer came in time",
                    ],
                )
            "#]],
        )
        .await;
    }

    #[tokio::test]
    async fn no_cluster_is_waited_for_where_none_is_needed() {
        let reporting = silent();
        let health = reporting.health.clone();
        startup(None, Instant::now(), reporting).await;
        assert!(health.has_started());
        assert_eq!(cluster(&health), None);
    }
}

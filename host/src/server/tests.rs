//! Clients that speak raw bytes over loopback sockets.

mod crowd;
mod time;

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rules::Event;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::{Intake, serve};
use crate::config::{Deduplication, ServerLimits};
use crate::health::{Check, Health};
use crate::pipeline::{Admission, Answering};
use crate::store::{Entry, Limits, Outcome, Settings, Store};
use crate::telemetry::Reporting;
use crate::telemetry::audit::Audit;
use crate::telemetry::logs::{Format, Logger};
use crate::telemetry::metrics::Metrics;

const LIMITS: ServerLimits = ServerLimits {
    body_bytes_max: 4096,
    connections_max: 100,
    connections_per_peer_max: 100,
    header_timeout: Duration::from_secs(5),
    body_timeout: Duration::from_secs(10),
    idle_timeout: Duration::from_secs(120),
};

const EVENT: &str = r#"{"rule":"Terminal shell in container","priority":"Notice","source":"syscall","output":"a shell","time":"2026-07-22T14:24:41Z","output_fields":{"k8s.pod.name":"web-0"},"trace_id":"11111111111111111111111111111111"}"#;

/// What was logged, readable while the server still logs.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Into a store for so many events, all of which a rule answers.
fn admission(entries_max: usize) -> (Admission, Health) {
    let limits = Limits { entries_max, stored_bytes_max: 1 << 20, loaded_bytes_max: 1 << 20, in_flight_max: 10 };
    let (logger, metrics) = (Logger::new(Format::Text, io::sink()), Metrics::new("devel", 100).unwrap());
    let reporting = Reporting::new(logger.clone(), metrics.clone(), Audit::to_log(logger));
    let store = Store::in_memory(Settings::of(limits), &reporting).unwrap();
    let repeats = Deduplication { window: Duration::ZERO, fields: Vec::new(), events_max: 1 };
    let answered_by = |_: &Event| Answering { is_any: true, live: Vec::new() };
    (Admission::new(store, metrics, &repeats, Arc::new(answered_by)), reporting.health)
}

/// A running server.
struct Host {
    address: SocketAddr,
    intake: Intake,
    log: Written,
    stop: oneshot::Sender<()>,
    served: JoinHandle<usize>,
}

impl Host {
    async fn start() -> Host {
        Host::with(LIMITS, 100, false).await
    }

    async fn with(limits: ServerLimits, capacity: usize, print_all_events: bool) -> Host {
        let log = Written::default();
        let (admission, health) = admission(capacity);
        let intake = Intake {
            admission,
            metrics: Metrics::new("devel", 100).unwrap(),
            logger: Logger::new(Format::Text, log.clone()),
            health,
            print_all_events,
            limits,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let shutdown = async {
            stopped.await.unwrap_or_default();
            Instant::now() + Duration::from_secs(20)
        };
        let served = tokio::spawn(serve(listener, intake.clone(), shutdown));
        Host { address, intake, log, stop, served }
    }

    async fn next(&self) -> Arc<Entry> {
        self.intake.admission.store().next().await.unwrap()
    }

    async fn waiting(&self) -> usize {
        self.intake.admission.store().counts().waiting
    }

    async fn client(&self) -> Client {
        Client(TcpStream::connect(self.address).await.unwrap())
    }

    /// What one request is answered with.
    async fn ask(&self, request: &str) -> Answer {
        let mut client = self.client().await;
        client.send(request).await;
        client.answer().await.expect("an answer")
    }

    async fn post(&self, body: &str) -> Answer {
        self.ask(&post("/", body)).await
    }

    fn logged(&self) -> String {
        String::from_utf8(self.log.0.lock().unwrap().clone()).unwrap()
    }

    async fn stop(self) -> usize {
        self.stop.send(()).unwrap();
        self.served.await.unwrap()
    }
}

struct Client(TcpStream);

impl Client {
    async fn send(&mut self, bytes: &str) {
        self.0.write_all(bytes.as_bytes()).await.unwrap();
    }

    /// The next answer, or `None` when the server closes the connection instead.
    async fn answer(&mut self) -> Option<Answer> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match self.0.read_u8().await {
                Ok(byte) => head.push(byte),
                Err(_) => return None,
            }
        }
        let head = String::from_utf8(head).unwrap();
        let length = header_of(&head, "content-length").map_or(0, |value| value.parse().unwrap());
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).await.unwrap();
        Some(Answer { head, body: String::from_utf8(body).unwrap() })
    }

    async fn is_closed(&mut self) -> bool {
        matches!(self.0.read(&mut [0; 16]).await, Ok(0) | Err(_))
    }
}

#[derive(Debug)]
struct Answer {
    head: String,
    body: String,
}

impl Answer {
    fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        header_of(&self.head, name)
    }
}

fn header_of<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let headers = head.lines().filter_map(|line| line.split_once(": "));
    headers.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
}

fn post(path: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: t\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: t\r\n\r\n")
}

#[tokio::test]
async fn queues_an_event() {
    let host = Host::start().await;
    let answer = host.post(EVENT).await;
    assert_eq!((answer.status(), answer.body.as_str()), (200, ""));
    let entry = host.next().await;
    assert_eq!(entry.event.rule, "Terminal shell in container");
    // A trace id in the body is not believed.
    assert_ne!(entry.trace_id.to_string(), "1".repeat(32));
    assert_eq!(host.logged(), "");
}

#[tokio::test]
async fn takes_events_on_any_free_path() {
    let host = Host::start().await;
    for path in ["/", "/events", "/healthz/", "/a/b?c=d"] {
        assert_eq!(host.ask(&post(path, EVENT)).await.status(), 200, "{path}");
    }
    assert_eq!(host.waiting().await, 4);
}

#[tokio::test]
async fn keeps_the_callers_trace() {
    let host = Host::start().await;
    let id = "0af7651916cd43dd8448eb211c80319c";
    let traced = post("/", EVENT).replace("Host: t", &format!("Host: t\r\ntraceparent: 00-{id}-b7ad6b7169203331-01"));
    assert_eq!(host.ask(&traced).await.status(), 200);
    assert_eq!(host.next().await.trace_id.to_string(), id);
}

#[tokio::test]
async fn prints_all_events_where_asked() {
    let host = Host::with(LIMITS, 100, true).await;
    host.post(EVENT).await;
    let trace_id = host.next().await.trace_id;
    let expected = format!(
        " INF event event=\"Terminal shell in container\" output=\"a shell\" priority=Notice source=syscall trace_id={trace_id}\n"
    );
    assert!(host.logged().ends_with(&expected), "{}", host.logged());
}

#[tokio::test]
async fn explains_what_is_not_an_event() {
    let host = Host::start().await;
    for body in ["", "{", "[]", "not json", r#"{"rule":"r"}"#] {
        let answer = host.post(body).await;
        assert_eq!(answer.status(), 400, "{body}");
        let reason = answer.body.strip_prefix("Please send a valid request body: ").unwrap();
        assert!(reason.trim_end().len() > 5 && reason.ends_with('\n'), "{reason}");
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    }
    assert_eq!(host.logged().lines().count(), 5);
    assert!(host.logged().contains(" WRN http error=\"Please send a valid request body: "));
    assert_eq!(host.waiting().await, 0);
    assert!(host.intake.metrics.render().contains(r#"rejected_request_total{reason="invalid event"} 5"#));
}

#[tokio::test]
async fn tells_wrong_methods_and_paths() {
    let host = Host::start().await;
    let answer = host.ask(&get("/")).await;
    assert_eq!((answer.status(), answer.header("allow")), (405, Some("POST")));
    assert_eq!(answer.body, "Please send with POST http method\n");
    for path in ["/healthz", "/readyz", "/startupz", "/metrics"] {
        let answer = host.ask(&post(path, EVENT)).await;
        assert_eq!((answer.status(), answer.header("allow")), (405, Some("GET, HEAD")), "{path}");
    }
    assert_eq!(host.ask(&get("/nothing")).await.status(), 404);
    assert_eq!(host.ask("DELETE /events HTTP/1.1\r\nHost: t\r\n\r\n").await.status(), 404);
    assert_eq!(host.ask("gibberish\r\n\r\n").await.status(), 400);
}

#[tokio::test]
async fn tells_its_health() {
    let host = Host::start().await;
    let answer = host.ask(&get("/healthz")).await;
    assert_eq!((answer.status(), answer.body.as_str()), (200, r#"{"status": "ok"}"#));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let answer = host.ask(&get("/startupz")).await;
    assert_eq!((answer.status(), answer.body.as_str()), (503, r#"{"status": "not started"}"#));
    host.intake.health.started();
    let answer = host.ask(&get("/startupz")).await;
    assert_eq!((answer.status(), answer.body.as_str()), (200, r#"{"status": "ok"}"#));
}

#[tokio::test]
async fn tells_whether_it_takes_events() {
    let host = Host::start().await;
    let health = host.intake.health.clone();
    health.wrong(Check::Store, "the disk is full");
    let answer = host.ask(&get("/readyz")).await;
    assert_eq!((answer.status(), answer.body.as_str()), (503, r#"{"status": "not ready"}"#));
    health.ok(Check::Store);
    health.wrong(Check::Rules, "they are invalid");
    let answer = host.ask(&get("/readyz")).await;
    assert_eq!((answer.status(), answer.body.as_str()), (200, r#"{"status": "ok"}"#));
    let answer = host.ask(&get("/readyz?verbose")).await;
    assert_eq!((answer.status(), answer.header("content-type")), (200, Some("text/plain; charset=utf-8")));
    assert!(answer.body.starts_with("[+]store ok\n"), "{}", answer.body);
    assert!(answer.body.ends_with("\nreadyz check passed\n"), "{}", answer.body);
    health.wrong(Check::Store, "the disk is full");
    let answer = host.ask(&get("/readyz?verbose=1")).await;
    assert_eq!(answer.status(), 503);
    assert!(answer.body.starts_with("[-]store failed: the disk is full\n"), "{}", answer.body);
    health.ok(Check::Store);
    assert_eq!(host.ask(&get("/readyz")).await.status(), 200);
    host.stop().await;
    assert!(!health.states().is_ready());
}

#[tokio::test]
async fn a_full_queue_is_ready() {
    let host = Host::with(LIMITS, 1, false).await;
    for expected in [200, 429] {
        assert_eq!(host.post(EVENT).await.status(), expected);
        assert_eq!(host.ask(&get("/readyz")).await.status(), 200);
    }
}

#[tokio::test]
async fn shows_metrics() {
    let host = Host::start().await;
    host.post(EVENT).await;
    let answer = host.ask(&get("/metrics")).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(answer.body.contains("\nfalcosecurity_falco_talon_queue_depth 1\n"));
    assert!(answer.body.contains("\nfalcosecurity_falco_talon_check{check=\"store\"} 1\n"));
    assert!(answer.body.contains(r#"falcosecurity_falco_talon_event_total{event="Terminal shell in container","#));
}

#[tokio::test]
async fn a_full_queue_asks_to_come_again() {
    let host = Host::with(LIMITS, 1, false).await;
    assert_eq!(host.post(EVENT).await.status(), 200);
    let answer = host.post(EVENT).await;
    assert_eq!((answer.status(), answer.header("retry-after")), (429, Some("1")));
    host.intake.admission.store().finish(&*host.next().await, Outcome::Done, "");
    assert_eq!(host.post(EVENT).await.status(), 200);
    host.intake.admission.store().close();
    assert_eq!(host.post(EVENT).await.status(), 503);
}

#[tokio::test]
async fn refuses_a_body_that_is_too_large() {
    let host = Host::start().await;
    let huge = "x".repeat(LIMITS.body_bytes_max + 1);
    assert_eq!(host.post(&huge).await.status(), 413);
    assert_eq!(host.post(&"x".repeat(LIMITS.body_bytes_max)).await.status(), 400);
    // One that is much larger is seen to be, too, by a client that sends all of it first.
    assert_eq!(host.post(&"x".repeat(2_000_000)).await.status(), 413);
    let endless =
        format!("POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n1001\r\n{huge}\r\n0\r\n\r\n");
    assert_eq!(host.ask(&endless).await.status(), 413);
    let announced = "POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 9999999\r\nExpect: 100-continue\r\n\r\n";
    assert_eq!(host.ask(announced).await.status(), 413);
}

#[tokio::test]
async fn takes_a_body_in_pieces() {
    let host = Host::start().await;
    let mut client = host.client().await;
    client.send("POST / HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n").await;
    for piece in EVENT.as_bytes().chunks(7) {
        let piece = std::str::from_utf8(piece).unwrap();
        client.send(&format!("{:x}\r\n{piece}\r\n", piece.len())).await;
    }
    client.send("0\r\n\r\n").await;
    assert_eq!(client.answer().await.unwrap().status(), 200);
}

#[tokio::test]
async fn answers_pipelined_requests_in_order() {
    let host = Host::start().await;
    let mut client = host.client().await;
    client.send(&[post("/", EVENT), get("/healthz"), post("/", "{"), post("/", EVENT)].concat()).await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(client.answer().await.unwrap().status());
    }
    assert_eq!(statuses, [200, 200, 400, 200]);
    assert_eq!(host.waiting().await, 2);
}

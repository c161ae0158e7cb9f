//! Clients that speak raw bytes over loopback sockets.
//!
//! Where a test is about time, the clock is paused: it jumps ahead whenever everybody waits.

use std::io;
use std::net::SocketAddr;
use std::sync::Mutex;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::*;
use crate::telemetry::logs::Format;

const LIMITS: ServerLimits = ServerLimits {
    body_bytes_max: 4096,
    connections_max: 100,
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
        Host::with(LIMITS, 10, false).await
    }

    async fn with(limits: ServerLimits, capacity: usize, print_all_events: bool) -> Host {
        let log = Written::default();
        let intake = Intake {
            queue: Queue::embedded(capacity),
            metrics: Metrics::new("devel", 100).unwrap(),
            logger: Logger::new(Format::Text, log.clone()),
            ready: Arc::new(AtomicBool::new(false)),
            print_all_events,
            limits,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let shutdown = async { stopped.await.unwrap_or_default() };
        let served = tokio::spawn(serve(listener, intake.clone(), shutdown, Duration::from_secs(20)));
        Host { address, intake, log, stop, served }
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
    let queued = host.intake.queue.next().await.unwrap().queued;
    assert_eq!(queued.event.rule, "Terminal shell in container");
    // A trace id in the body is not believed.
    assert_ne!(queued.trace_id.to_string(), "1".repeat(32));
    assert_eq!(host.logged(), "");
}

#[tokio::test]
async fn takes_events_on_any_free_path() {
    let host = Host::start().await;
    for path in ["/", "/events", "/healthz/", "/a/b?c=d"] {
        assert_eq!(host.ask(&post(path, EVENT)).await.status(), 200, "{path}");
    }
    assert_eq!(host.intake.queue.depth(), 4);
}

#[tokio::test]
async fn keeps_the_callers_trace() {
    let host = Host::start().await;
    let id = "0af7651916cd43dd8448eb211c80319c";
    let traced = post("/", EVENT).replace("Host: t", &format!("Host: t\r\ntraceparent: 00-{id}-b7ad6b7169203331-01"));
    assert_eq!(host.ask(&traced).await.status(), 200);
    assert_eq!(host.intake.queue.next().await.unwrap().queued.trace_id.to_string(), id);
}

#[tokio::test]
async fn prints_all_events_where_asked() {
    let host = Host::with(LIMITS, 10, true).await;
    host.post(EVENT).await;
    let trace_id = host.intake.queue.next().await.unwrap().queued.trace_id;
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
    assert_eq!(host.intake.queue.depth(), 0);
    assert!(host.intake.metrics.render().contains(r#"rejected_request_total{reason="invalid event"} 5"#));
}

#[tokio::test]
async fn tells_wrong_methods_and_paths() {
    let host = Host::start().await;
    let answer = host.ask(&get("/")).await;
    assert_eq!((answer.status(), answer.header("allow")), (405, Some("POST")));
    assert_eq!(answer.body, "Please send with POST http method\n");
    for path in ["/healthz", "/readyz", "/metrics"] {
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
    assert_eq!(host.ask(&get("/readyz")).await.status(), 503);
    host.intake.ready.store(true, Ordering::Relaxed);
    assert_eq!(host.ask(&get("/readyz")).await.status(), 200);
}

#[tokio::test]
async fn shows_metrics() {
    let host = Host::start().await;
    host.post(EVENT).await;
    let answer = host.ask(&get("/metrics")).await;
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    assert!(answer.body.contains("\nfalcosecurity_falco_talon_queue_depth 1\n"));
    assert!(answer.body.contains(r#"falcosecurity_falco_talon_event_total{event="Terminal shell in container","#));
}

#[tokio::test]
async fn a_full_queue_asks_to_come_again() {
    let host = Host::with(LIMITS, 1, false).await;
    assert_eq!(host.post(EVENT).await.status(), 200);
    let answer = host.post(EVENT).await;
    assert_eq!((answer.status(), answer.header("retry-after")), (429, Some("1")));
    host.intake.queue.next().await.unwrap().ack();
    assert_eq!(host.post(EVENT).await.status(), 200);
    host.intake.queue.close();
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
    assert_eq!(host.intake.queue.depth(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_slow_head_is_cut_off() {
    let host = Host::start().await;
    let mut client = host.client().await;
    client.send("POST / HTTP/1.1\r\n").await;
    let start = Instant::now();
    tokio::time::sleep(Duration::from_secs(4)).await;
    // A byte now and then wins no time.
    client.send("H").await;
    assert!(client.is_closed().await);
    assert_eq!(start.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed() {
    let host = Host::start().await;
    let mut fresh = host.client().await;
    let start = Instant::now();
    assert!(fresh.is_closed().await);
    assert_eq!(start.elapsed().as_secs(), 120);

    let mut kept = host.client().await;
    kept.send(&get("/healthz")).await;
    assert_eq!(kept.answer().await.unwrap().status(), 200);
    tokio::time::sleep(Duration::from_secs(100)).await;
    kept.send(&get("/healthz")).await;
    assert_eq!(kept.answer().await.unwrap().status(), 200);
    let start = Instant::now();
    assert!(kept.is_closed().await);
    assert_eq!(start.elapsed().as_secs(), 120);
}

#[tokio::test(start_paused = true)]
async fn a_slow_body_is_cut_off() {
    let host = Host::start().await;
    let mut client = host.client().await;
    client.send("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 100\r\n\r\n{").await;
    let start = Instant::now();
    assert_eq!(client.answer().await.unwrap().status(), 408);
    assert_eq!(start.elapsed().as_secs(), 10);
    assert!(client.is_closed().await);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_in_nothing_is_cut_off() {
    let limits = ServerLimits { connections_max: 1, ..LIMITS };
    let host = Host::with(limits, 10, false).await;
    let mut deaf = host.client().await;
    // More answers than the buffers of both sockets hold, none of them read.
    let asking = async {
        let requests = get("/metrics").repeat(1000);
        while deaf.0.write_all(requests.as_bytes()).await.is_ok() {}
    };
    let cut_off = tokio::time::timeout(Duration::from_secs(600), asking).await;
    assert!(cut_off.is_ok(), "the connection is still open");
    assert_eq!(host.ask(&get("/healthz")).await.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn further_clients_wait_for_a_place() {
    let limits = ServerLimits { connections_max: 1, ..LIMITS };
    let host = Host::with(limits, 10, false).await;
    let mut first = host.client().await;
    first.send(&get("/healthz")).await;
    assert_eq!(first.answer().await.unwrap().status(), 200);
    let mut second = host.client().await;
    second.send(&get("/healthz")).await;
    let wait = Duration::from_secs(10);
    assert!(tokio::time::timeout(wait, second.answer()).await.is_err());
    drop(first);
    assert_eq!(second.answer().await.unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn shutting_down_finishes_requests_in_flight() {
    let host = Host::start().await;
    let (mut fresh, mut idle) = (host.client().await, host.client().await);
    idle.send(&get("/healthz")).await;
    assert_eq!(idle.answer().await.unwrap().status(), 200);
    let mut busy = host.client().await;
    let request = post("/", EVENT);
    let (begin, end) = request.split_at(request.len() - 5);
    busy.send(begin).await;
    tokio::time::sleep(Duration::from_secs(1)).await;

    let (address, queue) = (host.address, host.intake.queue.clone());
    let stopping = tokio::spawn(host.stop());
    assert!(fresh.is_closed().await && idle.is_closed().await);
    assert!(TcpStream::connect(address).await.is_err());
    busy.send(end).await;
    let answer = busy.answer().await.unwrap();
    assert_eq!((answer.status(), answer.header("connection")), (200, Some("close")));
    assert_eq!(stopping.await.unwrap(), 0);
    assert_eq!(queue.depth(), 1);
}

#[tokio::test(start_paused = true)]
async fn shutting_down_cuts_off_what_does_not_end() {
    let limits = ServerLimits { body_timeout: Duration::from_secs(60), ..LIMITS };
    let host = Host::with(limits, 10, false).await;
    let mut busy = host.client().await;
    busy.send("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 100\r\n\r\n{").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let start = Instant::now();
    assert_eq!(host.stop().await, 1);
    assert_eq!(start.elapsed().as_secs(), 20);
    assert!(busy.is_closed().await);
}

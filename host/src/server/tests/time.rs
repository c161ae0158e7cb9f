//! Clients that are slow, and a server that stops.
//!
//! The clock is paused: it jumps ahead whenever everybody waits.

use super::*;

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
async fn a_first_head_is_waited_for_from_the_connection_on() {
    let host = Host::start().await;
    let mut client = host.client().await;
    let start = Instant::now();
    tokio::time::sleep(Duration::from_secs(4)).await;
    client.send("POST / HTTP/1.1\r\n").await;
    assert!(client.is_closed().await);
    assert_eq!(start.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed() {
    let host = Host::start().await;
    let mut fresh = host.client().await;
    let start = Instant::now();
    // One that has just connected has something to say.
    assert!(fresh.is_closed().await);
    assert_eq!(start.elapsed().as_secs(), 5);

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
    let host = Host::with(limits, 100, false).await;
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

/// In real time: the store writes in a thread of its own, for which a paused clock does not wait.
#[tokio::test]
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

    let (address, store) = (host.address, host.intake.admission.store().clone());
    let stopping = tokio::spawn(host.stop());
    assert!(fresh.is_closed().await && idle.is_closed().await);
    assert!(TcpStream::connect(address).await.is_err());
    busy.send(end).await;
    let answer = busy.answer().await.unwrap();
    assert_eq!((answer.status(), answer.header("connection")), (200, Some("close")));
    assert_eq!(stopping.await.unwrap(), 0);
    assert_eq!(store.counts().waiting, 1);
}

#[tokio::test(start_paused = true)]
async fn shutting_down_cuts_off_what_does_not_end() {
    let limits = ServerLimits { body_timeout: Duration::from_secs(60), ..LIMITS };
    let host = Host::with(limits, 100, false).await;
    let mut busy = host.client().await;
    busy.send("POST / HTTP/1.1\r\nHost: t\r\nContent-Length: 100\r\n\r\n{").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let start = Instant::now();
    assert_eq!(host.stop().await, 1);
    assert_eq!(start.elapsed().as_secs(), 20);
    assert!(busy.is_closed().await);
}

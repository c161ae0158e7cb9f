//! The load: a fixed number of connections that are kept open, each with one request at a time.
//!
//! Requests are written and answers read by hand, since each microsecond of the sender is one
//! that the server on the same machine does not get.

use std::error::Error;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use host::testing::{Admission, TraceId};
use rules::Event;
use tokio::time::Instant;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{sleep_until, timeout};

use crate::api::{Api, Patched};
use crate::{Result, stage};

/// How many connections there are.
pub(crate) const CONNECTIONS: u32 = 64;

/// A patch that has not come by then is lost.
const PATCHED_MAX: Duration = Duration::from_secs(20);

/// No pod is ever named twice, so that no event is taken for one that was handled.
static PODS: AtomicU64 = AtomicU64::new(0);

struct Connection {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Connection {
    async fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, answer: Vec::with_capacity(4096) })
    }

    async fn post(&mut self, request: &[u8]) -> io::Result<()> {
        self.stream.write_all(request).await?;
        self.answer.clear();
        loop {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            // No answer to an event that was accepted has a body.
            if self.answer.ends_with(b"\r\n\r\n") {
                break;
            }
        }
        if self.answer.starts_with(b"HTTP/1.1 200 ") {
            return Ok(());
        }
        Err(io::Error::other(String::from_utf8_lossy(&self.answer).into_owned()))
    }
}

fn request(body: &str) -> Vec<u8> {
    let head =
        format!("POST / HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\ncontent-length: {}", body.len());
    format!("{head}\r\n\r\n{body}").into_bytes()
}

/// Post the same event for `duration` on all connections; returns the requests per second.
pub(crate) async fn flood(address: SocketAddr, duration: Duration) -> Result<f64> {
    let request: Arc<[u8]> = request(stage::EVENT.trim()).into();
    let mut tasks = JoinSet::new();
    let began = Instant::now();
    for _ in 0..CONNECTIONS {
        let request = request.clone();
        tasks.spawn(async move {
            let mut connection = Connection::open(address).await?;
            let mut posted = 0_u32;
            while began.elapsed() < duration {
                connection.post(&request).await?;
                posted += 1;
            }
            Ok::<_, io::Error>(posted)
        });
    }
    let mut posted = 0.0;
    while let Some(count) = tasks.join_next().await {
        posted += f64::from(count??);
    }
    Ok(posted / began.elapsed().as_secs_f64())
}

/// Post an event on each connection, and the next one once its patch was answered; returns how
/// many there were, and how many per second.
pub(crate) async fn act(address: SocketAddr, api: &Api, duration: Duration) -> Result<(f64, f64)> {
    let mut tasks = JoinSet::new();
    let began = Instant::now();
    for _ in 0..CONNECTIONS {
        let api = api.clone();
        tasks.spawn(async move {
            let mut connection = Connection::open(address).await?;
            let mut acted = 0_u32;
            while began.elapsed() < duration {
                let (request, patched) = next(&api);
                connection.post(&request).await?;
                wait(patched).await?;
                acted += 1;
            }
            Ok::<_, io::Error>(acted)
        });
    }
    let mut acted = 0.0;
    while let Some(count) = tasks.join_next().await {
        acted += f64::from(count??);
    }
    Ok((acted, acted / began.elapsed().as_secs_f64()))
}

/// Post events at a fixed pace, whatever the server does; returns the time of each from when it
/// was sent, or should have been, until its patch came, in microseconds.
pub(crate) async fn pace(address: SocketAddr, api: &Api, per_second: u32, duration: Duration) -> Result<Vec<f64>> {
    let mut tasks = JoinSet::new();
    let began = Instant::now() + Duration::from_millis(50);
    let step = Duration::from_secs(1) / per_second;
    for index in 0..CONNECTIONS {
        let api = api.clone();
        tasks.spawn(async move {
            let mut connection = Connection::open(address).await?;
            let mut waits = Vec::new();
            let mut due = began + step * index;
            while due < began + duration {
                let (request, patched) = next(&api);
                let late = Instant::now() > due;
                sleep_until(due).await;
                let sent = if late { due } else { Instant::now() };
                connection.post(&request).await?;
                waits.push((sent, patched));
                due += step * CONNECTIONS;
            }
            let mut times = Vec::new();
            for (sent, patched) in waits {
                times.push((wait(patched).await? - sent).as_nanos() as f64 / 1e3);
            }
            Ok::<_, io::Error>(times)
        });
    }
    let mut times = Vec::new();
    while let Some(some) = tasks.join_next().await {
        times.extend(some??);
    }
    Ok(times)
}

/// Post as many events as this, each about another pod.
pub(crate) async fn queue(address: SocketAddr, count: usize) -> Result<()> {
    let mut tasks = JoinSet::new();
    for _ in 0..CONNECTIONS {
        tasks.spawn(async move {
            let mut connection = Connection::open(address).await?;
            for _ in 0..count / CONNECTIONS as usize {
                let pod = PODS.fetch_add(1, Ordering::Relaxed);
                connection.post(&request(&stage::event_of(&format!("pod-{pod}")))).await?;
            }
            Ok::<_, io::Error>(())
        });
    }
    while let Some(posted) = tasks.join_next().await {
        posted??;
    }
    Ok(())
}

/// Store as many events as this, each about another pod.
pub(crate) async fn store(admission: &Admission, count: usize) -> Result<()> {
    let mut tasks = JoinSet::new();
    for at in 0..count {
        let admission = admission.clone();
        tasks.spawn(async move {
            let body = Bytes::from(stage::event_of(&format!("pod-{at}")));
            let event = Event::from_json(&body)?;
            Ok::<_, Box<dyn Error + Send + Sync>>(admission.admit(event, body, TraceId::random(), None).await?)
        });
        if tasks.len() > 1_000
            && let Some(stored) = tasks.join_next().await
        {
            stored??;
        }
    }
    while let Some(stored) = tasks.join_next().await {
        stored??;
    }
    Ok(())
}

/// Post events about one pod, each a little different, until this is dropped.
pub(crate) async fn pester(address: SocketAddr, pod: &str, every: Duration) -> Result<()> {
    let mut connection = Connection::open(address).await?;
    let event = stage::event_of(pod);
    for number in 0_u32.. {
        let event = event.replace("\"proc.cmdline\":\"sh\"", &format!("\"proc.cmdline\":\"sh {number}\""));
        connection.post(&request(&event)).await?;
        tokio::time::sleep(every).await;
    }
    Ok(())
}

fn next(api: &Api) -> (Vec<u8>, Patched) {
    let pod = format!("pod-{}", PODS.fetch_add(1, Ordering::Relaxed));
    let patched = api.expect(&pod);
    (request(&stage::event_of(&pod)), patched)
}

async fn wait(patched: Patched) -> io::Result<Instant> {
    match timeout(PATCHED_MAX, patched).await {
        Ok(Ok(came)) => Ok(came),
        _ => Err(io::Error::other("an event led to no patch")),
    }
}

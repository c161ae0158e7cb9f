//! Events at a steady pace, each about a pod of its own, and what was answered.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep};

/// How many send at once.
const SENDERS: u32 = 64;

/// What was sent in all lives of a host.
#[derive(Clone)]
pub(crate) struct Sent(Arc<Inner>);

struct Inner {
    /// What is sent, by its number.
    event: fn(usize) -> String,
    next: AtomicUsize,
    answers: Mutex<BTreeMap<String, Answer>>,
}

impl Default for Sent {
    /// Shells, each in a pod of its own.
    fn default() -> Self {
        Self::of(|number| event(&pod(number)))
    }
}

/// What was answered to an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Status(u16),
    /// Nothing before the connection ended.
    Nothing,
}

/// Senders at work, until they are stopped.
pub(crate) struct Load {
    is_over: Arc<AtomicBool>,
    senders: JoinSet<()>,
}

impl Sent {
    /// Events that are made so.
    pub(crate) fn of(event: fn(usize) -> String) -> Self {
        Self(Arc::new(Inner { event, next: AtomicUsize::new(0), answers: Mutex::default() }))
    }

    /// Send so many events a second to this address, until told to stop or until nobody listens.
    pub(crate) fn to(&self, address: SocketAddr, per_second: u32) -> Load {
        let is_over = Arc::new(AtomicBool::new(false));
        let mut senders = JoinSet::new();
        let begin = Instant::now();
        for number in 0..SENDERS {
            let (sent, is_over) = (self.clone(), Arc::clone(&is_over));
            senders.spawn(async move {
                // Each in its turn.
                let step = Duration::from_secs(1) / per_second;
                let mut ticks = interval_at(begin + step * number, step * SENDERS);
                ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                while let Ok(mut stream) = TcpStream::connect(address).await {
                    let mut goes_on = true;
                    while goes_on {
                        ticks.tick().await;
                        if is_over.load(Ordering::Relaxed) {
                            return;
                        }
                        // A connection has an event more after it was accepted alone: others have bodies.
                        goes_on = sent.send(&mut stream).await == Answer::Status(200);
                    }
                }
            });
        }
        Load { is_over, senders }
    }

    async fn send(&self, stream: &mut TcpStream) -> Answer {
        let number = self.0.next.fetch_add(1, Ordering::Relaxed);
        let answer = post(stream, &(self.0.event)(number)).await.map_or(Answer::Nothing, Answer::Status);
        self.0.answers.lock().unwrap().insert(pod(number), answer);
        answer
    }

    /// Wait until so many more were answered so.
    pub(crate) async fn wait_for_more(&self, count: usize, answer: Answer) {
        let wanted = self.count(answer) + count;
        while self.count(answer) < wanted {
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// What was answered, by the names of the pods.
    pub(crate) fn answers(&self) -> BTreeMap<String, Answer> {
        self.0.answers.lock().unwrap().clone()
    }

    /// How many were answered so.
    pub(crate) fn count(&self, answer: Answer) -> usize {
        self.0.answers.lock().unwrap().values().filter(|it| **it == answer).count()
    }
}

impl Load {
    /// Send no more, and wait for the answers that are due.
    pub(crate) async fn stop(self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.senders.join_all().await;
    }
}

fn pod(number: usize) -> String {
    format!("web-{number}")
}

/// A shell in a pod.
fn event(pod: &str) -> String {
    json!({
        "rule": "shell", "priority": "Notice", "output": "a shell", "source": "syscall", "hostname": pod,
        "time": "2026-07-22T14:24:41.123456789Z", "output_fields": {"k8s.ns.name": "shop", "k8s.pod.name": pod},
    })
    .to_string()
}

async fn post(stream: &mut TcpStream, body: &str) -> io::Result<u16> {
    let length = body.len();
    stream
        .write_all(format!("POST / HTTP/1.1\r\nHost: test\r\nContent-Length: {length}\r\n\r\n{body}").as_bytes())
        .await?;
    let mut answer = Vec::new();
    while !answer.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let status = String::from_utf8_lossy(&answer).split(' ').nth(1).and_then(|status| status.parse().ok());
    status.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

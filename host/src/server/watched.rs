//! A connection that gives up on a client who is too slow.
//!
//! Three waits are bounded apart: for a request to begin, for its head to be complete, and for the
//! client to take in an answer. The body is timed by the one who reads it. A client that sends a
//! byte now and then gains nothing: a head has one deadline from its first byte on.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use crate::config::ServerLimits;

/// How far the current request of a connection has come, as the server and the stream both see it.
#[derive(Debug)]
pub(super) struct Progress {
    // Both sides run in the task of the connection, so no ordering is needed.
    stage: AtomicU8,
    stopping: AtomicBool,
    opened: Instant,
    /// When the last request ended, in milliseconds since `opened`.
    idle_since_ms: AtomicU64,
}

/// Nothing of the next request has arrived.
const IDLE: u8 = 0;
/// A part of its head has.
const HEAD: u8 = 1;
/// It is being handled, its body being read perhaps.
const HANDLED: u8 = 2;

impl Progress {
    pub(super) fn new() -> Progress {
        Progress {
            stage: AtomicU8::new(IDLE),
            stopping: AtomicBool::new(false),
            opened: Instant::now(),
            idle_since_ms: AtomicU64::new(0),
        }
    }

    pub(super) fn request_begins(&self) {
        self.stage.store(HANDLED, Ordering::Relaxed);
    }

    pub(super) fn request_ends(&self) {
        let open_ms = u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.idle_since_ms.store(open_ms, Ordering::Relaxed);
        self.stage.store(IDLE, Ordering::Relaxed);
    }

    /// Lets the connection end where no request has begun.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    fn idle_since(&self) -> Instant {
        self.opened + Duration::from_millis(self.idle_since_ms.load(Ordering::Relaxed))
    }

    fn stage(&self) -> u8 {
        self.stage.load(Ordering::Relaxed)
    }
}

pub(super) struct Watched {
    stream: TcpStream,
    progress: Arc<Progress>,
    limits: ServerLimits,
    /// The stage that is waited in, and until when.
    read_by: Option<(u8, Instant)>,
    /// Until when the client may leave an answer lying.
    write_by: Option<Instant>,
    /// Set to the earliest deadline, or earlier: moving it at each request would cost more than a
    /// needless wake-up now and then.
    timer: Pin<Box<Sleep>>,
}

impl Watched {
    pub(super) fn new(stream: TcpStream, progress: Arc<Progress>, limits: ServerLimits) -> Watched {
        let timer = Box::pin(sleep_until(Instant::now() + limits.idle_timeout));
        Watched { stream, progress, limits, read_by: None, write_by: None, timer }
    }

    /// Until when the stage that the connection is in may last.
    fn read_deadline(&mut self, stage: u8) -> Instant {
        match self.read_by {
            Some((waited_in, deadline)) if waited_in == stage => deadline,
            _ => {
                let deadline = match stage {
                    IDLE => self.progress.idle_since() + self.limits.idle_timeout,
                    _ => Instant::now() + self.limits.header_timeout,
                };
                self.read_by = Some((stage, deadline));
                deadline
            }
        }
    }

    /// Pending until `deadline`, then an error.
    fn poll_deadline<T>(&mut self, context: &mut Context<'_>, deadline: Instant) -> Poll<io::Result<T>> {
        loop {
            if self.timer.is_elapsed() || self.timer.deadline() > deadline {
                if Instant::now() >= deadline {
                    return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
                }
                self.timer.as_mut().reset(deadline);
            }
            ready!(self.timer.as_mut().poll(context));
        }
    }

    /// Sees to it that the connection is looked at again, although nothing need be read now: when a
    /// request ends, it is not, and its idle time begins unnoticed.
    fn wake_in_time(&mut self, context: &mut Context<'_>) {
        loop {
            if self.timer.is_elapsed() {
                self.timer.as_mut().reset(Instant::now() + self.limits.idle_timeout);
            }
            if self.timer.as_mut().poll(context).is_pending() {
                return;
            }
        }
    }

    /// Bounds a write that the client holds up.
    fn watch_write<T>(&mut self, context: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.write_by = None;
            return written;
        }
        let most = self.limits.body_timeout;
        let deadline = *self.write_by.get_or_insert_with(|| Instant::now() + most);
        self.poll_deadline(context, deadline)
    }
}

impl AsyncRead for Watched {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let filled_before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        let stage = self.progress.stage();
        if read.is_ready() {
            if stage == IDLE && buffer.filled().len() > filled_before {
                self.progress.stage.store(HEAD, Ordering::Relaxed);
                self.read_deadline(HEAD);
            }
            return read;
        }
        match stage {
            HANDLED => {
                self.wake_in_time(context);
                Poll::Pending
            }
            // Nothing read is the end of the stream.
            IDLE if self.progress.stopping.load(Ordering::Relaxed) => Poll::Ready(Ok(())),
            _ => {
                let deadline = self.read_deadline(stage);
                self.poll_deadline(context, deadline)
            }
        }
    }
}

impl AsyncWrite for Watched {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch_write(context, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.watch_write(context, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(context);
        self.watch_write(context, flushed)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(context);
        self.watch_write(context, shut)
    }
}

//! A connection that gives up on a client who is too slow.
//!
//! Three waits are bounded apart: for a request to begin, for its head to be complete, and for the
//! client to take in an answer. The body is timed by the one who reads it. A client that sends a
//! byte now and then gains nothing: a head has one deadline from its first byte on, and the
//! first of a connection from the moment that it was opened.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

use super::progress::{Progress, Stage};
use crate::config::ServerLimits;

pub(super) struct Watched {
    stream: TcpStream,
    progress: Arc<Progress>,
    limits: ServerLimits,
    /// Until when the client may leave an answer lying.
    write_by: Option<Instant>,
    /// Set to the earliest deadline, or earlier: moving it at each request would cost more than a
    /// needless wake-up now and then.
    timer: Pin<Box<Sleep>>,
}

impl Watched {
    pub(super) fn new(stream: TcpStream, progress: Arc<Progress>, limits: ServerLimits) -> Watched {
        let timer = Box::pin(sleep_until(Instant::now() + limits.idle_timeout));
        Watched { stream, progress, limits, write_by: None, timer }
    }

    /// Until when a client may take for what it is waited for.
    fn read_deadline(&self, stage: Stage) -> Instant {
        let most = match stage {
            // One that has just connected has something to say.
            Stage::New | Stage::Head => self.limits.header_timeout,
            _ => self.limits.idle_timeout,
        };
        self.progress.since() + most
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
            self.progress.answer_goes_on();
            return written;
        }
        self.progress.answer_waits();
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
            if buffer.filled().len() > filled_before {
                self.progress.head_begins();
            }
            return read;
        }
        match stage {
            Stage::Handled | Stage::Answering | Stage::Closed => {
                self.wake_in_time(context);
                Poll::Pending
            }
            // Nothing read is the end of the stream.
            Stage::New | Stage::Idle if self.progress.is_stopping() => Poll::Ready(Ok(())),
            Stage::New | Stage::Idle | Stage::Head => {
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

//! A thread that writes what all others log, so that none of them waits for whoever reads it.
//!
//! Lines wait in a buffer that is bounded in bytes. A line that finds no room is left out, and so is what follows it
//! until half of the buffer is free: then a line in their place says how many are missing. What can't be written counts
//! as missing too, and is said once there is room again, whether or not there is more to write. Knows nothing of what a
//! line holds.

use std::collections::VecDeque;
use std::io::{ErrorKind, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;
use prometheus::IntCounter;
use tokio::sync::oneshot;

/// What is written in one go, unless one line alone is longer.
const CHUNK_BYTES: usize = 64 * 1024;

/// How long the end of the program waits for what is left to be written.
const END_WAIT: Duration = Duration::from_secs(1);

/// Before a writer that takes nothing now is asked again.
const PAUSE: Duration = Duration::from_millis(10);

/// Lines that are missing one after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) lines: u64,
    /// When the first of them was to be written.
    pub(super) since: Timestamp,
}

/// Where lines are left for the thread. Clones leave them in the same place.
#[derive(Clone)]
pub(super) struct Writer(Arc<Shared>);

/// Has what is left written when it is dropped, and waits for that about a second.
pub(super) struct Flush(Writer);

struct Shared {
    bytes_max: usize,
    /// How often it is tried to say what is missing.
    retry: Duration,
    // A blocking mutex, because nothing waits while it is held: the thread writes without it.
    state: Mutex<State>,
    arrived: Condvar,
    ended: Condvar,
}

#[derive(Default)]
struct State {
    chunks: VecDeque<Chunk>,
    /// Of all chunks, and of the one that is being written.
    bytes: usize,
    /// What is missing behind the last chunk.
    gap: Option<Gap>,
    /// Whether something is missing that could not be said yet.
    is_behind: bool,
    /// All lines that were ever left out,
    missing: u64,
    /// and where they are counted, once that is known.
    counter: Option<IntCounter>,
    /// A chunk that was written, for the next one.
    spare: Vec<u8>,
    is_closed: bool,
    has_ended: bool,
}

/// Whole lines, and what is missing before them.
#[derive(Default)]
struct Chunk {
    gap: Option<Gap>,
    bytes: Vec<u8>,
    /// Who waits for them to be written.
    waiting: Vec<oneshot::Sender<()>>,
}

impl Writer {
    /// A thread that writes to `out`, before which at most `bytes_max` wait. What is missing is said in a line that
    /// `describe` makes; where that can't be written, it is tried again after `retry`.
    ///
    /// The thread ends when the guard is dropped.
    pub(super) fn start(
        out: impl Write + Send + 'static,
        bytes_max: usize,
        retry: Duration,
        describe: impl Fn(Gap) -> String + Send + 'static,
    ) -> (Writer, Flush) {
        let (arrived, ended) = (Condvar::new(), Condvar::new());
        let shared = Shared { bytes_max, retry, state: Mutex::default(), arrived, ended };
        let writer = Writer(Arc::new(shared));
        let thread = Thread { writer: writer.clone(), out, describe, missing: None, is_torn: false };
        // A machine that gives no thread shows it elsewhere; here all that is logged then counts as missing.
        if thread::Builder::new().name("log".to_owned()).spawn(|| thread.run()).is_err() {
            writer.state().has_ended = true;
        }
        (writer.clone(), Flush(writer))
    }

    /// Leaves a line, which is missing where there is no room for it. Whether there was, and who is told once it is
    /// written; they hear nothing where it is not.
    pub(super) fn push(&self, line: &[u8], waiting: Option<oneshot::Sender<()>>) -> bool {
        let mut state = self.state();
        let is_full = state.bytes.saturating_add(line.len()) > self.0.bytes_max;
        let has_room = !(state.gap.is_some() || state.has_ended || is_full);
        if has_room {
            state.bytes += line.len();
            state.append(line, waiting);
        } else {
            let gap = Gap { lines: 1, since: Timestamp::now() };
            state.gap = Gap::sum(state.gap, Some(gap));
            state.count(gap);
        }
        drop(state);
        self.0.arrived.notify_one();
        has_room
    }

    /// Whether lines are missing, and the last try to say so has failed.
    pub(super) fn is_behind(&self) -> bool {
        let state = self.state();
        state.is_behind || state.gap.is_some()
    }

    /// Counts there, from now on, the lines that are missing, and those that are by now.
    pub(super) fn count_in(&self, counter: IntCounter) {
        let mut state = self.state();
        counter.inc_by(state.missing);
        state.counter = Some(counter);
    }

    /// What is to be written next, waited for; nothing at the end. While something is missing that was not said, that
    /// is to be tried now and then: an empty chunk.
    fn next(&self) -> Option<Chunk> {
        let mut state = self.state();
        loop {
            if state.bytes <= self.0.bytes_max / 2
                && let Some(gap) = state.gap.take()
            {
                state.chunks.push_back(Chunk { gap: Some(gap), ..Chunk::default() });
            }
            if let Some(chunk) = state.chunks.pop_front() {
                return Some(chunk);
            }
            if state.is_closed {
                return None;
            }
            if !state.is_behind {
                state = self.0.arrived.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let waited = self.0.arrived.wait_timeout(state, self.0.retry).unwrap_or_else(PoisonError::into_inner);
            state = waited.0;
            if waited.1.timed_out() && state.chunks.is_empty() && !state.is_closed {
                return Some(Chunk::default());
            }
        }
    }

    fn end(&self) {
        self.state().has_ended = true;
        self.0.ended.notify_all();
    }

    /// Makes room for as many bytes as were written, and counts what of them was not.
    fn written(&self, mut bytes: Vec<u8>, missing: Option<Gap>, is_behind: bool) {
        let mut state = self.state();
        state.bytes -= bytes.len();
        state.is_behind = is_behind;
        if let Some(gap) = missing {
            state.count(gap);
        }
        if bytes.capacity() <= 2 * CHUNK_BYTES {
            bytes.clear();
            state.spare = bytes;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change is complete before anything could panic.
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn append(&mut self, line: &[u8], waiting: Option<oneshot::Sender<()>>) {
        match self.chunks.back_mut() {
            Some(last) if last.bytes.len() + line.len() <= CHUNK_BYTES => {
                last.bytes.extend_from_slice(line);
                last.waiting.extend(waiting);
            }
            _ => {
                let mut bytes = std::mem::take(&mut self.spare);
                bytes.extend_from_slice(line);
                self.chunks.push_back(Chunk { gap: None, bytes, waiting: waiting.into_iter().collect() });
            }
        }
    }

    fn count(&mut self, gap: Gap) {
        self.missing += gap.lines;
        if let Some(counter) = &self.counter {
            counter.inc_by(gap.lines);
        }
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        let Writer(shared) = &self.0;
        let mut state = self.0.state();
        state.is_closed = true;
        shared.arrived.notify_one();
        // Whoever reads may have stalled: what is not written by then ends with the process.
        let _ = shared.ended.wait_timeout_while(state, END_WAIT, |state| !state.has_ended);
    }
}

impl Gap {
    fn sum(before: Option<Gap>, after: Option<Gap>) -> Option<Gap> {
        match (before, after) {
            (Some(before), Some(after)) => Some(Gap { lines: before.lines + after.lines, ..before }),
            (before, after) => before.or(after),
        }
    }
}

/// What the thread has.
struct Thread<Out, Describe> {
    writer: Writer,
    out: Out,
    describe: Describe,
    /// What is missing before what is written next.
    missing: Option<Gap>,
    /// Whether a line was written without its end.
    is_torn: bool,
}

impl<Out: Write, Describe: Fn(Gap) -> String> Thread<Out, Describe> {
    fn run(mut self) {
        while let Some(Chunk { gap, bytes, waiting }) = self.writer.next() {
            self.missing = Gap::sum(self.missing, gap);
            let unwritten = self.write_chunk(&bytes);
            self.missing = Gap::sum(self.missing, unwritten);
            self.writer.written(bytes, unwritten, self.missing.is_some());
            if unwritten.is_none() {
                for waiting in waiting {
                    // Who waits no longer need not know.
                    let _ = waiting.send(());
                }
            }
        }
        self.write_chunk(&[]);
        self.writer.end();
    }

    /// Writes what is missing, and then these lines; what of them could not be written.
    fn write_chunk(&mut self, bytes: &[u8]) -> Option<Gap> {
        if let Some(gap) = self.missing {
            let end_of_torn = if self.is_torn { "\n" } else { "" };
            let line = format!("{end_of_torn}{}", (self.describe)(gap));
            if !self.write(line.as_bytes()).is_empty() {
                return lines_of(bytes);
            }
            self.missing = None;
        }
        lines_of(self.write(bytes))
    }

    /// What could not be written.
    fn write<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let mut left = bytes;
        while !left.is_empty() {
            match self.out.write(left) {
                Ok(count) if count > 0 => {
                    left = left.get(count..).unwrap_or_default();
                    self.is_torn = bytes.get(bytes.len() - left.len() - 1) != Some(&b'\n');
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => thread::sleep(PAUSE),
                // It has no better place to complain than itself.
                Ok(_) | Err(_) => return left,
            }
        }
        let _ = self.out.flush();
        left
    }
}

fn lines_of(bytes: &[u8]) -> Option<Gap> {
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
    let lines = u64::try_from(lines).unwrap_or(u64::MAX);
    (lines > 0).then(|| Gap { lines, since: Timestamp::now() })
}

#[cfg(test)]
mod tests;

//! A reader that stalls, and a disk that is full.

use std::io;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use tokio::time::Instant;

use super::*;

/// What was written, each time that it may be.
struct Gate {
    open: Receiver<io::Result<usize>>,
    written: Arc<Mutex<String>>,
}

impl Write for Gate {
    /// Waits until it is said how much is taken. Whoever has gone takes all.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.open.recv().unwrap_or(Ok(usize::MAX))?.min(bytes.len());
        self.written.lock().unwrap().push_str(std::str::from_utf8(&bytes[..taken]).unwrap());
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

struct Log {
    writer: Writer,
    flush: Flush,
    gate: SyncSender<io::Result<usize>>,
    written: Arc<Mutex<String>>,
    counter: IntCounter,
}

impl Log {
    /// One before which so many bytes may wait.
    fn new(bytes_max: usize) -> Log {
        // Each of these tests says itself what comes next.
        Log::retrying(bytes_max, Duration::MAX)
    }

    fn retrying(bytes_max: usize, retry: Duration) -> Log {
        let (gate, open) = sync_channel(0);
        let (written, counter) = (Arc::default(), IntCounter::new("name", "help").unwrap());
        let out = Gate { open, written: Arc::clone(&written) };
        let (writer, flush) = Writer::start(out, bytes_max, retry, |gap| format!("{} missing\n", gap.lines));
        writer.count_in(counter.clone());
        Log { writer, flush, gate, written, counter }
    }

    fn push(&self, lines: impl IntoIterator<Item = u32>) {
        for line in lines {
            self.writer.push(format!("{line}\n").as_bytes(), None);
        }
    }

    /// Lets what waits through, and ends: what was written, and how many lines were counted as missing.
    fn end(self) -> (String, u64) {
        drop(self.gate);
        drop(self.flush);
        let written = self.written.lock().unwrap().clone();
        (written.replace('\n', " "), self.counter.get())
    }
}

#[test]
fn what_fits_is_written() {
    let log = Log::new(100);
    log.push(0..10);
    assert_eq!(log.end(), ("0 1 2 3 4 5 6 7 8 9 ".to_owned(), 0));
}

#[test]
fn what_finds_no_room_is_reported_in_its_place() {
    let log = Log::new(10);
    log.push(0..8);
    // What is taken leaves less than half free.
    log.gate.send(Ok(2)).unwrap();
    log.push(8..9);
    let (written, missing) = log.end();
    assert_eq!((written.as_str(), missing), ("0 1 2 3 4 4 missing ", 4));
}

#[test]
fn it_goes_on_once_half_is_free() {
    let log = Log::new(10);
    log.push(0..5);
    log.push(5..8);
    let is_behind = || {
        let state = log.writer.state();
        state.bytes > 0 || state.gap.is_some()
    };
    while is_behind() {
        log.gate.send(Ok(usize::MAX)).unwrap();
    }
    log.push(8..10);
    assert_eq!(log.end(), ("0 1 2 3 4 3 missing 8 9 ".to_owned(), 3));
}

#[test]
fn nobody_waits_for_a_reader_who_has_stalled() {
    let log = Log::new(1 << 20);
    let began = Instant::now();
    log.push(0..200_000);
    drop(log.flush);
    assert!(began.elapsed() >= END_WAIT);
    assert!(began.elapsed() < END_WAIT * 10, "{:?}", began.elapsed());
    assert_eq!(*log.written.lock().unwrap(), "");
    assert!(log.counter.get() > 0);
}

#[test]
fn what_cannot_be_written_is_missing_too() {
    let log = Log::new(100);
    let full = || Err(io::ErrorKind::StorageFull.into());
    log.push(10..11);
    log.gate.send(full()).unwrap();
    while log.writer.state().bytes > 0 {
        thread::yield_now();
    }
    log.push(11..12);
    // The line that says so is cut, and then what comes before it is not repeated.
    log.gate.send(Ok(4)).unwrap();
    log.gate.send(full()).unwrap();
    while log.writer.state().bytes > 0 {
        thread::yield_now();
    }
    log.push(12..13);
    assert_eq!(log.end(), ("1 mi 2 missing 12 ".to_owned(), 2));
}

#[test]
fn what_is_missing_is_said_though_nothing_more_comes() {
    let log = Log::retrying(100, Duration::from_millis(1));
    log.push(1..3);
    log.gate.send(Err(io::ErrorKind::StorageFull.into())).unwrap();
    log.gate.send(Err(io::ErrorKind::StorageFull.into())).unwrap();
    log.gate.send(Ok(usize::MAX)).unwrap();
    while log.written.lock().unwrap().is_empty() {
        thread::yield_now();
    }
    let written = log.written.lock().unwrap().clone();
    assert!(["1 missing\n", "2 missing\n"].contains(&written.as_str()), "{written}");
    log.end();
}

#[test]
fn who_waits_hears_of_what_is_written_alone() {
    let log = Log::new(100);
    let (sender, lost) = oneshot::channel();
    assert!(log.writer.push(b"lost\n", Some(sender)));
    log.gate.send(Err(io::ErrorKind::StorageFull.into())).unwrap();
    assert!(lost.blocking_recv().is_err());
    assert!(log.writer.is_behind());
    let (sender, kept) = oneshot::channel();
    assert!(log.writer.push(b"kept\n", Some(sender)));
    for _ in 0..2 {
        log.gate.send(Ok(usize::MAX)).unwrap();
    }
    assert!(kept.blocking_recv().is_ok());
    assert!(!log.writer.is_behind());
    assert_eq!(log.end(), ("1 missing kept ".to_owned(), 1));
}

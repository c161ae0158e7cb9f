//! Time is paused: what waits is looked at as if the pauses were over.

use std::io::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::time::{advance, timeout};

use super::*;
use crate::telemetry::logs::Format;

/// Longer than the first pause, and shorter than any turn.
const MOMENT: Duration = Duration::from_millis(300);

fn fail(circuit: &Circuit) {
    circuit.enter().unwrap().settle(&Reached::No("refused".to_owned()));
}

/// A circuit that has just opened.
fn open() -> Circuit {
    let circuit = Circuit::new("test", None);
    (0..FAILURES_MAX).for_each(|_| fail(&circuit));
    circuit
}

/// How many have gone on so far, of so many that wait.
fn waiting(circuit: &Circuit, count: usize) -> Arc<AtomicUsize> {
    let gone = Arc::<AtomicUsize>::default();
    for _ in 0..count {
        let (circuit, gone) = (circuit.clone(), gone.clone());
        tokio::spawn(async move {
            circuit.ready().await;
            gone.fetch_add(1, Ordering::Relaxed);
        });
    }
    gone
}

/// Let all that can go on do so.
async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test(start_paused = true)]
async fn some_failures_in_a_row_open_it() {
    // An answer begins anew, and what does not say anything does not.
    for (reached, is_open) in [(Reached::Yes, false), (Reached::Unclear, true)] {
        let circuit = Circuit::new("test", None);
        (1..FAILURES_MAX).for_each(|_| fail(&circuit));
        circuit.enter().unwrap().settle(&reached);
        fail(&circuit);
        assert_eq!(circuit.is_open(), is_open, "{reached:?}");
        assert_eq!(circuit.enter().is_none(), is_open);
        assert_eq!(circuit.since(), is_open.then(Instant::now));
    }
}

#[tokio::test(start_paused = true)]
async fn failures_far_apart_do_not_belong_together() {
    let circuit = Circuit::new("test", None);
    for _ in 0..FAILURES_MAX * 2 {
        fail(&circuit);
        advance(FAILURES_APART_MAX + MOMENT).await;
    }
    assert!(!circuit.is_open());
}

#[tokio::test(start_paused = true)]
async fn one_probe_at_a_time_and_its_answer_closes_it() {
    let circuit = open();
    advance(MOMENT).await;
    drop(circuit.enter().unwrap());
    assert!(circuit.enter().is_none(), "one that is dropped has failed");
    advance(MOMENT * 2).await;
    let probe = circuit.enter().unwrap();
    assert!(circuit.enter().is_none(), "there is one already");
    probe.settle(&Reached::Yes);
    assert!(!circuit.is_open());
    assert_eq!(circuit.since(), None);
    drop((circuit.enter().unwrap(), circuit.enter().unwrap()));
}

#[tokio::test(start_paused = true)]
async fn pauses_grow_up_to_a_limit_where_probes_fail_or_say_nothing() {
    let circuit = open();
    let mut paused = Vec::new();
    for round in 0..10 {
        let began = Instant::now();
        circuit.ready().await;
        paused.push(began.elapsed());
        let probe = circuit.enter().unwrap();
        let reached = if round % 2 == 0 { Reached::Unclear } else { Reached::No("refused".to_owned()) };
        probe.settle(&reached);
    }
    for (round, pause) in paused.iter().enumerate() {
        let longest = (PAUSE_MIN * (1 << round)).min(PAUSE_MAX) + Duration::from_millis(1);
        assert!(*pause <= longest && *pause >= longest.mul_f64(0.74), "{round}: {pause:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_thousands_that_wait_one_is_let_through_for_each_probe() {
    let circuit = open();
    let gone = waiting(&circuit, 2_000);
    settle().await;
    assert_eq!(gone.load(Ordering::Relaxed), 0);
    advance(MOMENT).await;
    settle().await;
    assert_eq!(gone.load(Ordering::Relaxed), 1);
    let probe = circuit.enter().unwrap();
    advance(TURN * 5).await;
    settle().await;
    assert_eq!(gone.load(Ordering::Relaxed), 1, "the probe is still on its way");
    probe.settle(&Reached::No("refused".to_owned()));
    advance(MOMENT * 2).await;
    settle().await;
    assert_eq!(gone.load(Ordering::Relaxed), 2);
    circuit.enter().unwrap().settle(&Reached::Yes);
    settle().await;
    assert_eq!(gone.load(Ordering::Relaxed), 2_000, "it is back");
}

#[tokio::test(start_paused = true)]
async fn a_turn_that_is_not_taken_is_the_next_ones() {
    let circuit = open();
    let gone = waiting(&circuit, 2);
    advance(MOMENT).await;
    settle().await;
    assert_eq!(gone.load(Ordering::Relaxed), 1);
    advance(TURN).await;
    settle().await;
    assert_eq!(gone.load(Ordering::Relaxed), 2);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_server_that_is_there() {
    let circuit = Circuit::new("test", None);
    timeout(Duration::ZERO, circuit.ready()).await.unwrap();
    // One that gives up waiting takes nobody's place in the line.
    let circuit = open();
    assert!(timeout(Duration::from_millis(1), circuit.ready()).await.is_err());
    circuit.ready().await;
    circuit.enter().unwrap().settle(&Reached::Yes);
}

/// What was written.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test(start_paused = true)]
async fn there_is_one_line_when_it_opens_and_one_when_it_closes() {
    let written = Written::default();
    let circuit = Circuit::new("test", Some(Logger::new(Format::Json, written.clone())));
    (0..FAILURES_MAX).for_each(|_| fail(&circuit));
    for _ in 0..3 {
        circuit.ready().await;
        circuit.enter().unwrap().settle(&Reached::No("still refused".to_owned()));
    }
    circuit.ready().await;
    circuit.enter().unwrap().settle(&Reached::Yes);
    let text = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert!(lines[0].contains("test is away, and is asked by one request at a time: refused"), "{text}");
    assert!(lines[1].contains("test answers again, after "), "{text}");
}

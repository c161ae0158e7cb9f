//! Has the host send as much as it can be made to. How is the event's field `sec.mode`, and how often `sec.n`.

#[macro_use]
#[path = "../../hostile.rs"]
mod hostile;

use falco_talon_sdk::exec::{self, ExecOptions};
use falco_talon_sdk::kubernetes::{self, Departure, Eviction, Preconditions};
use falco_talon_sdk::{Event, Failure, Outcome, Report};

guest!("hostile:requests");

fn run(event: &Event) -> Result<Outcome, Failure> {
    let pod = event.pod()?;
    let n: usize = event.text("sec.n").and_then(|n| n.parse().ok()).unwrap_or(1);
    let done = |message: String| Ok(Outcome::Done(Report::new(message)));
    match event.text("sec.mode").unwrap_or_default() {
        "departures" => {
            let departures: Vec<_> = (0..n).map(|_| Departure { object: pod.object(), uid: None }).collect();
            done(format!("{:?}", kubernetes::wait_deleted(&departures, 1_000).map(|gone| gone.len())))
        }
        "evictions" => {
            let eviction = |_| Eviction {
                namespace: pod.namespace.to_owned(),
                pod: pod.name.to_owned(),
                preconditions: Preconditions::default(),
            };
            let evictions: Vec<_> = (0..n).map(eviction).collect();
            done(format!("{:?}", kubernetes::evict(&evictions, None, 1_000)))
        }
        "arguments" => {
            let command = vec!["x".to_owned(); n];
            done(format!("{:?}", exec::exec(&pod.container("web"), &command, &ExecOptions::default()).map(drop)))
        }
        "stdin" => {
            let options = ExecOptions { stdin: vec![b'x'; n], ..ExecOptions::default() };
            done(format!("{:?}", exec::exec(&pod.container("web"), &["true".to_owned()], &options).map(drop)))
        }
        // It has many objects for itself, and stays for as long as it may.
        "hoard" => {
            let eviction = |at| Eviction {
                namespace: pod.namespace.to_owned(),
                pod: format!("web-{at}"),
                preconditions: Preconditions::default(),
            };
            let evictions: Vec<_> = (0..n).map(eviction).collect();
            let evicted = kubernetes::evict(&evictions, None, 1);
            let departure = Departure { object: pod.object(), uid: None };
            let gone = kubernetes::wait_deleted(&[departure], u32::MAX);
            done(format!("{:?}, {gone:?}", evicted.map(|evicted| evicted.len())))
        }
        // What may have been carried out, it says was not.
        "lie" => {
            let ended = exec::exec(&pod.container("web"), &["true".to_owned()], &ExecOptions::default()).map(drop);
            Err(Failure::unavailable(format!("{ended:?}")))
        }
        mode => Err(Failure::rejected(format!("there is no mode '{mode}'"))),
    }
}

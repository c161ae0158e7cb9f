//! What the host costs, as figures and as ratios to the same work without it.
//!
//! Both sides of a ratio run in the same run, in rounds that take turns, so that whatever else
//! the machine does meets both. Each server is a process of its own, whose memory and CPU time
//! the system counts; the load and the API server are in this one. Nothing here passes or fails:
//! the aims stand beside the figures.
//!
//! The modules are in reading order.

mod report;
mod stage;

mod call;
mod pure;

mod api;
mod bare;
mod load;
mod process;

mod durable;
mod intake;
mod journey;
mod startup;

use std::error::Error;
use std::time::Duration;

/// What any part of the benchmark may end with.
type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// How often the sides of a ratio take turns.
const ROUNDS: usize = 7;

/// How long a side is under load in each round.
const ROUND: Duration = Duration::from_secs(2);

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => run(""),
        // This program is also the servers that it measures.
        ["serve", what] => bare::serve(what, None),
        ["serve", what, api] => bare::serve(what, Some(api)),
        [part] => run(part),
        _ => Err("usage: bench [pure|call|startup|intake|journey|durable]".into()),
    }
}

/// Run one part, or all.
fn run(part: &str) -> Result<()> {
    let wanted = |name: &str| part.is_empty() || part == name;
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build();
    report::surroundings();
    if wanted("pure") {
        pure::run()?;
    }
    if wanted("call") {
        call::run()?;
    }
    if wanted("startup") {
        startup::run()?;
    }
    if wanted("intake") {
        runtime()?.block_on(intake::run())?;
    }
    if wanted("journey") {
        runtime()?.block_on(journey::run())?;
    }
    if wanted("durable") {
        runtime()?.block_on(durable::run())?;
    }
    report::surroundings();
    Ok(())
}

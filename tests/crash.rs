//! A host that is killed in the middle of things, a disk that forgets or fills, a clock that is set, an API server that
//! goes away: what was accepted ends as promised, at the API server and in the store.
//!
//! `FALCO_TALON_TEST_KILLS` says how often the host is killed, `FALCO_TALON_TEST_RATE` how many events a second it gets
//! meanwhile; `just crash` sets both.

mod api;
mod child;
mod load;
mod promise;

use std::time::Duration;

use tokio::time::sleep;

use api::Api;
use child::{Child, furnish};
use load::{Answer, Sent};
use promise::{Survives, check};

/// A number from the environment.
fn setting(name: &str, default: u32) -> u32 {
    std::env::var(name).ok().map_or(default, |value| value.parse().unwrap())
}

fn kills() -> u32 {
    setting("FALCO_TALON_TEST_KILLS", 4)
}

fn rate() -> u32 {
    setting("FALCO_TALON_TEST_RATE", 100)
}

/// Any time of these, other ones in each run.
fn moment(milliseconds_max: u64) -> Duration {
    use std::hash::{BuildHasher as _, RandomState};
    Duration::from_millis(RandomState::new().hash_one(0) % milliseconds_max)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_ends_as_promised_however_often_the_process_is_killed() {
    let (folder, api, sent) = (tempfile::tempdir().unwrap(), Api::start(), Sent::default());
    let data_dir = folder.path().join("data");
    furnish(folder.path(), api.address, &data_dir);
    for _ in 0..kills() {
        let child = Child::start(folder.path(), &[]).await;
        let load = sent.to(child.address, rate());
        sleep(moment(1_500)).await;
        child.kill();
        load.stop().await;
    }
    Child::start(folder.path(), &[]).await.drain().await;
    let ends = check(&data_dir, &sent, &api.counted(), Survives::Accepted);
    let (accepted, unanswered) = (sent.count(Answer::Status(200)), sent.count(Answer::Nothing));
    println!("{} kills, {accepted} events accepted, {unanswered} without an answer: {ends:?}", kills());
}

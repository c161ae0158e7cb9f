//! A host that is killed in the middle of things, a disk that forgets or fills, a clock that is set, an API server that
//! goes away: what was accepted ends as promised, at the API server and in the store.
//!
//! `FALCO_TALON_TEST_KILLS` says how often the host is killed, `FALCO_TALON_TEST_RATE` how many events a second it gets
//! meanwhile; `just crash` sets both.

mod api;
mod child;
mod load;
mod machine;
mod promise;

use std::time::Duration;

use tokio::time::sleep;

pub(crate) use api::Api;
pub(crate) use child::{Child, furnish};
pub(crate) use load::{Answer, Sent};
use machine::Clock;
pub(crate) use machine::Disk;
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

/// 200 survives the process; what survives the machine is what was synced, and with that all that must not run twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_must_not_run_twice_does_not_when_the_disk_forgets_what_was_not_synced() {
    let (folder, api, sent) = (tempfile::tempdir().unwrap(), Api::start(), Sent::default());
    let Some(library) = machine::library(folder.path()) else { return };
    let data_dir = folder.path().join("data");
    furnish(folder.path(), api.address, &data_dir);
    for _ in 0..kills() {
        let variables = [("LD_PRELOAD", &*library), ("FALCO_TALON_TEST_SYNCED", &*data_dir)];
        let child = Child::start(folder.path(), &variables).await;
        let load = sent.to(child.address, rate());
        sleep(moment(1_500)).await;
        child.kill();
        load.stop().await;
        machine::cut_power(&data_dir.join("store"), || moment(3).is_zero());
    }
    Child::start(folder.path(), &[]).await.drain().await;
    let ends = check(&data_dir, &sent, &api.counted(), Survives::Synced);
    println!("{} power cuts, {} events accepted: {ends:?}", kills(), sent.count(Answer::Status(200)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_events_and_loses_none() {
    let (folder, api, sent) = (tempfile::tempdir().unwrap(), Api::start(), Sent::default());
    let Some(disk) = Disk::mount(&folder.path().join("disk"), 8 << 20) else { return };
    furnish(folder.path(), api.address, disk.path());
    let child = Child::start(folder.path(), &[]).await;
    let load = sent.to(child.address, rate());
    for _ in 0..2 {
        sent.wait_for_more(20, Answer::Status(200)).await;
        disk.fill();
        child.until("/readyz", |status, _| status == 503).await;
        sent.wait_for_more(20, Answer::Status(503)).await;
        disk.free();
        child.until("/readyz", |status, _| status == 200).await;
    }
    sent.wait_for_more(20, Answer::Status(200)).await;
    load.stop().await;
    child.drain().await;
    let ends = check(disk.path(), &sent, &api.counted(), Survives::Accepted);
    assert_eq!(ends.done, sent.count(Answer::Status(200)));
    println!("{} refused: {ends:?}", sent.count(Answer::Status(503)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clock_that_is_set_expires_nothing() {
    let (folder, mut api, sent) = (tempfile::tempdir().unwrap(), Api::start(), Sent::default());
    let Some(library) = machine::library(folder.path()) else { return };
    let (data_dir, clock) = (folder.path().join("data"), Clock::new(folder.path()));
    furnish(folder.path(), api.address, &data_dir);
    let variables = [("LD_PRELOAD", &*library), ("FALCO_TALON_TEST_CLOCK", clock.path())];
    let child = Child::start(folder.path(), &variables).await;
    // Nothing older than an hour may begin.
    for hours in [5, -5] {
        api.go_away();
        let load = sent.to(child.address, rate());
        sleep(Duration::from_millis(300)).await;
        clock.set(hours);
        sleep(Duration::from_millis(300)).await;
        load.stop().await;
        api.come_back();
    }
    child.kill();
    clock.set(-10);
    Child::start(folder.path(), &variables).await.drain().await;
    let ends = check(&data_dir, &sent, &api.counted(), Survives::Accepted);
    println!("{ends:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_api_server_that_goes_away_and_comes_back_misses_nothing() {
    let (folder, mut api, sent) = (tempfile::tempdir().unwrap(), Api::start(), Sent::default());
    let data_dir = folder.path().join("data");
    furnish(folder.path(), api.address, &data_dir);
    let child = Child::start(folder.path(), &[]).await;
    let load = sent.to(child.address, rate());
    for _ in 0..2 {
        sleep(Duration::from_millis(300)).await;
        api.go_away();
        sleep(Duration::from_secs(1)).await;
        api.come_back();
    }
    load.stop().await;
    child.drain().await;
    let ends = check(&data_dir, &sent, &api.counted(), Survives::Accepted);
    println!("{ends:?}");
}

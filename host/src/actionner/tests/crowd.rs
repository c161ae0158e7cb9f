//! As many calls at once as the configuration accepts, all of which wait.

use std::fs;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use outputs::Room;
use policy::{Facts, Grants, Limits};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::probe::Probe;
use super::{MEMORY_BYTES_MAX, engine, load, run, silent};
use crate::actionner::{Actionner, Cache, Candidate, Inspection, Invocation, Origin, digest};
use crate::capability::Call;
use crate::clients::Clients;

/// Of this file's own, for the process that it starts.
const MEASURES: &str = "FALCO_TALON_TEST_CROWD";

const CALLS_MAX: usize = 10_000;

/// A waiting call is a few pages, and what the host keeps of it.
const WAITING_BYTES_MAX: usize = 80 << 10;

/// As many as a policy lets one actionner have.
const CALLS_OF_ONE: usize = 1_024;

/// Pauses for longer than any test takes.
fn pausing() -> Vec<u8> {
    Probe {
        interfaces: "interface clock { pause: func(duration-ms: u32) -> u32; }",
        imports: "import clock;".to_owned(),
        module_imports:
            r#"(import "falco-talon:actionner/clock@1.0.0" "pause" (func $pause (param i32) (result i32)))"#.to_owned(),
        memory: r#"(memory (export "memory") 17)"#,
        run: "(drop (call $pause (i32.const 3000000)))",
        ..Probe::default()
    }
    .component()
}

/// So many bytes of memory that belong to this process alone.
fn resident_bytes() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() << 10
}

fn invocation() -> Invocation {
    let text = || "{}".to_owned();
    Invocation { event: text(), parameters: text(), context: text(), trace_id: String::new() }
}

async fn measure() {
    let engine = engine(CALLS_MAX);
    let reporting = silent();
    let none = Grants::none("probe:one".to_owned());
    let limits = Limits { concurrency_max: CALLS_OF_ONE, deadline_max: Duration::from_secs(3_600), ..none.limits };
    let grants = Arc::new(Grants { limits, ..none });
    let call = move || {
        let grants = Arc::clone(&grants);
        Call::new(grants, Facts::default(), true, String::new(), Clients::default(), Room::new(0), reporting.clone())
    };
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::open(folder.path()).unwrap();
    let mut actionners = Vec::new();
    for _ in 0..12 {
        let component = pausing();
        let digest = digest(&component);
        let candidate = Candidate::new(Origin::Bundled, component.into(), digest).unwrap();
        let inspection = Inspection::new(&engine, Some(&cache), candidate, None, call());
        let grants = Arc::new(call().grants().clone());
        actionners
            .push(Arc::new(Actionner::load(&engine, Some(&cache), inspection.await.unwrap(), grants).await.unwrap()));
    }
    let other = load(&engine, Probe::default().component(), MEMORY_BYTES_MAX).await.unwrap();
    let mut calls = JoinSet::new();
    let at_rest_bytes = resident_bytes();
    for actionner in &actionners {
        for _ in 0..CALLS_OF_ONE {
            let (actionner, call) = (Arc::clone(actionner), call());
            calls.spawn(async move { actionner.call(&invocation(), call).await });
        }
    }
    let running = || engine.pools.places.used();
    while running() < 9_200 {
        sleep(Duration::from_millis(50)).await;
    }
    let bytes_each = (resident_bytes() - at_rest_bytes) / running();
    assert!(bytes_each < WAITING_BYTES_MAX, "{bytes_each} bytes for each of {} calls", running());
    // One more actionner has a place at once.
    assert_eq!(run(&other, MEMORY_BYTES_MAX).await, run(&other, MEMORY_BYTES_MAX).await);
    assert!(calls.try_join_next().is_none());
    calls.shutdown().await;
    // Places keep some of what was used for the next calls.
    let kept_bytes = resident_bytes() - at_rest_bytes;
    assert!(kept_bytes < CALLS_MAX * WAITING_BYTES_MAX, "{kept_bytes} bytes are kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn as_many_wait_as_the_configuration_accepts() {
    if std::env::var_os(MEASURES).is_some() {
        return measure().await;
    }
    let mut test = Command::new(std::env::current_exe().unwrap());
    test.args(["--exact", "actionner::tests::crowd::as_many_wait_as_the_configuration_accepts", "--nocapture"]);
    let output = test.env(MEASURES, "1").output().unwrap();
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}

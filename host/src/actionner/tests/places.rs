//! Places for calls, on machines that give much address space and little.

use std::process::Command;

use expect_test::{Expect, expect};

use super::probe::Probe;
use super::{MEMORY_BYTES_MAX, engine, load, run};

/// Of this file's own, for the process that it starts.
const CALLS: &str = "FALCO_TALON_TEST_CALLS";

/// Grows to so many MiB, and writes into the last of them.
fn growing(run: &'static str) -> Probe {
    Probe { run, ..Probe::default() }
}

/// What becomes of an engine for so many calls, and of calls of the default memory and of more.
async fn said(calls: usize) -> String {
    let engine = engine(calls);
    let mut said = engine.refusal().map(|refusal| format!("{refusal}\n")).unwrap_or_default();
    let small = growing(
        "(drop (memory.grow (i32.const 1000))) (i32.store (i32.const 65000000) (i32.const 1))
         (if (i32.ne (i32.load (i32.const 65000000)) (i32.const 1)) (then unreachable))",
    );
    let large = growing("(drop (memory.grow (i32.const 4000))) (i32.store (i32.const 262000000) (i32.const 1))");
    let outside = growing("(i32.store (i32.const 262000000) (i32.const 1))");
    for (probe, memory_bytes_max) in [(&small, MEMORY_BYTES_MAX), (&large, 512 << 20), (&outside, 512 << 20)] {
        let actionner = load(&engine, probe.component(), memory_bytes_max).await.unwrap();
        said += &run(&actionner, memory_bytes_max).await;
        said += "\n";
    }
    said
}

/// In a process of its own, with so much address space.
fn check(kib: &str, calls: usize, expected: &Expect) {
    let mut command = Command::new("sh");
    command.args(["-c", "ulimit -v $1 && shift && exec \"$@\"", "sh", kib]).arg(std::env::current_exe().unwrap());
    command.args(["--exact", "actionner::tests::places::in_a_process_of_its_own", "--nocapture"]);
    let output = command.env(CALLS, calls.to_string()).output().unwrap();
    let output = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let said = output.split("---\n").nth(1).unwrap_or_else(|| panic!("{output}"));
    expected.assert_eq(said);
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_process_of_its_own() {
    if let Some(calls) = std::env::var_os(CALLS) {
        println!("---\n{}---", said(calls.to_str().unwrap().parse().unwrap()).await);
    }
}

#[test]
fn what_the_configuration_accepts_starts() {
    check(
        "unlimited",
        64,
        &expect![[r#"
        Outcome::Done(Report { message: "done", objects: [], details: None })
        Outcome::Done(Report { message: "done", objects: [], details: None })
        the actionner trapped: wasm trap: out of bounds memory access
    "#]],
    );
    check(
        "unlimited",
        10_000,
        &expect![[r#"
        Outcome::Done(Report { message: "done", objects: [], details: None })
        Outcome::Done(Report { message: "done", objects: [], details: None })
        the actionner trapped: wasm trap: out of bounds memory access
    "#]],
    );
    // 32 GiB: places of the default memory.
    check(
        "33554432",
        64,
        &expect![[r#"
        the machine does not give the 323 GiB of address space in which 64 calls at once run fastest (see `ulimit -v`): each has a smaller part of it, and computes more slowly; a lower `concurrency.events_max` needs less
        Outcome::Done(Report { message: "done", objects: [], details: None })
        Outcome::Done(Report { message: "done", objects: [], details: None })
        the actionner trapped: wasm trap: out of bounds memory access
    "#]],
    );
    // 2 GiB: none.
    check(
        "2097152",
        64,
        &expect![[r#"
        the machine does not give the 323 GiB of address space in which 64 calls at once run fastest (see `ulimit -v`): each asks the system for its memory anew; a lower `concurrency.events_max` needs less
        Outcome::Done(Report { message: "done", objects: [], details: None })
        Outcome::Done(Report { message: "done", objects: [], details: None })
        the actionner trapped: wasm trap: out of bounds memory access
    "#]],
    );
    check(
        "2097152",
        10_000,
        &expect![[r#"
        the machine does not give the 50391 GiB of address space in which 10000 calls at once run fastest (see `ulimit -v`): each asks the system for its memory anew; a lower `concurrency.events_max` needs less
        Outcome::Done(Report { message: "done", objects: [], details: None })
        Outcome::Done(Report { message: "done", objects: [], details: None })
        the actionner trapped: wasm trap: out of bounds memory access
    "#]],
    );
}

//! Components that do not fit, each with what the host says of it.

use expect_test::{Expect, expect};

use super::probe::{LOG, Probe, action, log_import};
use super::{MEMORY_BYTES_MAX, engine, load, run};

/// What the host says of a component.
async fn said(component: Vec<u8>) -> String {
    match load(&engine(1), component, MEMORY_BYTES_MAX).await {
        Ok(_) => "loads".to_owned(),
        Err(error) => without_digest(&error.to_string()),
    }
}

fn without_digest(text: &str) -> String {
    regex::Regex::new("sha256:[0-9a-f]{64}").unwrap().replace_all(text, "DIGEST").into_owned()
}

async fn check(probe: Probe, expected: Expect) {
    expected.assert_eq(&said(probe.component()).await);
}

/// What comes of a call.
async fn check_call(probe: Probe, expected: Expect) {
    let actionner = load(&engine(1), probe.component(), MEMORY_BYTES_MAX).await.unwrap();
    expected.assert_eq(&run(&actionner, MEMORY_BYTES_MAX).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_hold_no_actionner() {
    async fn check(file: &[u8], expected: Expect) {
        expected.assert_eq(&said(file.to_vec()).await);
    }
    let component = Probe::default().component();
    // Others are beside the code that recognizes them.
    check(b"<!DOCTYPE html><title>404</title>", expect!["the file is a page of HTML or XML, as servers answer wrong and protected addresses: download the component itself"]).await;
    check(
        &component[..component.len() / 2],
        expect!["the component ends too early, after 1151 bytes: build or copy it anew"],
    )
    .await;
    check(
        &component[..component.len() - 1],
        expect!["the component ends too early, after 2301 bytes: build or copy it anew"],
    )
    .await;
    let mut broken = component.clone();
    let at = broken.windows(4).position(|bytes| bytes == b"run\0").unwrap_or(component.len() / 2);
    broken[at] ^= 0x80;
    check(
        &broken,
        expect![
            "the component is not valid WebAssembly: malformed UTF-8 encoding (at byte 178): build or copy it anew"
        ],
    )
    .await;
    check(
        &Probe::package(),
        expect!["the file is a package of WIT: it has interfaces, and no code; build a component for its world"],
    )
    .await;
    // The smallest component that there is.
    check(b"\0asm\x0d\0\x01\0", expect!["the component does not fit this host: it does not export `falco-talon:actionner/action@1.0.0`: build it for the world `actionner` of the contract"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_of_the_contract() {
    async fn check(version: &'static str, expected: Expect) {
        let built = Probe { version, ..Probe::default() };
        expected.assert_eq(&said(built.component()).await);
    }
    check("1.0.0", expect!["loads"]).await;
    check("1.0.7", expect!["loads"]).await;
    check("1.3.0", expect!["loads"]).await;
    check("0.1.0", expect!["the component does not fit this host: it is built against version 0.1.0 of the contract, and this host speaks 1.0.0: build it anew against that"]).await;
    check("2.0.0", expect!["the component does not fit this host: it is built against version 2.0.0 of the contract, and this host speaks 1.0.0: it needs a later host, or to be built against 1.0.0"]).await;
    check("1.0.0-rc1", expect!["the component does not fit this host: it is built against version 1.0.0-rc1 of the contract, a draft, and this host speaks 1.0.0: build it anew against that"]).await;
    check("1.1.0-rc1", expect!["the component does not fit this host: it is built against version 1.1.0-rc1 of the contract, a draft, and this host speaks 1.0.0: build it anew against that"]).await;
    check("", expect!["the component does not fit this host: it names the contract without a version, and this host speaks 1.0.0: build it against `wit/` as it is"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn exports_that_differ() {
    let with = |action: String| Probe { action, ..Probe::default() };
    let described = "describe: func() -> string;";
    let run = "run: func(invocation: invocation) -> result<outcome, failure>;";
    check(Probe { run_parameters: 10, ..with(action("trace-id: string,", "trace-id: string, attempt: string,")) }, expect!["the component does not fit this host: its record `invocation` of `action` has a field `attempt` that the contract's does not have"]).await;
    check(
        Probe { run_parameters: 6, ..with(action("trace-id: string,", "")) },
        expect!["the component does not fit this host: its record `invocation` of `action` lacks the field `trace-id`"],
    )
    .await;
    check(Probe { run_parameters: 7, ..with(action("trace-id: string,", "trace-id: u32,")) }, expect!["the component does not fit this host: the field `trace-id` of its record `invocation` of `action` is `u32`, and the contract's is `string`"]).await;
    check(with(action("ignored(report),", "ignored(report), deferred(report),")), expect!["the component does not fit this host: its variant `outcome` of `action` has a case `deferred` that the contract's does not have"]).await;
    check(with(action("ignored(report),", "ignored,")), expect!["the component does not fit this host: the case `ignored` of its variant `outcome` of `action` is without a value, and the contract's is `report`"]).await;
    check(with(action("    rejected,", "    refused,")), expect!["the component does not fit this host: its enum `failure-kind` of `action` lacks the case `rejected`; its enum `failure-kind` of `action` has a case `refused` that the contract's does not have"]).await;
    check(with(action(described, "describe: func() -> option<string>;")), expect!["the component does not fit this host: its function `action.describe` is `func() -> option<string>`, and the contract's is `func() -> string`"]).await;
    check(with(action("record report {", "record report { code: u32,")), expect!["the component does not fit this host: its record `report` of `action` has a field `code` that the contract's does not have"]).await;
    check(Probe { run_parameters: 9, ..with(action("run: func(", "run: func(attempt: u32, ")) }, expect!["the component does not fit this host: its function `action.run` is `func(attempt: u32, invocation: invocation) -> result<outcome, failure>`, and the contract's is `func(invocation: invocation) -> result<outcome, failure>`"]).await;
    check(with(action("run: func(", "run: async func(")), expect!["the component does not fit this host: its function `action.run` is asynchronous (`async func`), and must not be"]).await;
    check(
        with(action(run, "")),
        expect![
            "the component does not fit this host: it lacks the function `action.run`, which every actionner exports"
        ],
    )
    .await;
    check(with(action(described, "")), expect!["the component does not fit this host: it lacks the function `action.describe`, which every actionner exports"]).await;
    let own = r#"(func (export "mine") (result i32) (i32.const 1))"#;
    check(
        Probe { exports: "export action; export mine: func() -> u32;", module: own, ..Probe::default() },
        expect!["loads"],
    )
    .await;
    check(Probe { exports: "export mine: func() -> u32;", module: own, ..Probe::default() }, expect!["the component does not fit this host: it does not export `falco-talon:actionner/action@1.0.0`, but `mine`: build it for the world `actionner` of the contract"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn imports_that_differ() {
    let with = |version, interfaces, imports: &str, module: String| Probe {
        version,
        interfaces,
        imports: imports.to_owned(),
        module_imports: module,
        ..Probe::default()
    };
    let write = |version| log_import(version, "write", "(param i32 i32 i32)");
    check(with("1.0.0", LOG, "import log;", write("1.0.0")), expect!["loads"]).await;
    check(with("1.9.0", LOG, "import log;", write("1.9.0")), expect!["loads"]).await;
    check(with("2.0.0", LOG, "import log;", write("2.0.0")), expect!["the component does not fit this host: it is built against version 2.0.0 of the contract, and this host speaks 1.0.0: it needs a later host, or to be built against 1.0.0"]).await;
    let flush = "interface log { flush: func(); }";
    check(with("1.9.0", flush, "import log;", log_import("1.9.0", "flush", "")), expect!["the component does not fit this host: it imports the function `log.flush` of version 1.9.0 of the contract, and this host speaks 1.0.0: it needs a later host"]).await;
    check(with("1.0.0", flush, "import log;", log_import("1.0.0", "flush", "")), expect!["the component does not fit this host: it imports the function `log.flush` of the contract, which is not there in 1.0.0: leave it out"]).await;
    let trace =
        "interface log { enum level { trace, debug, info, warn, error } write: func(level: level, message: string); }";
    check(with("1.0.0", trace, "import log;", write("1.0.0")), expect!["the component does not fit this host: its enum `level` of `log` has a case `trace` that the contract's does not have"]).await;
    let order = "interface log { enum level { error, warn, info, debug } write: func(level: level, message: string); }";
    check(with("1.0.0", order, "import log;", write("1.0.0")), expect!["the component does not fit this host: the cases of its enum `level` of `log` are in another order than `debug`, `info`, `warn`, `error`"]).await;
    let message = "interface log { enum level { debug, info, warn, error } write: func(level: level); }";
    check(with("1.0.0", message, "import log;", log_import("1.0.0", "write", "(param i32)")), expect!["the component does not fit this host: its function `log.write` is `func(level: level)`, and the contract's is `func(level: level, message: string)`"]).await;
    let slack = r#"(import "falco-talon:actionner/slack@1.2.0" "send" (func))"#;
    check(with("1.2.0", "interface slack { send: func(); }", "import slack;", slack.to_owned()), expect!["the component does not fit this host: it imports the interface `slack` of version 1.2.0 of the contract, and this host speaks 1.0.0: it needs a later host"]).await;
    let own = r#"(import "$root" "fetch-config" (func (result i32)))"#;
    check(with("1.0.0", "", "import fetch-config: func() -> u32;", own.to_owned()), expect!["the component does not fit this host: it imports the function `fetch-config` of its own world, which no host offers: leave it out"]).await;
    let foreign = Probe {
        packages: "package acme:db@1.0.0 { interface query { ask: func(); } }".to_owned(),
        ..with("1.0.0", "", "import acme:db/query@1.0.0;", r#"(import "acme:db/query@1.0.0" "ask" (func))"#.to_owned())
    };
    check(foreign, expect!["the component does not fit this host: it imports `acme:db/query@1.0.0`, which this host does not offer: leave it out, or compose it with a component that exports it"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_and_interfaces_of_wasi() {
    let with = |package: &str, interface: &str, items: &str, function: &str, parameters: &str| {
        let (name, version) =
            package.split_once('@').map_or((package, String::new()), |(name, version)| (name, format!("@{version}")));
        Probe {
            packages: format!("package {package} {{ interface {interface} {{ {items} }} }}"),
            imports: format!("import {name}/{interface}{version};"),
            module_imports: format!(
                r#"(import "{name}/{interface}{version}" "{function}" (func $imported {parameters}))"#
            ),
            ..Probe::default()
        }
    };
    let exit = |package: &str| with(package, "exit", "exit: func(status: result);", "exit", "(param i32)");
    check(exit("wasi:cli@0.2.0"), expect!["loads"]).await;
    check(exit("wasi:cli@0.2.12"), expect!["loads"]).await;
    check(exit("wasi:cli@0.2.99"), expect!["loads"]).await;
    check(
        with("wasi:cli@0.2.12", "exit", "exit-with-code: func(code: u8);", "exit-with-code", "(param i32)"),
        expect!["loads"],
    )
    .await;
    let resource = Probe {
        packages: "package wasi:io@0.2.9 { interface error { resource error; } }
            package wasi:sockets@0.2.9 { interface network {
                use wasi:io/error@0.2.9.{error};
                enum error-code { unknown, access-denied, not-supported, invalid-argument, out-of-memory, timeout,
                    concurrency-conflict, not-in-progress, would-block, invalid-state, new-socket-limit,
                    address-not-bindable, address-in-use, remote-unreachable, connection-refused, connection-reset,
                    connection-aborted, datagram-too-large, name-unresolvable, temporary-resolver-failure,
                    permanent-resolver-failure }
                network-error-code: func(err: borrow<error>) -> option<error-code>;
            } }"
        .to_owned(),
        imports: "import wasi:sockets/network@0.2.9;".to_owned(),
        module_imports: r#"(import "wasi:sockets/network@0.2.9" "network-error-code" (func (param i32 i32)))"#
            .to_owned(),
        ..Probe::default()
    };
    check(resource, expect!["loads"]).await;
    check(exit("wasi:cli@0.2.0-rc-2023-11-10"), expect!["the component does not fit this host: it imports `wasi:cli/exit@0.2.0-rc-2023-11-10`, which this host does not offer: that is a draft; build it with a newer toolchain, for WASI 0.2 (`wasm32-wasip2`)"]).await;
    check(exit("wasi:cli@0.3.0"), expect!["the component does not fit this host: it imports `wasi:cli/exit@0.3.0`, which this host does not offer: of WASI it offers 0.2 alone; build it for that (`wasm32-wasip2`)"]).await;
    check(with("wasi:cli@0.2.99", "exit", "later: func();", "later", ""), expect!["the component does not fit this host: it imports `later` of `wasi:cli/exit@0.2.99`, which this host's WASI does not have: leave it out, or build it for an earlier 0.2"]).await;
    check(with("wasi:cli@0.2.99", "later", "later: func();", "later", ""), expect!["the component does not fit this host: it imports `later` of `wasi:cli/later@0.2.99`, which this host's WASI does not have: leave it out, or build it for an earlier 0.2"]).await;
    check(with("wasi:http@0.2.4", "outgoing-handler", "f: func();", "f", ""), expect!["the component does not fit this host: it imports `wasi:http/outgoing-handler@0.2.4`, which this host does not offer: leave it out (in JavaScript: `componentize-js --disable http`), and reach the web by `http` of the contract"]).await;
    check(with("wasi:config@0.2.0-rc.1", "store", "get: func(key: string) -> option<string>;", "get", "(param i32 i32 i32)"), expect!["the component does not fit this host: it imports `wasi:config/store@0.2.0-rc.1`, which this host does not offer: leave it out, and let rules say it by parameters"]).await;
    check(with("wasi:logging", "logging", "log: func(message: string);", "log", "(param i32 i32)"), expect!["the component does not fit this host: it imports `wasi:logging/logging`, which this host does not offer: leave it out, and write lines by `log` of the contract, or to the standard output"]).await;
    check(with("wasi:keyvalue@0.2.0-draft", "store", "open: func();", "open", ""), expect!["the component does not fit this host: it imports `wasi:keyvalue/store@0.2.0-draft`, which this host does not offer: leave it out"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ends_that_are_no_answers() {
    let with = |version: &str, function: &str, items: &str, run| Probe {
        packages: format!("package wasi:cli@{version} {{ interface exit {{ {items} }} }}"),
        imports: format!("import wasi:cli/exit@{version};"),
        module_imports: format!(r#"(import "wasi:cli/exit@{version}" "{function}" (func $exit (param i32)))"#),
        run,
        ..Probe::default()
    };
    let exit = |version, run| with(version, "exit", "exit: func(status: result);", run);
    check_call(Probe::default(), expect![[r#"Outcome::Done(Report { message: "done", objects: [], details: None })"#]])
        .await;
    check_call(
        exit("0.2.0", "(call $exit (i32.const 0))"),
        expect!["the actionner ended by `exit(0)` before it had answered; `run` answers by returning"],
    )
    .await;
    check_call(
        exit("0.2.99", "(call $exit (i32.const 1))"),
        expect!["the actionner ended by `exit(1)` before it had answered; `run` answers by returning"],
    )
    .await;
    let code = with("0.2.12", "exit-with-code", "exit-with-code: func(code: u8);", "(call $exit (i32.const 3))");
    check_call(code, expect!["the actionner ended by `exit(3)` before it had answered; `run` answers by returning"])
        .await;
    check_call(
        Probe { run: "unreachable", ..Probe::default() },
        expect!["the actionner trapped: wasm trap: wasm `unreachable` instruction executed"],
    )
    .await;
    check_call(
        Probe { run: "(drop (i32.div_u (i32.const 1) (i32.const 0)))", ..Probe::default() },
        expect!["the actionner trapped: wasm trap: integer divide by zero"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn features_of_webassembly() {
    let with = |module, run| Probe { module, run, ..Probe::default() };
    check(
        with("", "(drop (i32x4.extract_lane 0 (i32x4.add (v128.const i32x4 1 2 3 4) (v128.const i32x4 1 2 3 4))))"),
        expect!["loads"],
    )
    .await;
    check(
        with("", "(drop (i8x16.relaxed_swizzle (v128.const i32x4 1 2 3 4) (v128.const i32x4 1 2 3 4)))"),
        expect!["loads"],
    )
    .await;
    check(with("(func $f (return_call $f))", ""), expect!["loads"]).await;
    check(with("(memory $m 1)", "(drop (i32.load $m (i32.const 0)))"), expect!["loads"]).await;
    check(with("(memory $m i64 1)", "(drop (i32.load $m (i64.const 0)))"), expect!["loads"]).await;
    check(
        with("(tag $e)", "(block $h (try_table (catch_all $h) (throw $e)))"),
        expect!["the component uses exceptions, which this host does not run: build it without"],
    )
    .await;
    check(
        with("(type $s (struct (field i32)))", "(drop (struct.get $s 0 (struct.new $s (i32.const 1))))"),
        expect!["the component uses garbage collection (GC), which this host does not run: build it without"],
    )
    .await;
    check(with("", "(drop (i32.atomic.rmw.add (i32.const 131072) (i32.const 1)))"), expect!["the component uses threads (atomic instructions or shared memory), which this host does not run: build it without"]).await;
    let shared = r#"(memory (export "memory") 8 16 shared)"#;
    check(Probe { memory: shared, ..Probe::default() }, expect!["the component uses threads (atomic instructions or shared memory), which this host does not run: build it without"]).await;
    check(Probe { memory: shared, ..with("(tag $e)", "(block $h (try_table (catch_all $h) (throw $e)))") }, expect!["the component uses threads (atomic instructions or shared memory) and exceptions, which this host does not run: build it without"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_a_place_has() {
    let with = |module| Probe { module, ..Probe::default() };
    check(with("(memory 1) (memory 1) (memory 1)"), expect!["loads"]).await;
    check(
        with("(memory 1) (memory 1) (memory 1) (memory 1)"),
        expect![
            "the component is too large for this host: defined memories count of 5 exceeds the per-instance limit of 4"
        ],
    )
    .await;
    check(with("(table 20000 funcref)"), expect!["loads"]).await;
    check(with("(table 30000 funcref)"), expect!["the component is too large for this host: table index 0 has a minimum element size of 30000 which exceeds the limit of 20000"]).await;
    check(Probe { memory: r#"(memory (export "memory") 1024)"#, ..Probe::default() }, expect!["loads"]).await;
    check(Probe { memory: r#"(memory (export "memory") 1025)"#, ..Probe::default() }, expect!["the component begins with 65 MiB of memory, and the policy allows 64 MiB: write `limits: {memory: 128Mi}` into the entry that names its digest, DIGEST"]).await;
    check(Probe { memory: r#"(memory (export "memory") 3200)"#, ..Probe::default() }, expect!["the component begins with 200 MiB of memory, and the policy allows 64 MiB: write `limits: {memory: 256Mi}` into the entry that names its digest, DIGEST"]).await;
}

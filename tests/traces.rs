//! Traces and metrics at a real Collector: what an event leaves there, by which ids, and what a Collector costs that is
//! not there.

mod metrics;
mod told;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

use expect_test::{Expect, expect};
use serde_json::Value;
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use crate::hostile::event;
use crate::process::{Program, simulated};
use crate::running::{PATIENCE, text};
use crate::servers::{self, Server};

/// A span of a caller, in a trace of its own.
const CALLER: (&str, &str) = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331");

/// A span as the Collector has written it.
#[derive(Debug, Clone)]
struct Span {
    trace_id: String,
    id: String,
    parent: String,
    name: String,
    kind: u64,
    attributes: BTreeMap<String, String>,
    events: Vec<String>,
    status: u64,
    /// The attributes of who sent it.
    resource: BTreeMap<String, String>,
}

fn attributes(of: &Value) -> BTreeMap<String, String> {
    let attribute = |attribute: &Value| {
        let value = &attribute["value"];
        let plain = ["stringValue", "intValue", "boolValue", "doubleValue"].iter().find_map(|kind| value.get(kind));
        let value = plain.unwrap_or(value);
        (text(attribute, "key").to_owned(), value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    };
    of["attributes"].as_array().into_iter().flatten().map(attribute).collect()
}

/// All that a file of the Collector has by now: its last line may not be whole.
fn documents(path: &str) -> Vec<Value> {
    let lines = std::fs::read_to_string(path).unwrap_or_default();
    lines.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn list<'a>(of: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    of[key].as_array().into_iter().flatten()
}

fn spans(collector: &Server) -> Vec<Span> {
    let mut spans = Vec::new();
    for document in documents(collector.value("traces")) {
        for of_resource in list(&document, "resourceSpans") {
            for of_scope in list(of_resource, "scopeSpans") {
                assert_eq!(of_scope["scope"]["name"], "falco-talon");
                spans.extend(list(of_scope, "spans").map(|span| Span {
                    trace_id: text(span, "traceId").to_owned(),
                    id: text(span, "spanId").to_owned(),
                    parent: text(span, "parentSpanId").to_owned(),
                    name: text(span, "name").to_owned(),
                    kind: span["kind"].as_u64().unwrap_or_default(),
                    attributes: attributes(span),
                    events: list(span, "events").map(|event| text(event, "name").to_owned()).collect(),
                    status: span["status"]["code"].as_u64().unwrap_or_default(),
                    resource: attributes(&of_resource["resource"]),
                }));
            }
        }
    }
    spans
}

/// Look until there is what is waited for.
fn until<T>(look: impl Fn() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "what is waited for does not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Send an event with these headers.
fn send(program: &Program, path: &str, headers: &str, event: &str) {
    let mut client = TcpStream::connect(program.address).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = event.len();
    let head =
        format!("POST {path} HTTP/1.1\r\nHost: t\r\nConnection: close\r\n{headers}Content-Length: {length}\r\n\r\n");
    client.write_all((head + event).as_bytes()).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

/// A host whose telemetry goes to this place, and which is set up `before` it starts.
async fn program(endpoint: &str, before: &str) -> Program {
    program_that(endpoint, before, "").await
}

/// The same with more of a configuration.
async fn program_that(endpoint: &str, before: &str, configuration: &str) -> Program {
    let api = simulated().await;
    let (endpoint, before, configuration) = (endpoint.to_owned(), before.to_owned(), configuration.to_owned());
    let start = move || {
        let config = "otel: {traces_enabled: true, metrics_enabled: true}\nshutdown: {deadline_ms: 3000}\n";
        let config = format!("{config}{configuration}");
        let before = format!("export OTEL_EXPORTER_OTLP_ENDPOINT={endpoint}\n{before}");
        Program::start(api, &config, &before)
    };
    spawn_blocking(start).await.unwrap()
}

/// Have an event answered and the host ended. The trace id of the lines of its log.
fn respond(program: &mut Program, path: &str, headers: &str) -> String {
    send(program, path, headers, &event("shell", "web-0"));
    let action = program.line(|line| line["message"] == "action");
    assert_eq!(text(&action, "status"), "success", "{action}");
    text(&action, "trace_id").to_owned()
}

fn end(program: &mut Program) {
    program.signal("TERM");
    assert_eq!(program.code(), Some(0));
}

/// Each span below its parent, with what it says: ids are left out.
fn tree(spans: &[Span], below: &str, indent: usize, text: &mut String) {
    let mut below: Vec<_> = spans.iter().filter(|span| span.parent == below).collect();
    below.sort_by_key(|span| &span.name);
    for span in below {
        let varies = ["event.traceid", "event.trace_id", "client.address"];
        let attributes: Vec<_> = span
            .attributes
            .iter()
            .filter(|(key, _)| !varies.contains(&&***key))
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let said = format!("{} kind={} status={} events={:?}", span.name, span.kind, span.status, span.events);
        text.push_str(&format!("{:indent$}{said}\n", ""));
        for attribute in attributes {
            text.push_str(&format!("{:indent$}  . {attribute}\n", ""));
        }
        tree(spans, &span.id, indent + 4, text);
    }
}

fn check(spans: &[Span], below: &str, expected: Expect) {
    let mut shown = String::new();
    tree(spans, below, 0, &mut shown);
    expected.assert_eq(&shown);
}

/// All spans of an event, when its `/` or its `event`, which end last, are there.
fn spans_of(collector: &Server, trace_id: &str, last: &str) -> Vec<Span> {
    until(|| {
        let mut spans = spans(collector);
        spans.retain(|span| span.trace_id == trace_id);
        spans.iter().any(|span| span.name == last).then_some(spans)
    })
}

async fn follows_an_event(endpoint: &str, before: &str) {
    let Some(collector) = servers::start("otelcol", &[]) else { return };
    let mut program = program(collector.value(endpoint), before).await;
    let follow = move || {
        let trace_id = respond(&mut program, "/", "");
        end(&mut program);
        let spans = spans_of(&collector, &trace_id, "event");
        for span in &spans {
            assert_eq!(span.resource["service.name"], "falco-talon");
            assert!(span.resource.contains_key("service.instance.id"), "{span:?}");
        }
        let event = spans.iter().find(|span| span.name == "event").unwrap();
        assert_eq!(event.attributes["event.traceid"], trace_id);
        check(
            &spans,
            "",
            expect![[r#"
                / kind=2 status=0 events=[]
                  . http.request.method=POST
                  . http.response.status_code=200
                  . http.route=/
                  . network.protocol.version=1.1
                  . server.address=t
                  . url.path=/
                  . url.scheme=http
                    event kind=1 status=1 events=["{\"rule\":\"shell\",\"priority\":\"Notice\",\"source\":\"syscall\",\"output\":\"a shell\",\"hostname\":\"\",\"time\":\"2025-11-22T13:24:41Z\",\"tags\":[],\"output_fields\":{\"k8s.ns.name\":\"shop\",\"k8s.pod.name\":\"web-0\"}}"]
                      . event.output=a shell
                      . event.output_fields["k8s.ns.name"]=shop
                      . event.output_fields["k8s.pod.name"]=web-0
                      . event.priority=Notice
                      . event.rule=shell
                      . event.source=syscall
                        match kind=1 status=1 events=["a shell"]
                          . event.output=a shell
                          . event.rule=shell
                          . event.source=syscall
                          . rule.name=R1
                            action kind=1 status=1 events=["the pod 'web-0' in the namespace 'shop' has been labeled"]
                              . action.actionner=kubernetes:label
                              . action.continue=true
                              . action.ignore_errors=false
                              . action.name=Label it
                              . action.output=the pod 'web-0' in the namespace 'shop' has been labeled
                              . action.result=success
                              . actionner.Information().Category=kubernetes
                              . actionner.name=label
                              . object.namespace=shop
                              . object.pod=web-0
                                kubernetes-write.patch kind=1 status=1 events=[]
                                  . call.decision=allowed
                                  . call.dry_run=false
                                  . call.grant=1
                                  . call.request=patch pods shop/web-0
                                  . call.status=success
                            checks kind=1 status=1 events=["all checks passed"]
            "#]],
        );
    };
    spawn_blocking(follow).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_follows_an_event_by_grpc() {
    follows_an_event("otlp_grpc", "").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trace_follows_an_event_by_http() {
    follows_an_event("otlp_http", "export OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_wrong_is_said() {
    let Some(collector) = servers::start("otelcol", &[]) else { return };
    let mut program = program(collector.value("otlp_grpc"), "").await;
    let follow = move || {
        let mut trace_ids = Vec::new();
        for event in
            [event("shell", "web-9"), event("shell", "web-0").replace("k8s.pod.name", "pod"), event("quiet", "web-0")]
        {
            let (trace_id, caller) = (CALLER.0.replace('0', &trace_ids.len().to_string()), CALLER.1);
            send(&program, "/", &format!("traceparent: 00-{trace_id}-{caller}-01\r\n"), &event);
            if !event.contains("quiet") {
                program.line(|line| line["message"] == "action");
            }
            trace_ids.push(trace_id);
        }
        end(&mut program);
        let mut shown = String::new();
        for trace_id in &trace_ids {
            let mut spans = spans_of(&collector, trace_id, "event");
            spans.retain(|span| span.name != "/");
            for span in &mut spans {
                span.attributes.retain(|key, _| key.starts_with("call.") || key == "action.result");
                span.events.retain(|name| name == "exception");
            }
            tree(&spans, CALLER.1, 0, &mut shown);
        }
        expect![[r#"
            event kind=1 status=1 events=[]
                match kind=1 status=1 events=[]
                    action kind=1 status=2 events=["exception"]
                      . action.result=failure
                        kubernetes-write.patch kind=1 status=2 events=["exception"]
                          . call.decision=allowed
                          . call.dry_run=false
                          . call.grant=1
                          . call.request=patch pods shop/web-9
                          . call.status=refused
                    checks kind=1 status=1 events=[]
            event kind=1 status=1 events=[]
                match kind=1 status=1 events=[]
                    checks kind=1 status=2 events=["exception"]
            event kind=1 status=1 events=[]
        "#]]
        .assert_eq(&shown);
    };
    spawn_blocking(follow).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_trace_of_a_caller_goes_on() {
    let Some(collector) = servers::start("otelcol", &[]) else { return };
    let mut program = program(collector.value("otlp_grpc"), "").await;
    let follow = move || {
        let (trace_id, caller) = CALLER;
        let header = format!("traceparent: 00-{trace_id}-{caller}-01\r\n");
        assert_eq!(respond(&mut program, "/", &header), trace_id);
        // Elsewhere there is no span of the request, and nobody to be below.
        let alone = respond(&mut program, "/events", "");
        // What the caller does not record is not recorded here.
        let other = trace_id.replace('0', "1");
        assert_eq!(respond(&mut program, "/", &format!("traceparent: 00-{other}-{caller}-00\r\n")), other);
        end(&mut program);
        let spans = spans_of(&collector, &alone, "event");
        assert_eq!(spans.iter().filter(|span| span.parent.is_empty()).count(), 1, "{spans:?}");
        assert!(spans.iter().all(|span| span.name != "/"), "{spans:?}");
        let spans = spans_of(&collector, trace_id, "event");
        let mut below: Vec<_> = spans.iter().filter(|span| span.parent == caller).map(|span| &*span.name).collect();
        below.sort_unstable();
        assert_eq!(below, ["/", "event"], "{spans:?}");
        assert!(self::spans(&collector).iter().all(|span| span.trace_id != other));
    };
    spawn_blocking(follow).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_sampled_is_not_sent() {
    let Some(collector) = servers::start("otelcol", &[]) else { return };
    let mut program = program(collector.value("otlp_grpc"), "export OTEL_TRACES_SAMPLER=parentbased_always_off").await;
    let follow = move || {
        let left_out = respond(&mut program, "/", "");
        let (trace_id, caller) = CALLER;
        respond(&mut program, "/", &format!("traceparent: 00-{trace_id}-{caller}-01\r\n"));
        end(&mut program);
        spans_of(&collector, trace_id, "event");
        assert!(spans(&collector).iter().all(|span| span.trace_id != left_out));
    };
    spawn_blocking(follow).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_is_away_costs_a_line() {
    // Nobody listens there.
    let closed = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let before = "export OTEL_BSP_SCHEDULE_DELAY=100 OTEL_EXPORTER_OTLP_TIMEOUT=300 OTEL_METRIC_EXPORT_INTERVAL=100";
    let mut program = program(&format!("http://{closed}"), before).await;
    let follow = move || {
        let mut said = Vec::new();
        for _ in 0..3 {
            send(&program, "/", "", &event("shell", "web-0"));
            let lines = program.lines_until(|line| line["message"] == "action");
            assert_eq!(text(lines.last().unwrap(), "status"), "success");
            said.extend(lines);
        }
        while !["otel", "otel-traces"].iter().all(|tag| said.iter().any(|line| line["message"] == *tag)) {
            said.push(program.line(|_| true));
        }
        program.signal("TERM");
        said.extend(program.lines_until(|line| text(line, "result") == "everything that was accepted is done"));
        assert_eq!(program.code(), Some(0));
        for tag in ["otel", "otel-traces"] {
            let lines: Vec<_> = said.iter().filter(|line| line["message"] == tag).collect();
            assert_eq!(lines.len(), 1, "{lines:?}");
            assert_eq!(lines[0]["level"], "error");
            let error = text(lines[0], "error");
            assert!(error.starts_with(&format!("the collector at http://{closed} does not take in")), "{error}");
        }
    };
    spawn_blocking(follow).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_collector_that_does_not_answer_does_not_hold_up_the_end() {
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = silent.local_addr().unwrap();
    let before = "export OTEL_BSP_SCHEDULE_DELAY=100 OTEL_EXPORTER_OTLP_TIMEOUT=3600000";
    let mut program = program(&format!("http://{address}"), before).await;
    let follow = move || {
        respond(&mut program, "/", "");
        end(&mut program);
    };
    spawn_blocking(follow).await.unwrap();
}

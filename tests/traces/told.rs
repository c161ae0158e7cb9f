//! Who is told has a span below what they are told of.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};

use tokio::task::spawn_blocking;

use super::{end, program_that, respond, spans_of};
use crate::running::text;
use crate::servers;

/// Takes whatever it is told, until the process ends.
fn take() -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 65_536]);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    format!("http://{address}/")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_notification_is_below_its_action() {
    let Some(collector) = servers::start("otelcol", &[]) else { return };
    let configuration = format!("default_notifiers: [webhook]\nnotifiers: {{webhook: {{url: '{}'}}}}\n", take());
    let mut program = program_that(collector.value("otlp_grpc"), "", &configuration).await;
    let follow = move || {
        let trace_id = respond(&mut program, "/", "");
        let told = program.line(|line| line["message"] == "notification");
        assert_eq!((text(&told, "status"), text(&told, "trace_id")), ("success", &*trace_id), "{told}");
        end(&mut program);
        let spans = spans_of(&collector, &trace_id, "notification");
        let of = |name: &str| spans.iter().find(|span| span.name == name).unwrap();
        let (action, notification) = (of("action"), of("notification"));
        assert_eq!(notification.parent, action.id);
        assert_eq!(notification.attributes["notifier.name"], "webhook");
        assert_eq!(notification.status, 1);
    };
    spawn_blocking(follow).await.unwrap();
}

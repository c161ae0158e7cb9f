//! Mails, as a real server gets them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use host::testing::{Notice, Notifier};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;

use super::{curl, curl_json, notice, notifiers};
use crate::servers::{self, Server};

fn config(server: &Server, rest: &str) -> String {
    format!(
        "notifiers: {{smtp: {{host_port: '{}', from: 'Falco Talon <talon@acme.example>', to: 'a@acme.example, b@acme.example', \
         ca_file: '{}', {rest}}}}}",
        server.value("smtp"),
        server.value("ca"),
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mails_arrive_as_text_and_html() {
    let Some(server) = servers::start("smtp", &[]) else { return };
    let api = server.value("api");
    let config = config(&server, "tls: true, user: user, password: {env: PASSWORD}");
    let smtp = notifiers(&config, &[("PASSWORD", "secret")]);
    let long = Notice { event: "Ü".repeat(5_000), ..notice() };
    let said = smtp.send(Notifier::Smtp, &long, None).await.unwrap();
    assert!(said.starts_with("250 "), "{said}");
    smtp.send(Notifier::Smtp, &notice(), None).await.unwrap();

    let messages = curl_json(&[&format!("{api}/api/v1/messages")]);
    assert_eq!(messages["messages_count"], 2, "{messages}");
    let id = messages["messages"][0]["ID"].as_str().unwrap();
    let message = curl_json(&[&format!("{api}/api/v1/message/{id}")]);
    assert_eq!(message["Subject"], "[falco-talon][success][action] Action 'Label it' Rule 'Größe <x>'");
    assert_eq!(message["From"]["Address"], "talon@acme.example");
    assert_eq!(message["To"].as_array().unwrap().len(), 2);
    assert!(message["Date"].as_str().unwrap().starts_with("2024-09-05T12:52:10"), "{}", message["Date"]);
    let text = message["Text"].as_str().unwrap();
    assert!(text.contains("Rule: Größe <x>") && text.contains("Pod: web-0"), "{text}");
    let html = message["HTML"].as_str().unwrap();
    assert!(html.contains("Größe &lt;x&gt;") && html.contains("a shell &amp; more"), "{html}");
    let raw = curl(&[&format!("{api}/api/v1/message/{}/raw", messages["messages"][1]["ID"].as_str().unwrap())]);
    assert!(raw.lines().all(|line| line.len() <= 998) && raw.is_ascii());
    assert!(raw.contains("Date: Thu, 05 Sep 2024 12:52:10 +0000") && raw.contains("@acme.example>"), "{raw}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_are_told_apart() {
    let Some(server) = servers::start("smtp", &[]) else { return };
    let chaos = format!("{}/api/v1/chaos", server.value("api"));
    let wrong = notifiers(&config(&server, "tls: true, user: user, password: hunter2-secret"), &[]);
    let error = wrong.send(Notifier::Smtp, &notice(), None).await.unwrap_err();
    assert!(error.is_temporary && error.message.contains("535") && !error.message.contains("hunter2"), "{error}");

    let smtp = notifiers(&config(&server, "tls: true, user: user, password: secret, format: text"), &[]);
    for (code, is_temporary) in [("451", true), ("550", false)] {
        let fault = format!(r#"{{"Sender":{{"ErrorCode":{code},"Probability":100}}}}"#);
        curl(&["-X", "PUT", &chaos, "-d", &fault]);
        let error = smtp.send(Notifier::Smtp, &notice(), None).await.unwrap_err();
        assert_eq!(error.is_temporary, is_temporary, "{error}");
        assert!(error.message.contains(code), "{error}");
    }
    curl(&["-X", "PUT", &chaos, "-d", "{}"]);
    smtp.send(Notifier::Smtp, &notice(), None).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_from_the_first_byte() {
    let Some(server) = servers::start("smtp", &["-implicit-tls"]) else { return };
    let smtp = notifiers(&config(&server, "tls_mode: implicit, user: user, password: secret"), &[]);
    smtp.send(Notifier::Smtp, &notice(), None).await.unwrap();
}

/// A server that does not greet, as one of TLS does not greet who waits for that.
#[tokio::test(start_paused = true)]
async fn a_silent_server_is_not_waited_for() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let smtp = format!("smtp: {{host_port: '{address}', from: a@b.example, to: a@b.example, tls: true}}");
    let text = format!("notifiers: {{{smtp}, webhook: {{url: 'http://{address}/'}}}}");
    let notifiers = notifiers(&text, &[]);
    for notifier in [Notifier::Smtp, Notifier::Webhook] {
        let error = notifiers.send(notifier, &notice(), None).await.unwrap_err();
        assert_eq!(error.message, "no answer came within 30 s");
        assert!(error.is_temporary);
    }
    drop(listener);
}

/// A server that keeps whoever sends the first mail waiting, refuses the second one, and takes all others.
#[derive(Default)]
struct Slow {
    connections: AtomicUsize,
    mails: AtomicUsize,
    has_mail: Notify,
    may_answer: Notify,
}

impl Slow {
    async fn speak(&self, stream: TcpStream) {
        self.connections.fetch_add(1, Relaxed);
        let mut stream = BufReader::new(stream);
        stream.write_all(b"220 hi\r\n").await.unwrap();
        let (mut line, mut is_mail) = (String::new(), false);
        while stream.read_line(&mut line).await.is_ok_and(|count| count > 0) {
            let answer = match line.trim_end() {
                "." => {
                    is_mail = false;
                    match self.mails.fetch_add(1, Relaxed) {
                        0 => {
                            self.has_mail.notify_one();
                            self.may_answer.notified().await;
                            "250 first\r\n"
                        }
                        1 => "550 second\r\n",
                        _ => "250 other\r\n",
                    }
                }
                _ if is_mail => "",
                "DATA" => {
                    is_mail = true;
                    "354 go\r\n"
                }
                _ => "250 ok\r\n",
            };
            line.clear();
            if stream.write_all(answer.as_bytes()).await.is_err() {
                break;
            }
        }
    }
}

#[tokio::test]
async fn an_answer_that_comes_too_late_is_not_that_to_the_next_mail() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = Arc::<Slow>::default();
    let its = Arc::clone(&server);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let its = Arc::clone(&its);
            tokio::spawn(async move { its.speak(stream).await });
        }
    });
    let text = format!(
        "notifiers: {{smtp: {{host_port: '{address}', from: a@b.example, to: a@b.example, format: text, tls: false}}}}"
    );
    let smtp = notifiers(&text, &[]);
    let notice = notice();
    tokio::select! {
        sent = smtp.send(Notifier::Smtp, &notice, None) => panic!("{sent:?}"),
        () = server.has_mail.notified() => {}
    }
    server.may_answer.notify_one();
    let error = smtp.send(Notifier::Smtp, &notice, None).await.unwrap_err();
    assert!(error.message.contains("second") && !error.is_temporary, "{error}");
    // What is in step is used again.
    for _ in 0..2 {
        assert_eq!(smtp.send(Notifier::Smtp, &notice, None).await.unwrap(), "250 other");
    }
    assert_eq!(server.connections.load(Relaxed), 3);
}

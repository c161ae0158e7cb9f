//! `exec`: commands in containers, over a WebSocket as the real API server serves it. The simulation itself runs
//! nothing: it checks the request and carries the streams; what a command is and does is up to
//! [`super::Simulation::set_commands`].

use std::fmt;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt, StreamExt};
use http::header::{HOST, HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use http::request::Parts;
use http::{Request, Response};
use http_body_util::{Empty, Full};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

use super::call::Call;
use super::lookup::stored;
use super::pod;
use super::status::Refusal;
use super::store::Store;

const PROTOCOL: &str = "v5.channel.k8s.io";

/// The first byte of a message.
const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const STATUS: u8 = 3;
/// Followed by the number of a stream that ends.
const CLOSE: u8 = 255;

/// As much as the real one puts into a message.
const CHUNK_BYTES: usize = 32 << 10;
const BUFFER_BYTES: usize = 64 << 10;

/// A command that is to be run in a container, with its streams. When the connection closes, the future that runs it is
/// dropped.
#[derive(Debug)]
pub struct Execution {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The container's name.
    pub container: String,
    /// The program and its arguments.
    pub command: Vec<String>,
    /// The variables of the container, as its specification says them.
    pub environment: Vec<(String, String)>,
    /// What the command reads; none where the request has no standard input.
    pub stdin: Option<DuplexStream>,
    /// Where its output goes.
    pub stdout: DuplexStream,
    /// Where its complaints go.
    pub stderr: DuplexStream,
}

/// Runs a command to its end: the exit code, or why it could not be started.
type Run = dyn Fn(Execution) -> BoxFuture<'static, Result<i32, String>> + Send + Sync;

/// What runs commands.
#[derive(Clone)]
pub(super) struct Commands(Arc<Run>);

impl Commands {
    pub(super) fn new<F>(run: impl Fn(Execution) -> F + Send + Sync + 'static) -> Commands
    where
        F: Future<Output = Result<i32, String>> + Send + 'static,
    {
        Commands(Arc::new(move |execution| Box::pin(run(execution))))
    }
}

impl Default for Commands {
    fn default() -> Commands {
        Commands::new(|_| async { Err("nothing is run in a simulation".to_owned()) })
    }
}

impl fmt::Debug for Commands {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Commands")
    }
}

/// A command that passed the checks, before the connection is upgraded.
#[derive(Debug)]
pub(super) struct Session {
    namespace: String,
    pod: String,
    container: String,
    command: Vec<String>,
    environment: Vec<(String, String)>,
    has_stdin: bool,
}

/// Check a request for a command.
pub(super) fn exec(store: &Store, call: &Call, parts: &Parts) -> Result<Session, Refusal> {
    let pod = stored(store, call)?;
    let container = pod::container(pod, &call.name, &call.query.container)?;
    if pod["spec"]["nodeName"].as_str().unwrap_or_default().is_empty() {
        return Err(Refusal::bad_request(format!("pod {} does not have a host assigned", call.name)));
    }
    if !parts.headers.contains_key(http::header::UPGRADE) {
        return Err(Refusal::bad_request("Upgrade request required"));
    }
    let variables = container["env"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(Session {
        namespace: call.namespace.clone().unwrap_or_default(),
        pod: call.name.clone(),
        container: text(&container["name"]),
        command: call.query.command.clone(),
        environment: variables.map(|variable| (text(&variable["name"]), text(&variable["value"]))).collect(),
        has_stdin: call.query.stdin,
    })
}

impl Session {
    /// Upgrade the connection and run the command on it.
    ///
    /// An upgraded connection can't be made up: so a client of HTTP and a server of WebSockets meet in memory.
    pub(super) async fn open(self, parts: Parts, commands: Commands) -> io::Result<Response<Full<Bytes>>> {
        let (near, far) = tokio::io::duplex(BUFFER_BYTES);
        tokio::spawn(async move {
            if let Ok(socket) = accept_hdr_async(far, choose_protocol).await {
                self.attend(socket, &commands).await;
            }
        });
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(near)).await.map_err(io::Error::other)?;
        tokio::spawn(connection.with_upgrades());
        let mut request = Request::from_parts(parts, Empty::<Bytes>::new());
        request.headers_mut().insert(HOST, HeaderValue::from_static("simulation"));
        let response = sender.send_request(request).await.map_err(io::Error::other)?;
        Ok(response.map(|_| Full::default()))
    }

    async fn attend(self, socket: WebSocketStream<DuplexStream>, commands: &Commands) {
        let (mut sink, stream) = socket.split();
        let (stdin, stdin_far) = tokio::io::duplex(BUFFER_BYTES);
        let (stdout, stdout_far) = tokio::io::duplex(BUFFER_BYTES);
        let (stderr, stderr_far) = tokio::io::duplex(BUFFER_BYTES);
        let execution = Execution {
            namespace: self.namespace,
            pod: self.pod,
            container: self.container,
            command: self.command,
            environment: self.environment,
            stdin: self.has_stdin.then_some(stdin_far),
            stdout: stdout_far,
            stderr: stderr_far,
        };
        let run = commands.0(execution);
        let send = async {
            let (ended, ()) = tokio::join!(run, pump(&mut sink, stdout, stderr));
            let mut message = vec![STATUS];
            message.extend(ending(ended).to_string().into_bytes());
            let _ = sink.send(Message::binary(message)).await;
            let _ = sink.close().await;
        };
        tokio::select! {
            () = receive(stream, stdin) => {}
            () = send => {}
        }
    }
}

#[expect(clippy::result_large_err, reason = "the library says what a refused handshake is")]
fn choose_protocol(
    _: &server::Request,
    mut response: server::Response,
) -> Result<server::Response, server::ErrorResponse> {
    response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
    Ok(response)
}

/// Feed the command until the connection closes.
async fn receive(mut messages: SplitStream<WebSocketStream<DuplexStream>>, stdin: DuplexStream) {
    let mut stdin = Some(stdin);
    while let Some(Ok(message)) = messages.next().await {
        let Message::Binary(bytes) = message else { continue };
        match bytes.as_ref() {
            [CLOSE, STDIN] => stdin = None,
            [STDIN, data @ ..] => {
                let written = match &mut stdin {
                    Some(stdin) => stdin.write_all(data).await,
                    None => Ok(()),
                };
                // A command need not read what it is given.
                if written.is_err() {
                    stdin = None;
                }
            }
            _ => {}
        }
    }
}

/// Send both outputs to their ends, or until nobody listens.
async fn pump(
    sink: &mut SplitSink<WebSocketStream<DuplexStream>, Message>,
    mut stdout: DuplexStream,
    mut stderr: DuplexStream,
) {
    let (mut output, mut complaint) = (vec![0; CHUNK_BYTES], vec![0; CHUNK_BYTES]);
    let (mut has_output, mut has_complaints) = (true, true);
    while has_output || has_complaints {
        let (channel, bytes) = tokio::select! {
            read = stdout.read(&mut output), if has_output => {
                (STDOUT, output.get(..read.unwrap_or_default()).unwrap_or_default())
            }
            read = stderr.read(&mut complaint), if has_complaints => {
                (STDERR, complaint.get(..read.unwrap_or_default()).unwrap_or_default())
            }
        };
        if bytes.is_empty() {
            let open = if channel == STDOUT { &mut has_output } else { &mut has_complaints };
            *open = false;
            continue;
        }
        let message = [&[channel], bytes].concat();
        if sink.send(Message::binary(message)).await.is_err() {
            return;
        }
    }
}

/// What the last message says.
fn ending(ended: Result<i32, String>) -> Value {
    match ended {
        Ok(0) => json!({"metadata": {}, "status": "Success"}),
        Ok(code) => json!({
            "metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
            "message": format!("command terminated with non-zero exit code: command terminated with exit code {code}"),
            "details": {"causes": [{"reason": "ExitCode", "message": code.to_string()}]},
        }),
        Err(reason) => {
            // Two parts of the real one say so, one of the other's error.
            let reason = format!("Internal error occurred: error executing command in container: {reason}");
            json!({
                "metadata": {}, "status": "Failure", "reason": "InternalError", "code": 500,
                "message": format!("Internal error occurred: {reason}"),
                "details": {"causes": [{"message": reason}]},
            })
        }
    }
}

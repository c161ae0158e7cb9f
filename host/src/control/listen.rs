//! The side of the host.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::plan::planned;
use super::protocol::{Answer, EXCHANGE_MAX, REQUEST_BYTES_MAX, Request, socket_of};
use crate::generation::Generation;
use crate::store::{EditError, Store};

/// Until it is tried again to let somebody in, where the system has no room for another connection.
const PAUSE: Duration = Duration::from_millis(100);

/// Listens until it is dropped.
#[derive(Debug)]
pub(crate) struct Control {
    path: PathBuf,
    task: JoinHandle<()>,
}

/// What requests are about.
struct Host {
    store: Store,
    generation: Arc<ArcSwap<Generation>>,
}

impl Control {
    /// Listen in `data_dir`, whose store this process has: what lies there of another one is nobody's.
    ///
    /// # Errors
    ///
    /// Where there can be no socket, for example since the path is too long for one.
    pub(crate) fn listen(data_dir: &Path, store: Store, generation: Arc<ArcSwap<Generation>>) -> io::Result<Self> {
        let path = socket_of(data_dir);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = StdListener::bind(&path)?;
        // The folder lets nobody else in meanwhile.
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        listener.set_nonblocking(true)?;
        let listener = UnixListener::from_std(listener)?;
        let task = tokio::spawn(serve(listener, Host { store, generation }));
        Ok(Self { path, task })
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        self.task.abort();
        // What is left of it is replaced by the next start.
        let _ = fs::remove_file(&self.path);
    }
}

/// One after the other, so that two operators don't replay the same entry.
async fn serve(listener: UnixListener, host: Host) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Who is too slow, or has gone, hears nothing.
                let _ = timeout(EXCHANGE_MAX, exchange(stream, &host)).await;
            }
            Err(_) => sleep(PAUSE).await,
        }
    }
}

async fn exchange(mut stream: UnixStream, host: &Host) -> io::Result<()> {
    let (read, mut write) = stream.split();
    let mut line = String::new();
    BufReader::new(read.take(REQUEST_BYTES_MAX)).read_line(&mut line).await?;
    let answer = match serde_json::from_str(&line) {
        Ok(request) => host.answer(request).await.unwrap_or_else(|error| Answer::Refused(error.to_string())),
        Err(error) => Answer::Refused(format!("this is no request that this version knows: {error}")),
    };
    let answer = serde_json::to_string(&answer)? + "\n";
    write.write_all(answer.as_bytes()).await
}

impl Host {
    async fn answer(&self, request: Request) -> Result<Answer, EditError> {
        match request {
            Request::Plan(id) => {
                let stored = self.store.stored(id).await?;
                Ok(Answer::Planned(planned(&self.generation.load(), &stored.event)))
            }
            Request::Replay(id) => {
                let stored = self.store.stored(id).await?;
                let planned = planned(&self.generation.load(), &stored.event);
                if planned.is_empty() {
                    return Ok(Answer::Refused(format!("no rule in force answers the event {id}")));
                }
                let live = planned.into_iter().filter(|rule| !rule.dry_run && !rule.is_protected);
                Ok(Answer::Replayed(self.store.replay(stored, live.map(|rule| rule.rule).collect()).await?))
            }
            Request::Drop(id) => self.store.remove(id).await.map(|()| Answer::Dropped),
        }
    }
}

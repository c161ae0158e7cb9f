//! What a process is asked by signals, from the moment that it listens to them.

use std::io;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::Notify;

/// SIGTERM and SIGINT, which end the process otherwise.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Listens to them, and passes each SIGHUP on to `reload`.
    ///
    /// # Errors
    ///
    /// Where the system does not allow it.
    pub(super) fn listen(reload: Arc<Notify>) -> io::Result<Self> {
        let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        let mut hangup = signal(SignalKind::hangup())?;
        tokio::spawn(async move {
            while hangup.recv().await.is_some() {
                reload.notify_one();
            }
        });
        Ok(Self { terminate, interrupt })
    }

    /// Waits for the next that asks for the end.
    pub(super) async fn end(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

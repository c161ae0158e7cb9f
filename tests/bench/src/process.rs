//! Servers in processes of their own, and what the system counts of them.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use tokio::time::Instant;

use crate::Result;
use crate::stage::Files;

/// A host that is not ready by then never will be.
const READY_MAX: Duration = Duration::from_secs(60);

/// A running server, killed with this value.
pub(crate) struct Server {
    child: Child,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

/// The binary that is measured, which is built beside this one.
pub(crate) fn binary() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    Ok(own.with_file_name("falco-talon"))
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

impl Server {
    /// This program as the server `what`.
    pub(crate) fn own(what: &[&str]) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut child = command.arg("serve").args(what).stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        Ok(Self { child, address: line.trim().parse()? })
    }

    /// The host with `files` on `port`, and how long it took until it was ready.
    pub(crate) fn host(files: &Files, port: u16) -> Result<(Self, Duration)> {
        let began = Instant::now();
        let mut command = Command::new(binary()?);
        command.arg("server").arg("--config").arg(files.config()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        if let Some(stdout) = child.stdout.take() {
            // Someone reads a log, or else its writer would wait.
            std::thread::spawn(move || discard(stdout));
        }
        let mut server = Self { child, address: SocketAddr::from(([127, 0, 0, 1], port)) };
        while !server.is_ready() {
            if began.elapsed() > READY_MAX || server.child.try_wait()?.is_some() {
                return Err("the host is not ready; its own log says why".into());
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok((server, began.elapsed()))
    }

    fn is_ready(&self) -> bool {
        let ask = || -> std::io::Result<bool> {
            let mut stream = TcpStream::connect(self.address)?;
            stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: bench\r\nconnection: close\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer.starts_with("HTTP/1.1 200"))
        };
        ask().unwrap_or(false)
    }

    /// The memory that it has now, in megabytes.
    pub(crate) fn resident_mb(&self) -> Result<f64> {
        self.status_mb("VmRSS:")
    }

    /// The most memory that it has had, in megabytes.
    pub(crate) fn resident_mb_max(&self) -> Result<f64> {
        self.status_mb("VmHWM:")
    }

    fn status_mb(&self, key: &str) -> Result<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(key)).ok_or("no such line in the status")?;
        let kib: f64 = line.trim().trim_end_matches("kB").trim().parse()?;
        Ok(kib * 1024.0 / 1e6)
    }

    /// The CPU time that it has used, in microseconds.
    pub(crate) fn cpu_us(&self) -> Result<f64> {
        // In nanoseconds and for each thread, finer than the clock ticks of `stat`.
        let mut nanoseconds = 0.0;
        for task in std::fs::read_dir(format!("/proc/{}/task", self.child.id()))? {
            let times = std::fs::read_to_string(task?.path().join("schedstat"))?;
            let running: f64 = times.split(' ').next().unwrap_or_default().parse()?;
            nanoseconds += running;
        }
        Ok(nanoseconds / 1e3)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // One that has ended by itself can't be killed, and need not be.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn discard(mut log: ChildStdout) {
    let mut buffer = vec![0; 64 * 1024];
    while log.read(&mut buffer).is_ok_and(|read| read > 0) {}
}

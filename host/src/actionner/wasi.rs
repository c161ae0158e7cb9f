//! The WASI of components that expect one, whatever their language's toolchain made them
//! import: no files, no network, no environment, no arguments, nothing to read.
//!
//! What they write to standard output and error are lines of the log. Clocks and random
//! numbers are real. Costs nothing where a component does not use it.

use bytes::Bytes;
use wasmtime::component::{Linker, ResourceTable};
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::bindings::LinkOptions;
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult, add_to_linker_with_options_async};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use crate::capability::GuestLog;
use crate::telemetry::logs::Level;

/// Streams, sockets and what waits for them.
const RESOURCES_MAX: usize = 1_000;

/// What one question for random bytes is answered with at most.
const RANDOM_BYTES_MAX: u64 = 64 << 10;

/// A line without an end is cut here.
const LINE_BYTES_MAX: usize = 8 << 10;

/// One call's own.
pub(super) struct Wasi {
    context: WasiCtx,
    table: ResourceTable,
}

impl Wasi {
    pub(super) fn new(log: &GuestLog) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES_MAX);
        // All else is empty unless it is asked for.
        let context = WasiCtx::builder()
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .max_random_size(RANDOM_BYTES_MAX)
            .stdout(Lines { log: log.clone(), level: Level::Info })
            .stderr(Lines { log: log.clone(), level: Level::Warn })
            .build();
        Self { context, table }
    }

    /// As its own functions see it.
    pub(super) fn view(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.context, table: &mut self.table }
    }
}

/// Offer it to a component: all of 0.2, with what later versions of that have added.
pub(super) fn link<T: WasiView>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    let mut options = LinkOptions::default();
    options.network_error_code(true);
    add_to_linker_with_options_async(linker, &options)
}

/// Where a guest's standard output or error goes.
#[derive(Clone)]
struct Lines {
    log: GuestLog,
    level: Level,
}

impl IsTerminal for Lines {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Lines {
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(LineStream { lines: self.clone(), begun: Vec::new() })
    }

    fn async_stream(&self) -> Box<dyn tokio::io::AsyncWrite + Send + Sync> {
        // Only later versions of WASI ask for it, and none of them is linked.
        Box::new(tokio::io::sink())
    }
}

/// Bytes become lines as their ends come by; the last one need not have one.
struct LineStream {
    lines: Lines,
    begun: Vec<u8>,
}

impl LineStream {
    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.begun);
        if !line.is_empty() {
            self.lines.log.line(self.lines.level, &String::from_utf8_lossy(&line));
        }
    }
}

impl OutputStream for LineStream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        for byte in bytes {
            if byte == b'\n' || self.begun.len() >= LINE_BYTES_MAX {
                self.end_line();
            }
            if byte != b'\n' {
                self.begun.push(byte);
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(LINE_BYTES_MAX)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for LineStream {
    async fn ready(&mut self) {}
}

impl Drop for LineStream {
    fn drop(&mut self) {
        self.end_line();
    }
}

//! From the start of the process until it is ready, and the size of its file.

use crate::process::{Server, binary, free_port};
use crate::report::{heading, median, row};
use crate::stage::Files;
use crate::{ROUNDS, Result};

pub(crate) fn run() -> Result<()> {
    heading("start-up until /readyz answers");
    let port = free_port()?;
    let files = Files::new(port, "http://127.0.0.1:1")?;
    let (mut cold, mut warm) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        if files.cache().exists() {
            std::fs::remove_dir_all(files.cache())?;
        }
        for times in [&mut cold, &mut warm] {
            let (_host, took) = Server::host(&files, port)?;
            times.push(took.as_secs_f64() * 1e3);
        }
    }
    row("without the compile cache", median(&cold), "ms", "");
    row("with it", median(&warm), "ms", "aim: 150");
    row("size of the binary", std::fs::metadata(binary()?)?.len() as f64 / 1e6, "MB", "");
    Ok(())
}

//! `audit show`: the audit record, of all its files, filtered.
//!
//! It is read line by line, since it can be long. What is no line of the record is said and left out; a line that says
//! where others are missing is always shown, since nobody knows what they were.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use jiff::Timestamp;
use serde::Deserialize;

use super::context::Context;
use super::files::Files;
use super::moment::moment;
use super::output::{Format, Output, cut};
use crate::config::{AuditPlace, Config};
use crate::telemetry::audit::aside;
use crate::telemetry::logs::Level;

/// Longer than any line of the record.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// What a cell has at most, in characters, but for the last ones.
const WIDTHS: [usize; 5] = [20, 24, 26, 9, 32];

/// The same of what was asked for, and of why it did not succeed.
const REQUEST_MAX: usize = 80;
const ERROR_MAX: usize = 160;

const HEAD: [&str; 6] = ["TIME", "ACTIONNER", "CAPABILITY", "STATUS", "POD", "REQUEST"];

/// Look into the record of what actionners asked of the host
#[derive(Debug, clap::Args)]
pub struct Audit {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show the record, the oldest line first
    Show(Show),
}

#[derive(Debug, clap::Args)]
struct Show {
    /// The file of the record; overrides the configuration's. Files that were set aside for it are read too
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The host's data folder; overrides the configuration's
    #[arg(long, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, Default, clap::Args)]
struct Filter {
    /// Who asked, such as kubernetes:label
    #[arg(long)]
    actionner: Option<String>,
    /// Whether the policy allowed it
    #[arg(long, value_enum)]
    decision: Option<Decision>,
    /// The event's pod, or one that the request names
    #[arg(long, value_name = "NAMESPACE/NAME")]
    pod: Option<String>,
    /// The event's trace id
    #[arg(long)]
    trace_id: Option<String>,
    /// Written then or later: a time such as 2026-07-22T14:00:00Z, or how long ago, such as 90m
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Decision {
    Allowed,
    Denied,
}

/// A line of the record.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Line {
    message: String,
    time: Option<Timestamp>,
    actionner: String,
    /// Empty in a line that says where others are missing.
    capability: String,
    pod: String,
    request: String,
    status: String,
    error: String,
    trace_id: String,
}

/// Why there is nothing to see.
#[derive(Debug, thiserror::Error)]
pub enum ShowError {
    /// The configuration names no file.
    #[error(
        "the configuration keeps no file of the audit record: name it by --file, the folder of its host by --data-dir, or \
         its configuration by -c"
    )]
    NoFile,
    /// Neither the file is there nor another that was set aside for it.
    #[error("there is no audit record {}", .0.display())]
    Missing(PathBuf),
    /// A file can't be read.
    #[error("{} can't be read: {error}", path.display())]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// Nobody reads what is shown.
    #[error("the output is closed: {0}")]
    Output(#[from] io::Error),
}

pub(super) fn run(audit: &Audit, files: &Files) -> Result<(), ExitCode> {
    let context = Context::without_warnings(files)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let shown = audit.show(&context.config, &mut out, &mut io::stderr()).and_then(|()| Ok(out.flush()?));
    match shown {
        // As any filter does where its reader has seen enough.
        Ok(()) | Err(ShowError::Output(_)) => Ok(()),
        Err(error) => {
            // The log is written to the same place.
            drop(out);
            context.logger.line(Level::Error, "audit").error(&error).write();
            Err(ExitCode::FAILURE)
        }
    }
}

impl Audit {
    /// Show what is asked for in `out`, and say in `notes` what could not be shown.
    ///
    /// # Errors
    ///
    /// Where there is no record, or it can't be read.
    pub fn show(&self, config: &Config, out: &mut impl Write, notes: &mut impl Write) -> Result<(), ShowError> {
        let Command::Show(Show { file, data_dir, filter, output }) = &self.command;
        let path = match file {
            Some(file) => file.clone(),
            None => match config.audit.place(data_dir.as_deref().or(config.data_dir.as_deref())) {
                AuditPlace::File { path, .. } => path,
                AuditPlace::Log | AuditPlace::Nowhere => return Err(ShowError::NoFile),
            },
        };
        let missing = |_| ShowError::Missing(path.clone());
        let files = aside::all(&path).map_err(missing)?;
        if files.is_empty() {
            return Err(ShowError::Missing(path));
        }
        if output.format == Format::Text {
            writeln!(out, "{}", row(HEAD))?;
        }
        for file in files {
            show_file(&file, filter, output.format, out, notes)?;
        }
        Ok(())
    }
}

fn show_file(
    path: &Path,
    filter: &Filter,
    format: Format,
    out: &mut impl Write,
    notes: &mut impl Write,
) -> Result<(), ShowError> {
    let unreadable = |error| ShowError::Read { path: path.to_owned(), error };
    let mut file = BufReader::new(File::open(path).map_err(unreadable)?);
    let (mut text, mut number) = (Vec::new(), 0_u64);
    loop {
        text.clear();
        let mut bounded = io::Read::take(&mut file, LINE_BYTES_MAX);
        if bounded.read_until(b'\n', &mut text).map_err(unreadable)? == 0 {
            return Ok(());
        }
        number += 1;
        let trimmed = text.trim_ascii();
        if trimmed.is_empty() {
            continue;
        }
        match serde_json::from_slice::<Line>(trimmed).ok().filter(|line| line.message == "audit") {
            Some(line) if !filter.fits(&line) => {}
            Some(line) if format == Format::Text => writeln!(out, "{}", line.shown())?,
            Some(_) => {
                out.write_all(trimmed)?;
                out.write_all(b"\n")?;
            }
            None => writeln!(notes, "{}:{number}: torn, or no line of the audit record: left out", path.display())?,
        }
    }
}

impl Filter {
    fn fits(&self, line: &Line) -> bool {
        let Self { actionner, decision, pod, trace_id, since } = self;
        // Lines have whole seconds.
        let is_recent = |since: &Timestamp| line.time.is_some_and(|time| time.as_second() >= since.as_second());
        if !since.as_ref().is_none_or(is_recent) {
            return false;
        }
        if line.capability.is_empty() {
            return true;
        }
        let is_denied = line.status == "denied";
        actionner.as_ref().is_none_or(|name| *name == line.actionner)
            && decision.is_none_or(|decision| (decision == Decision::Denied) == is_denied)
            && pod.as_ref().is_none_or(|pod| line.is_about(pod))
            && trace_id.as_ref().is_none_or(|id| line.trace_id.eq_ignore_ascii_case(id))
    }
}

impl Line {
    fn is_about(&self, pod: &str) -> bool {
        let names_it = |request: &str| {
            let mut words = request.split(' ').skip(1);
            words.next().is_some_and(|resource| resource == "pods" || resource.starts_with("pods/"))
                && words.next() == Some(pod)
        };
        self.pod == pod || self.request.split(", ").any(names_it)
    }

    fn shown(&self) -> String {
        let Self { message: _, time, actionner, capability, pod, request, status, error, trace_id: _ } = self;
        let time = time.map(|time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()).unwrap_or_default();
        let request = cut(request, REQUEST_MAX);
        let cause = if error.is_empty() { String::new() } else { format!(": {}", cut(error, ERROR_MAX)) };
        let last = format!("{request}{cause}");
        let last = last.strip_prefix(": ").unwrap_or(&last);
        row([&time, actionner, capability, status, pod, last])
    }
}

fn row([time, actionner, capability, status, pod, last]: [&str; 6]) -> String {
    let cells = [time, actionner, capability, status, pod].into_iter().zip(WIDTHS);
    let cells = cells.map(|(cell, width)| {
        let cell = if cell.is_empty() { "-" } else { cell };
        format!("{:width$}  ", cut(cell, width))
    });
    cells.chain([last.to_owned()]).collect::<String>().trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[derive(clap::Parser)]
    struct Arguments {
        #[command(flatten)]
        audit: Audit,
    }

    const RECORD: &str = r#"{"level":"info","trace_id":"aa","actionner":"k:label","capability":"kubernetes-read.get","pod":"shop/web-0","request":"get pods shop/web-0","status":"success","time":"2026-07-22T14:00:00Z","message":"audit"}
{"level":"info","trace_id":"ab","actio
{"level":"warn","error":"3 lines are missing here","time":"2026-07-22T14:00:01Z","message":"audit"}
{"level":"info","message":"log"}
{"level":"info","trace_id":"ab","actionner":"k:drain","capability":"kubernetes-write.evict","pod":"shop/db-0","request":"create pods/eviction shop/web-0","status":"denied","error":"no\u001bgrant","time":"2026-07-22T16:00:02+02:00","message":"audit"}
"#;

    /// What is shown of the record, and what is said of it.
    fn shown(arguments: &str) -> (String, String) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.log");
        std::fs::write(&path, RECORD).unwrap();
        let words = ["audit", "show", "--file", path.to_str().unwrap()].into_iter().chain(arguments.split_whitespace());
        let Arguments { audit } = clap::Parser::parse_from(words);
        let (config, _) = Config::load(None, &[], |_| None, |_| Err(io::ErrorKind::NotFound.into())).unwrap();
        let (mut out, mut notes) = (Vec::new(), Vec::new());
        audit.show(&config, &mut out, &mut notes).unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap().replace(folder.path().to_str().unwrap(), "");
        (text(out), text(notes))
    }

    #[test]
    fn a_table_and_what_is_left_out() {
        let (text, notes) = shown("");
        expect![[r#"
            TIME                  ACTIONNER                 CAPABILITY                  STATUS     POD                               REQUEST
            2026-07-22T14:00:00Z  k:label                   kubernetes-read.get         success    shop/web-0                        get pods shop/web-0
            2026-07-22T14:00:01Z  -                         -                           -          -                                 3 lines are missing here
            2026-07-22T14:00:02Z  k:drain                   kubernetes-write.evict      denied     shop/db-0                         create pods/eviction shop/web-0: no�grant
        "#]]
        .assert_eq(&text);
        expect![[r#"
            /audit.log:2: torn, or no line of the audit record: left out
            /audit.log:4: torn, or no line of the audit record: left out
        "#]]
        .assert_eq(&notes);
    }

    #[test]
    fn filters_leave_gaps_in() {
        let check = |arguments: &str, expected: &[usize]| {
            let (text, _) = shown(&format!("--format json {arguments}"));
            let numbers = text.lines().map(|line| RECORD.lines().position(|other| other == line).unwrap());
            assert_eq!(numbers.collect::<Vec<_>>(), expected, "{arguments}");
        };
        check("", &[0, 2, 4]);
        check("--actionner k:label", &[0, 2]);
        check("--decision denied", &[2, 4]);
        check("--decision allowed", &[0, 2]);
        check("--pod shop/web-0", &[0, 2, 4]);
        check("--pod shop/db-0", &[2, 4]);
        check("--pod shop/web", &[2]);
        check("--trace-id AB", &[2, 4]);
        check("--since 2026-07-22T14:00:01.9Z", &[2, 4]);
        check("--since 2026-07-22T14:00:03Z", &[]);
    }
}

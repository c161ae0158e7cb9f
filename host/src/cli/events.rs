//! `events list | show | replay | drop`: what the host has stored, and what a person does about it.
//!
//! What is only read is read from the data folder, whether a host runs or not. What changes something is asked of the
//! host that has the folder; where there is none, it is done in the folder.

mod answered;
mod table;

mod change;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use jiff::Timestamp;
use serde::Serialize;

use self::answered::Answered;
use self::change::Changes;
use self::table::{listed, shown};
use super::context::Context;
use super::files::Files;
use super::moment::moment;
use super::output::{Format, Output};
use super::print::print;
use crate::config::Config;
use crate::generation::Loader;
use crate::store::{EntryId, EntryStatus, Filter, OpenError, Reader, Shown};
use crate::telemetry::TraceId;
use crate::telemetry::logs::Level;

/// List, show, replay or drop events that the host has stored
#[derive(Debug, clap::Args)]
pub struct Events {
    /// The host's data folder; overrides the configuration's
    #[arg(long, global = true, value_name = "FOLDER")]
    data_dir: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// List events, the newest first
    List(List),
    /// Show all of an event
    Show(Show),
    /// Let the event of what is done or dead arrive once more, for the rules in force
    Replay(Replay),
    /// Remove events that are done or dead, or wait and were not begun
    Drop(Drop),
}

#[derive(Debug, clap::Args)]
struct List {
    /// waiting, running, done or dead
    #[arg(long)]
    status: Option<EntryStatus>,
    /// A rule of Falco, or one that answers the event
    #[arg(long)]
    rule: Option<String>,
    /// The namespace of the event's pod
    #[arg(long)]
    namespace: Option<String>,
    /// The event's pod
    #[arg(long)]
    pod: Option<String>,
    /// Received then or later: a time such as 2026-07-22T14:00:00Z, or how long ago, such as 90m
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    /// Received before: a time, or how long ago
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
    /// How many at most; 0 for all
    #[arg(long, value_name = "NUMBER", default_value_t = 100)]
    limit: u32,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, clap::Args)]
struct Show {
    /// Its number, as `list` shows it, or its trace id
    id: String,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, clap::Args)]
struct Replay {
    /// Numbers, as `list` shows them
    #[arg(required = true, value_name = "ID")]
    ids: Vec<EntryId>,
    /// Only tell which rules in force would answer them: nothing runs
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, clap::Args)]
struct Drop {
    /// Numbers, as `list` shows them
    #[arg(required = true, value_name = "ID")]
    ids: Vec<EntryId>,
}

/// Why there is nothing to see.
#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error("the store can't be read: {0}")]
    Read(#[from] rusqlite::Error),
    #[error("there is no event '{0}'")]
    Unknown(String),
    #[error("'{0}' is not a number of an event, nor the 32 hexadecimal digits of a trace id")]
    NotAnId(String),
}

pub(super) async fn run(events: &Events, files: &Files) -> Result<(), ExitCode> {
    let context = Context::without_warnings(files)?;
    let Answered { text, note, refused } = events.answer(&context.config, || context.loader()).await;
    if !text.is_empty() {
        print(text.trim_end());
    }
    if let Some(note) = note {
        eprintln!("{note}");
    }
    for error in &refused {
        context.logger.line(Level::Error, "events").error(error).write();
    }
    if refused.is_empty() { Ok(()) } else { Err(ExitCode::FAILURE) }
}

impl Events {
    /// Do what the command says. `loader` is for the rules of the configuration, where they are needed.
    pub async fn answer(&self, config: &Config, loader: impl FnOnce() -> Result<Loader, ExitCode>) -> Answered {
        let Some(data_dir) = self.data_dir.as_deref().or(config.data_dir.as_deref()) else {
            let refused = "there is no 'data_dir': name the folder by --data-dir, or the host's configuration by -c";
            return Answered { refused: vec![refused.to_owned()], ..Answered::default() };
        };
        let looked = match &self.command {
            Command::List(list) => list.look(data_dir),
            Command::Show(show) => show.look(data_dir),
            Command::Replay(Replay { ids, dry_run: false }) => return Changes::new(data_dir).replay(ids).await,
            Command::Replay(Replay { ids, dry_run: true }) => return Changes::new(data_dir).plan(ids, loader).await,
            Command::Drop(Drop { ids }) => return Changes::new(data_dir).remove(ids).await,
        };
        looked.unwrap_or_else(|error| Answered { refused: vec![error.to_string()], ..Answered::default() })
    }
}

impl List {
    fn look(&self, data_dir: &Path) -> Result<Answered, LookError> {
        let Self { status, rule, namespace, pod, since, until, limit, output } = self;
        let filter = Filter {
            status: *status,
            rule: rule.clone(),
            namespace: namespace.clone(),
            pod: pod.clone(),
            since: *since,
            until: *until,
            // One more, to see whether there are more.
            limit: Some(limit.saturating_add(1)).filter(|_| *limit > 0),
        };
        let mut records = Reader::open(data_dir)?.list(&filter)?;
        let shown = usize::try_from(*limit).unwrap_or(usize::MAX);
        let note = (*limit > 0 && records.len() > shown).then(|| {
            records.truncate(shown);
            format!("These are the newest {limit}: there are more (--limit).")
        });
        let text = match output.format {
            Format::Text => listed(&records),
            Format::Json => json_lines(&records),
        };
        Ok(Answered { text, note, refused: Vec::new() })
    }
}

impl Show {
    fn look(&self, data_dir: &Path) -> Result<Answered, LookError> {
        let found = self.find(&Reader::open(data_dir)?)?;
        if found.is_empty() {
            return Err(LookError::Unknown(self.id.clone()));
        }
        let text = match self.output.format {
            Format::Text => found.iter().map(shown).collect::<Vec<_>>().join("\n"),
            Format::Json => json_lines(&found),
        };
        Ok(Answered { text, ..Answered::default() })
    }

    fn find(&self, reader: &Reader) -> Result<Vec<Shown>, LookError> {
        if let Ok(trace_id) = self.id.to_ascii_lowercase().parse::<TraceId>() {
            return Ok(reader.show_trace(&trace_id.to_string())?);
        }
        let number = self.id.parse().map_err(|_| LookError::NotAnId(self.id.clone()))?;
        Ok(reader.show(number)?.into_iter().collect())
    }
}

fn json_lines(items: &[impl Serialize]) -> String {
    // Texts, numbers and maps with text keys always serialize, so there is no error to lose.
    items.iter().map(|item| serde_json::to_string(item).unwrap_or_default() + "\n").collect()
}

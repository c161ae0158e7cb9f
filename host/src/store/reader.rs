//! What a person sees of a store, beside the host that has it or without one. Changes nothing.

use std::path::Path;
use std::str::FromStr;

use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, OpenFlags, Row, named_params};
use serde::Serialize;
use serde_json::Value;

use super::entry::EntryId;
use super::error::OpenError;
use super::folder::{file_of, folder_of};
use super::schema;

/// How far an entry is, in the words of the columns below.
const STATUSES: [&str; 4] = ["waiting", "running", "done", "dead"];

/// The columns of a [`Record`], in its order.
const COLUMNS: &str = "id, CASE state WHEN 1 THEN 'done' WHEN 2 THEN 'dead' ELSE
        iif(EXISTS (SELECT 1 FROM step WHERE step.entry = entry.id AND is_running AND step.status IS NULL),
            'running', 'waiting') END AS status,
    received, ended, crashes, uid, trace_id, falco_rule, hostname, namespace, pod, rules, reason";

/// A store that is only read.
#[derive(Debug)]
pub(crate) struct Reader(Connection);

/// The status of an entry: `waiting`, `running` (an action of it runs), `done` or `dead`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EntryStatus(&'static str);

/// Which entries are looked for: those to which all of this applies.
#[derive(Debug, Clone, Default)]
pub(crate) struct Filter {
    pub(crate) status: Option<EntryStatus>,
    /// Falco's, or one that answers it.
    pub(crate) rule: Option<String>,
    pub(crate) namespace: Option<String>,
    pub(crate) pod: Option<String>,
    /// Received at this time or later.
    pub(crate) since: Option<Timestamp>,
    /// Received before this time.
    pub(crate) until: Option<Timestamp>,
    /// The newest ones, if there are more.
    pub(crate) limit: Option<u32>,
}

/// An entry, in the words of its columns.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Record {
    pub(crate) id: i64,
    pub(crate) status: String,
    pub(crate) received: Timestamp,
    pub(crate) ended: Option<Timestamp>,
    pub(crate) falco_rule: String,
    pub(crate) hostname: String,
    pub(crate) namespace: Option<String>,
    pub(crate) pod: Option<String>,
    /// Those that answered it when it came, without those that only rehearsed.
    pub(crate) rules: Vec<String>,
    /// Why a person may want to know of it.
    pub(crate) reason: Option<String>,
    pub(crate) trace_id: String,
    pub(crate) uid: String,
    /// How often the process ended while it was handled.
    pub(crate) crashes: u32,
}

/// All of an entry.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Shown {
    #[serde(flatten)]
    pub(crate) record: Record,
    /// As it was received, but for what was redacted; a text where it is damaged.
    pub(crate) event: Value,
    pub(crate) steps: Vec<StepRecord>,
}

/// An action of it, in the words of its columns.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct StepRecord {
    pub(crate) rule: String,
    pub(crate) action: String,
    /// `running`, `waiting` for another attempt, or how it ended, in the words of the log.
    pub(crate) status: String,
    pub(crate) attempts: u32,
    pub(crate) begun: Timestamp,
    pub(crate) ended: Option<Timestamp>,
    /// What it or its last attempt says.
    pub(crate) message: Option<String>,
    /// What its attempts asked of the host, a line a call.
    pub(crate) calls: Vec<String>,
}

impl FromStr for EntryStatus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let status = STATUSES.into_iter().find(|status| *status == text);
        status.map(Self).ok_or_else(|| format!("it is one of {}", STATUSES.join(", ")))
    }
}

impl Reader {
    /// The store in this folder.
    ///
    /// # Errors
    ///
    /// Where there is none, or it can't be read.
    pub(crate) fn open(data_dir: &Path) -> Result<Self, OpenError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(file_of(data_dir)?, flags)?;
        let (found, known) = (schema::format(&connection)?, schema::FORMAT);
        let path = folder_of(data_dir);
        match found {
            _ if found > known => Err(OpenError::Newer { path, found, known }),
            _ if found < known => Err(OpenError::Older { path, found, known }),
            _ => Ok(Self(connection)),
        }
    }

    /// The entries that fit, the newest first.
    ///
    /// # Errors
    ///
    /// Where the store can't be read.
    pub(crate) fn list(&self, filter: &Filter) -> rusqlite::Result<Vec<Record>> {
        let Filter { status, rule, namespace, pod, since, until, limit } = filter;
        let sql = format!(
            "SELECT {COLUMNS} FROM entry WHERE (:status IS NULL OR status = :status)
                AND (:namespace IS NULL OR namespace = :namespace) AND (:pod IS NULL OR pod = :pod)
                AND (:since IS NULL OR received >= :since) AND (:until IS NULL OR received < :until)
                AND (:rule IS NULL OR falco_rule = :rule
                    OR EXISTS (SELECT 1 FROM json_each(entry.rules) AS answering WHERE answering.value = :rule)
                    OR EXISTS (SELECT 1 FROM step WHERE step.entry = entry.id AND step.rule = :rule))
                ORDER BY id DESC LIMIT :limit"
        );
        let mut statement = self.0.prepare(&sql)?;
        let parameters = named_params! {
            ":status": status.map(|status| status.0), ":rule": rule, ":namespace": namespace, ":pod": pod,
            ":since": since.map(Timestamp::as_millisecond), ":until": until.map(Timestamp::as_millisecond),
            ":limit": limit.map_or(-1, i64::from),
        };
        statement.query_map(parameters, record)?.collect()
    }

    /// All of an entry, if it is there.
    ///
    /// # Errors
    ///
    /// Where the store can't be read.
    pub(crate) fn show(&self, id: EntryId) -> rusqlite::Result<Option<Shown>> {
        Ok(self.shown("id = ?1", &id.0)?.pop())
    }

    /// All of each entry of this trace id, the newest first.
    ///
    /// # Errors
    ///
    /// Where the store can't be read.
    pub(crate) fn show_trace(&self, trace_id: &str) -> rusqlite::Result<Vec<Shown>> {
        self.shown("trace_id = ?1", &trace_id)
    }

    fn shown(&self, is_wanted: &str, value: &dyn rusqlite::ToSql) -> rusqlite::Result<Vec<Shown>> {
        // The host goes on meanwhile, and steps are to be those of their entry.
        let moment = self.0.unchecked_transaction()?;
        let sql = format!("SELECT {COLUMNS}, body FROM entry WHERE {is_wanted} ORDER BY id DESC");
        let mut statement = moment.prepare(&sql)?;
        let rows = statement.query_map([value], |row| {
            let body = row.get_ref("body")?.as_bytes()?;
            let damaged = |_| Value::String(String::from_utf8_lossy(body).into_owned());
            Ok((record(row)?, serde_json::from_slice(body).unwrap_or_else(damaged)))
        })?;
        rows.map(|row| {
            let (record, event) = row?;
            Ok(Shown { steps: steps(&moment, record.id)?, event, record })
        })
        .collect()
    }
}

fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    let rules: String = row.get("rules")?;
    Ok(Record {
        id: row.get("id")?,
        status: row.get("status")?,
        received: time(row.get("received")?)?,
        ended: row.get::<_, Option<i64>>("ended")?.map(time).transpose()?,
        falco_rule: row.get("falco_rule")?,
        hostname: row.get("hostname")?,
        namespace: row.get("namespace")?,
        pod: row.get("pod")?,
        // What is damaged is shown as far as it goes.
        rules: serde_json::from_str(&rules).unwrap_or_else(|_| vec![rules]),
        reason: row.get("reason")?,
        trace_id: row.get("trace_id")?,
        uid: row.get("uid")?,
        crashes: row.get("crashes")?,
    })
}

fn steps(connection: &Connection, id: i64) -> rusqlite::Result<Vec<StepRecord>> {
    let sql = "SELECT rule, action, coalesce(status, iif(is_running, 'running', 'waiting')) AS status, attempts, begun,
            ended, message, calls FROM step WHERE entry = ?1 ORDER BY number";
    let mut statement = connection.prepare(sql)?;
    let steps = statement.query_map([id], |row| {
        let calls: Option<String> = row.get("calls")?;
        Ok(StepRecord {
            rule: row.get("rule")?,
            action: row.get("action")?,
            status: row.get("status")?,
            attempts: row.get("attempts")?,
            begun: time(row.get("begun")?)?,
            ended: row.get::<_, Option<i64>>("ended")?.map(time).transpose()?,
            message: row.get("message")?,
            calls: calls.iter().flat_map(|calls| calls.lines()).map(str::to_owned).collect(),
        })
    })?;
    steps.collect()
}

fn time(ms: i64) -> rusqlite::Result<Timestamp> {
    let wrong = |error| rusqlite::Error::FromSqlConversionFailure(0, Type::Integer, Box::new(error));
    Timestamp::from_millisecond(ms).map_err(wrong)
}

//! The tables, and how older formats become the one of today.

use rusqlite::Connection;

/// The format that this version writes.
pub(super) const FORMAT: i64 = 2;

/// What brings each format to the next one; the first makes the tables.
///
/// What a person may look for has a column, and ids are texts, so that `sqlite3` shows what logs show. Times are
/// milliseconds since 1970, states those of [`State`]
/// and [`Arrival`].
const STEPS: [&str; 2] = [
    r"
    CREATE TABLE meta (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
    CREATE TABLE entry (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        state INTEGER NOT NULL DEFAULT 0,
        received INTEGER NOT NULL,
        ended INTEGER,
        crashes INTEGER NOT NULL DEFAULT 0,
        uid TEXT NOT NULL,
        trace_id TEXT NOT NULL,
        fingerprint BLOB,
        falco_rule TEXT NOT NULL,
        hostname TEXT NOT NULL,
        namespace TEXT,
        pod TEXT,
        rules TEXT NOT NULL,
        reason TEXT,
        bytes INTEGER NOT NULL,
        body BLOB NOT NULL
    );
    CREATE INDEX open_entry ON entry (id) WHERE state = 0;
    CREATE INDEX ended_entry ON entry (ended, bytes, state) WHERE state <> 0;
    CREATE TABLE step (
        entry INTEGER NOT NULL REFERENCES entry (id) ON DELETE CASCADE,
        number INTEGER NOT NULL,
        rule TEXT NOT NULL,
        action TEXT NOT NULL,
        hash BLOB NOT NULL,
        is_repeatable INTEGER NOT NULL,
        attempts INTEGER NOT NULL,
        is_running INTEGER NOT NULL,
        begun INTEGER NOT NULL,
        tried INTEGER NOT NULL DEFAULT 0,
        learnt TEXT,
        was_unknown INTEGER NOT NULL DEFAULT 0,
        status TEXT,
        message TEXT,
        calls TEXT,
        ended INTEGER,
        is_last INTEGER NOT NULL DEFAULT 0,
        rest INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (entry, number)
    ) WITHOUT ROWID;
    CREATE TABLE delivery (
        id TEXT NOT NULL UNIQUE,
        entry INTEGER NOT NULL REFERENCES entry (id) ON DELETE CASCADE,
        state INTEGER NOT NULL DEFAULT 0,
        rule TEXT NOT NULL,
        action TEXT NOT NULL,
        actionner TEXT NOT NULL,
        target TEXT NOT NULL,
        parameters TEXT NOT NULL,
        name TEXT NOT NULL,
        media_type TEXT NOT NULL,
        file TEXT,
        bytes INTEGER NOT NULL,
        objects TEXT NOT NULL,
        made INTEGER NOT NULL,
        attempts INTEGER NOT NULL DEFAULT 0,
        next INTEGER,
        message TEXT,
        ended INTEGER
    );
    CREATE INDEX delivery_entry ON delivery (entry, state);
    CREATE INDEX due_delivery ON delivery (next) WHERE state = 0;
    CREATE TABLE unwanted_file (file TEXT PRIMARY KEY) WITHOUT ROWID;
    CREATE TRIGGER delivery_deleted AFTER DELETE ON delivery WHEN old.file IS NOT NULL BEGIN
        INSERT OR IGNORE INTO unwanted_file (file) VALUES (old.file);
    END;
",
    r"
    ALTER TABLE entry ADD COLUMN traceparent TEXT;
    ALTER TABLE delivery ADD COLUMN notifiers TEXT NOT NULL DEFAULT '[]';
    ALTER TABLE delivery ADD COLUMN traceparent TEXT;
    CREATE TABLE notification (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        notifier TEXT NOT NULL,
        key TEXT,
        subject TEXT NOT NULL,
        notice TEXT NOT NULL,
        traceparent TEXT,
        made INTEGER NOT NULL
    );
    CREATE INDEX notification_of ON notification (notifier, key);
",
];

/// In `is_running`, where no attempt is under way but one was when an earlier process ended; while one is, it is 1.
pub(super) const INTERRUPTED: i64 = 2;

/// How an entry ended; 0 is the state of one that has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// All that it asked for is done.
    Done = 1,
    /// Something is not, and never will be by itself.
    Dead = 2,
}

/// How a delivery ended; 0 is the state of one that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arrival {
    Arrived = 1,
    /// It did not arrive, and never will by itself. Its file stays until its entry goes.
    GivenUp = 2,
}

/// The format of what is there; 0 where nothing is.
pub(super) fn format(connection: &Connection) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Make the tables, or bring those of an older format up to date, all or nothing.
pub(super) fn migrate(connection: &mut Connection) -> rusqlite::Result<()> {
    let found = usize::try_from(format(connection)?).unwrap_or_default();
    let transaction = connection.transaction()?;
    for step in STEPS.iter().skip(found) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "user_version", FORMAT)?;
    transaction.commit()
}

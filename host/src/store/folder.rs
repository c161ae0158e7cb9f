//! The folder of a store: who may look into it, who has it, and what becomes of a file that is damaged.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::{Connection, ErrorCode, OpenFlags, ffi};

use super::entry::EntryId;
use super::error::OpenError;
use super::rows;
use super::schema;

/// In the folder that the operator names, which may be of a volume that belongs to somebody else.
const FOLDER: &str = "store";

const FILE: &str = "store.db";

/// Beside it: what is to be delivered.
const SPOOL: &str = "spool";

/// Held by the process that has the store.
const LOCK: &str = "lock";

/// What lies beside the file while it is open.
const BESIDE: [&str; 2] = ["-wal", "-shm"];

/// How much a log of changes that was written into the file keeps of the disk, in bytes.
const LOG_BYTES_MAX: i64 = 64 << 20;

/// The folder of a store in `data_dir`.
pub(crate) fn folder_of(data_dir: &Path) -> PathBuf {
    data_dir.join(FOLDER)
}

/// The database in `data_dir`, which must be there.
pub(super) fn file_of(data_dir: &Path) -> Result<PathBuf, OpenError> {
    let (path, file) = (folder_of(data_dir), folder_of(data_dir).join(FILE));
    match file.try_exists() {
        Ok(true) => Ok(file),
        Ok(false) => Err(OpenError::Missing(path)),
        Err(error) => Err(OpenError::Folder { path, error }),
    }
}

/// The folder of an open store.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    pub(super) spool: PathBuf,
    /// Held until the process ends, however that is.
    _lock: File,
}

/// A file that could not be used, and was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Its name now.
    pub aside: PathBuf,
    /// Unfinished events and dead letters that could be read of it.
    pub read: usize,
    /// What is wrong with it.
    pub reason: String,
}

impl Folder {
    /// Make the folder in `data_dir` unless it is there, and take it.
    pub(super) fn take(data_dir: &Path) -> Result<Self, OpenError> {
        let path = folder_of(data_dir);
        let spool = data_dir.join(SPOOL);
        make_private(&path)?;
        make_private(&spool)?;
        let wrong = |error| OpenError::Folder { path: path.clone(), error };
        let mut options = OpenOptions::new();
        let lock = options.create(true).truncate(false).write(true).mode(0o600).open(path.join(LOCK)).map_err(wrong)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, spool, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(OpenError::Locked(path)),
            Err(TryLockError::Error(error)) => Err(wrong(error)),
        }
    }

    /// Open the file, or make it. One that is damaged is set aside, and what can be read of it is taken over.
    pub(super) fn open(&self) -> Result<(Connection, Option<Damage>), OpenError> {
        let file = self.path.join(FILE);
        match self.try_open(&file) {
            Err(OpenError::Database(error)) if is_damage(&error) => {
                let aside = self.set_aside(&file)?;
                let connection = self.try_open(&file)?;
                let read = salvage(&connection, &aside);
                let reason = error.to_string();
                Ok((connection, Some(Damage { aside, read, reason })))
            }
            opened => opened.map(|connection| (connection, None)),
        }
    }

    /// Open the file as it is: one that is damaged is left to the next start of the host.
    pub(super) fn open_as_it_is(&self) -> Result<Connection, OpenError> {
        self.try_open(&self.path.join(FILE))
    }

    fn try_open(&self, file: &Path) -> Result<Connection, OpenError> {
        let private = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(file);
        private.map_err(|error| OpenError::Folder { path: file.to_owned(), error })?;
        let mut connection = Connection::open(file)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        connection.pragma_update(None, "journal_size_limit", LOG_BYTES_MAX)?;
        let found = schema::format(&connection)?;
        if found > schema::FORMAT {
            return Err(OpenError::Newer { path: self.path.clone(), found, known: schema::FORMAT });
        }
        prepare(&mut connection)?;
        check(&connection)?;
        Ok(connection)
    }

    fn set_aside(&self, file: &Path) -> Result<PathBuf, OpenError> {
        let aside = self.path.join(format!("{FILE}.damaged-{}", Timestamp::now().as_millisecond()));
        let with = |path: &Path, ending: &str| PathBuf::from(format!("{}{ending}", path.display()));
        fs::rename(file, &aside).map_err(|error| OpenError::Folder { path: self.path.clone(), error })?;
        for ending in BESIDE {
            match fs::rename(with(file, ending), with(&aside, ending)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(OpenError::Folder { path: self.path.clone(), error });
                }
                _ => {}
            }
        }
        Ok(aside)
    }
}

/// Make a folder for the host's user alone, unless it is there.
fn make_private(path: &Path) -> Result<(), OpenError> {
    let wrong = |error| OpenError::Folder { path: path.to_owned(), error };
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(wrong)?;
    let metadata = fs::symlink_metadata(path).map_err(wrong)?;
    let is_own = metadata.is_dir() && metadata.uid() == rustix::process::geteuid().as_raw();
    if !is_own {
        return Err(OpenError::NotOwn(path.to_owned()));
    }
    // Kubernetes opens it to the group of a pod's volumes each time that it mounts them.
    if metadata.mode() & 0o077 != 0 {
        fs::set_permissions(path, Permissions::from_mode(0o700)).map_err(wrong)?;
    }
    Ok(())
}

/// What holds for a connection, on disk or in memory.
pub(super) fn prepare(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(64);
    schema::migrate(connection)
}

/// Write the log of changes into the file, and empty it; not where somebody reads, but the next time.
pub(super) fn empty_log(connection: &Connection) -> rusqlite::Result<()> {
    connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
        // A file of somebody else, or one whose tables are gone.
        || matches!(error.sqlite_error_code(), Some(ErrorCode::Unknown))
}

/// Copy what can be read of the unfinished entries and the dead letters; how many that are.
fn salvage(connection: &Connection, aside: &Path) -> usize {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let Ok(damaged) = Connection::open_with_flags(aside, flags) else { return 0 };
    let of = |sql: &str| -> rusqlite::Result<Vec<i64>> {
        let mut statement = damaged.prepare(sql)?;
        let ids = statement.query_map([], |row| row.get(0))?;
        // Up to where the damage begins.
        Ok(ids.map_while(Result::ok).collect())
    };
    // One by one, since a list ends where the damage begins; and by the table, since its indexes may be what is damaged.
    let is_wanted = |id: &i64| {
        let sql = "SELECT 1 FROM entry NOT INDEXED WHERE id = ?1 AND state IN (0, 2)";
        damaged.query_row(sql, [id], |_| Ok(())).is_ok()
    };
    let last = of("SELECT seq FROM sqlite_sequence WHERE name = 'entry'").unwrap_or_default().first().copied();
    let last = last.or_else(|| of("SELECT max(id) FROM entry NOT INDEXED").unwrap_or_default().first().copied());
    let last = last.unwrap_or_default();
    let ids = (last.saturating_sub(LOOKED_AT_MAX).max(1)..=last).filter(is_wanted);
    let copied = ids.filter(|id| take_over(&damaged, connection, *id).is_ok()).count();
    // What ended goes with the file that is set aside, but for what is still to be delivered.
    for id in of("SELECT DISTINCT entry FROM delivery WHERE state = 0").unwrap_or_default() {
        let _ = copy(&damaged, connection, id, &TABLES);
    }
    for id in of("SELECT id FROM notification NOT INDEXED").unwrap_or_default() {
        let _ = copy(&damaged, connection, id, &[("notification", "id")]);
    }
    copied
}

/// So many of the latest entries of a damaged file are looked at.
const LOOKED_AT_MAX: i64 = 2_000_000;

/// What an entry is made of, each with the column that names it.
const TABLES: [(&str, &str); 3] = [("entry", "id"), ("step", "entry"), ("delivery", "entry")];

/// An entry of which it can't be known what was done is not done once more: it is a dead letter.
fn take_over(from: &Connection, to: &Connection, id: i64) -> rusqlite::Result<()> {
    if copy(from, to, id, &TABLES).is_ok() {
        return Ok(());
    }
    copy(from, to, id, &TABLES[..1])?;
    let reason = "damaged: what was done of it can't be read any more";
    rows::bury(to, EntryId(id), reason, Timestamp::now().as_millisecond())
}

/// All or nothing of it.
fn copy(from: &Connection, to: &Connection, id: i64, tables: &[(&str, &str)]) -> rusqlite::Result<()> {
    let transaction = to.unchecked_transaction()?;
    for (table, key) in tables {
        let mut select = from.prepare(&format!("SELECT * FROM {table} WHERE {key} = ?1"))?;
        // By their names: the damaged file may be of an older format, whose tables have fewer.
        let names: Vec<String> = select.column_names().map(str::to_owned).collect();
        let (columns, names) = (names.len(), names.join(", "));
        let places = vec!["?"; columns].join(", ");
        let mut insert = to.prepare(&format!("INSERT INTO {table} ({names}) VALUES ({places})"))?;
        let mut rows = select.query([id])?;
        while let Some(row) = rows.next()? {
            let values = (0..columns).map(|column| row.get::<_, rusqlite::types::Value>(column));
            let values = values.collect::<rusqlite::Result<Vec<_>>>()?;
            insert.execute(rusqlite::params_from_iter(values))?;
        }
    }
    transaction.commit()
}

/// Whether the file is whole, so that damage shows now and not when an event is at stake.
fn check(connection: &Connection) -> rusqlite::Result<()> {
    let found: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if found == "ok" {
        return Ok(());
    }
    Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CORRUPT), Some(found)))
}

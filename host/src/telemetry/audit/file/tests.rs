//! A file that grows, is moved away, is emptied, and can't be written.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use tempfile::TempDir;

use super::*;
use crate::health::{Check, Health};
use crate::telemetry::logs::{Format, Logger};

struct Record {
    folder: TempDir,
    file: RecordFile,
    health: Health,
}

impl Record {
    fn new(bytes_max: u64, before: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        if !before.is_empty() {
            fs::write(&path, before).unwrap();
        }
        let health = Health::default();
        let trouble = Trouble::new(&path, Logger::new(Format::Json, io::sink()), health.clone());
        let keep = Keep { time: Duration::from_secs(3_600), bytes_max: 1 << 20 };
        let file = RecordFile::open(&path, bytes_max, keep, trouble).unwrap();
        Self { folder, file, health }
    }

    fn write(&mut self, text: &str) {
        self.file.write_all(text.as_bytes()).unwrap();
    }

    /// The texts of all files, the oldest first.
    fn texts(&self) -> Vec<String> {
        aside::all(&self.file.path).unwrap().iter().map(|path| fs::read_to_string(path).unwrap()).collect()
    }
}

#[test]
fn a_file_that_would_become_too_long_is_set_aside() {
    let mut record = Record::new(10, "");
    record.write("1234\n5678\n");
    record.write("abcd\n");
    record.write("efgh\nijkl\nmnop\n");
    record.write("a line that is longer\nx\n");
    let expected = ["1234\n5678\n", "abcd\nefgh\n", "ijkl\nmnop\n", "a line that is longer\n", "x\n"];
    assert_eq!(record.texts(), expected);
    let mode = fs::metadata(&record.file.path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);

    let mut record = Record::new(0, "");
    record.write(&"1234\n".repeat(1_000));
    assert_eq!(record.texts().len(), 1);
}

#[test]
fn a_file_that_was_moved_removed_or_emptied_is_opened_anew() {
    let mut record = Record::new(1_000, "");
    record.write("1\n");
    let elsewhere = record.folder.path().join("b.log");
    fs::rename(&record.file.path, &elsewhere).unwrap();
    record.write("2\n");
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "1\n");
    assert_eq!(record.texts(), ["2\n"]);
    fs::remove_file(&record.file.path).unwrap();
    record.write("3\n");
    // As `copytruncate` does.
    fs::write(&record.file.path, "").unwrap();
    record.write("4\n");
    assert_eq!(record.texts(), ["4\n"]);

    let mut record = Record::new(10, "");
    record.write("12345678\n");
    fs::write(&record.file.path, "").unwrap();
    record.write("abcdefgh\n");
    assert_eq!(record.texts(), ["abcdefgh\n"]);
}

#[test]
fn a_line_that_is_torn_has_an_end() {
    let mut record = Record::new(1_000, "whole\ntorn");
    record.write("next\n");
    assert_eq!(record.texts(), ["whole\ntorn\nnext\n"]);
    record.write("half");
    record.write("\ngap\n");
    assert_eq!(record.texts(), ["whole\ntorn\nnext\nhalf\ngap\n"]);
    record.write("half");
    fs::remove_file(&record.file.path).unwrap();
    record.write("\ngap\n");
    assert_eq!(record.texts(), ["gap\n"]);
}

#[test]
fn nothing_goes_to_a_file_that_nobody_finds() {
    let mut record = Record::new(1_000, "");
    record.write("1\n");
    let wrong =
        |record: &Record| record.health.states().iter().any(|(check, state)| check == Check::Audit && state.is_err());
    let folder = record.folder.path().to_owned();
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(record.file.write(b"2\n").unwrap_err().kind(), ErrorKind::NotFound);
    assert!(wrong(&record));
    fs::create_dir(&folder).unwrap();
    record.write("3\n");
    assert!(!wrong(&record));
    assert_eq!(record.texts(), ["3\n"]);
}

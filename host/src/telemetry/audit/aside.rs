//! Audit files that were set aside: their names, their order, and which of them are kept.
//!
//! The time at which a file was set aside is a part of its name, in a form that sorts as the times do.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, civil};

/// Behind the name of the file and a dot.
const FORMAT: &str = "%Y%m%dT%H%M%S.%6fZ";

/// How much is kept of what was set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Keep {
    /// How long.
    pub(crate) time: Duration,
    /// How many bytes; the oldest files go first.
    pub(crate) bytes_max: u64,
}

/// A file that was set aside.
struct Aside {
    path: PathBuf,
    at: Timestamp,
    bytes: u64,
}

/// The file at `path`, if there is one, and those that were set aside for it by us or by logrotate, the oldest first.
/// Not those that are compressed.
///
/// # Errors
///
/// Where their folder can't be read.
pub(crate) fn all(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = found(path, time_of)?;
    // When it was moved is not in its name: it was written to until then.
    files.extend(found(path, |text| is_rotated(text).then_some(Timestamp::MIN))?.into_iter().map(|aside| {
        let modified = fs::metadata(&aside.path).and_then(|metadata| metadata.modified()).ok();
        Aside { at: modified.and_then(|at| at.try_into().ok()).unwrap_or(aside.at), ..aside }
    }));
    files.sort_by_key(|aside| aside.at);
    let files = files.into_iter().map(|aside| aside.path);
    Ok(files.chain(path.exists().then(|| path.to_owned())).collect())
}

/// As logrotate names files, with a number or with its `dateext`.
fn is_rotated(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    (1..=10).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// Set the file at `path` aside.
pub(super) fn set_aside(path: &Path, now: Timestamp) -> io::Result<()> {
    let mut at = now;
    let mut to = name(path, at);
    while to.try_exists()? {
        at = at.checked_add(SignedDuration::from_micros(1)).map_err(io::Error::other)?;
        to = name(path, at);
    }
    fs::rename(path, to)
}

/// Remove what is not to be kept.
pub(super) fn prune(path: &Path, keep: Keep, now: Timestamp) -> io::Result<()> {
    let mut bytes: u64 = 0;
    for aside in found(path, time_of)?.into_iter().rev() {
        bytes = bytes.saturating_add(aside.bytes);
        let age = now.duration_since(aside.at).unsigned_abs();
        if bytes > keep.bytes_max || (age > keep.time && aside.at < now) {
            fs::remove_file(&aside.path)?;
        }
    }
    Ok(())
}

fn name(path: &Path, at: Timestamp) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(format!(".{}", at.strftime(FORMAT)));
    name.into()
}

/// The files beside it whose names go on behind its own, and a dot or a dash, as `at` understands.
fn found(path: &Path, at: impl Fn(&str) -> Option<Timestamp>) -> io::Result<Vec<Aside>> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let Some(name) = path.file_name().and_then(|name| name.to_str()) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let at = entry.file_name().to_str().and_then(|other| {
            let rest = other.strip_prefix(name)?;
            at(rest.strip_prefix('.').or_else(|| rest.starts_with('-').then_some(rest))?)
        });
        if let (Some(at), Ok(metadata)) = (at, entry.metadata())
            && metadata.is_file()
        {
            found.push(Aside { path: entry.path(), at, bytes: metadata.len() });
        }
    }
    found.sort_by_key(|aside| aside.at);
    Ok(found)
}

/// Other files may lie there, which have other names.
fn time_of(text: &str) -> Option<Timestamp> {
    let time = civil::DateTime::strptime(FORMAT, text).ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp();
    (time.strftime(FORMAT).to_string() == text).then_some(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    fn names(folder: &Path) -> Vec<String> {
        let files = all(&folder.join("a.log")).unwrap();
        files.iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn files_are_in_the_order_in_which_they_were_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.log");
        for other in ["a.log.1", "a.log.gz", "b.log.20260722T142441.000000Z", "a.log.20260722T142441Z"] {
            fs::write(folder.path().join(other), "x").unwrap();
        }
        let now: Timestamp = "2026-07-22T14:24:41.5Z".parse().unwrap();
        for _ in 0..3 {
            fs::write(&path, "x").unwrap();
            set_aside(&path, now).unwrap();
        }
        fs::write(&path, "x").unwrap();
        let micros = ["500000", "500001", "500002"].map(|micros| format!("a.log.20260722T142441.{micros}Z"));
        assert_eq!(names(folder.path()), [&micros[..], &["a.log.1".to_owned(), "a.log".to_owned()]].concat());
    }

    #[test]
    fn what_is_too_old_or_too_much_goes() {
        let check = |keep: Keep, expected: &[&str]| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a.log");
            let now: Timestamp = "2026-07-22T14:00:00Z".parse().unwrap();
            for days in [3, 2, 1] {
                fs::write(&path, "12345678").unwrap();
                set_aside(&path, now - DAY * days).unwrap();
            }
            prune(&path, keep, now).unwrap();
            let days: Vec<String> = names(folder.path()).iter().map(|name| name[12..14].to_owned()).collect();
            assert_eq!(days, expected, "{keep:?}");
        };
        check(Keep { time: 9 * DAY, bytes_max: 100 }, &["19", "20", "21"]);
        check(Keep { time: 2 * DAY, bytes_max: 100 }, &["20", "21"]);
        check(Keep { time: 9 * DAY, bytes_max: 8 }, &["21"]);
        check(Keep { time: Duration::ZERO, bytes_max: 100 }, &[]);
    }
}

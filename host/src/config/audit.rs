//! The audit record: where it is kept, how much of it, and whether anything may be changed without it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::history::kept;
use super::raw::Reader;

/// Says that the record is kept among the debug lines of the log.
const IN_LOG: &str = "log";

/// Says that no record is kept.
const NOWHERE: &str = "none";

/// In the data folder, where no other place is named.
const FILE: &str = "audit/audit.log";

const KEEP_DEFAULT: (Duration, u64) = (Duration::from_hours(90 * 24), 1 << 30);

/// How the audit record is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Audit {
    /// As it is written; `None` for the default.
    pub file: Option<PathBuf>,
    /// A file that would become longer is set aside for a new one; zero for never.
    pub bytes_max: u64,
    /// How long files that were set aside are kept.
    pub keep: Duration,
    /// How much of them; the oldest goes first.
    pub keep_bytes_max: u64,
    /// Whether an actionner changes nothing while the record can't be written.
    pub required: bool,
}

/// Where the record is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AuditPlace {
    /// In the host's log, at the level `debug`.
    Log,
    Nowhere,
    File {
        path: PathBuf,
        /// Whether its folder is the host's to make.
        is_own: bool,
    },
}

impl Audit {
    /// Where the record is kept by a host with this data folder.
    pub(crate) fn place(&self, data_dir: Option<&Path>) -> AuditPlace {
        match (&self.file, data_dir) {
            (Some(file), _) if file.as_os_str() == IN_LOG => AuditPlace::Log,
            (Some(file), _) if file.as_os_str() == NOWHERE => AuditPlace::Nowhere,
            (Some(file), _) => AuditPlace::File { path: file.clone(), is_own: false },
            (None, Some(data_dir)) => AuditPlace::File { path: data_dir.join(FILE), is_own: true },
            (None, None) => AuditPlace::Log,
        }
    }
}

pub(super) fn audit(reader: &mut Reader, has_data_dir: bool) -> Audit {
    let file = reader.text("audit_file");
    let (keep, keep_bytes_max) = kept(reader, "audit.keep", KEEP_DEFAULT);
    let audit = Audit {
        file: (!file.is_empty()).then(|| PathBuf::from(file)),
        bytes_max: reader.size("audit.bytes_max"),
        keep,
        keep_bytes_max,
        required: reader.switch("audit.required"),
    };
    // The folder itself is of no interest here.
    let place = audit.place(has_data_dir.then_some(Path::new("")));
    if audit.required && !matches!(place, AuditPlace::File { .. }) {
        let problem = "'audit.required' needs a file to be written: set 'data_dir', or name one by 'audit_file'";
        reader.problem("audit.required", problem.into());
    }
    audit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_is_where_it_is_asked_to_be() {
        let data_dir = Path::new("/data");
        let check = |written: &str, data_dir: Option<&Path>, expected: AuditPlace| {
            let file = Some(PathBuf::from(written)).filter(|file| !file.as_os_str().is_empty());
            assert_eq!(Audit { file, ..Audit::default() }.place(data_dir), expected, "{written}");
        };
        let file = |path: &str, is_own| AuditPlace::File { path: path.into(), is_own };
        check("", None, AuditPlace::Log);
        check("", Some(data_dir), file("/data/audit/audit.log", true));
        check("/var/log/audit.log", Some(data_dir), file("/var/log/audit.log", false));
        check("log", Some(data_dir), AuditPlace::Log);
        check("none", Some(data_dir), AuditPlace::Nowhere);
        check("./log", None, file("./log", false));
    }
}

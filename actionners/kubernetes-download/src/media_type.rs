//! What a file is, by the end of its name.
//!
//! Says so only where the name leaves no doubt: nobody has looked at the content, and a suspect
//! chose the name. Does not know files.

const UNKNOWN: &str = "application/octet-stream";

const BY_END: [(&str, &str); 18] = [
    ("bz2", "application/x-bzip2"),
    ("cap", "application/vnd.tcpdump.pcap"),
    ("conf", TEXT),
    ("csv", "text/csv; charset=utf-8"),
    ("gz", "application/gzip"),
    ("ini", TEXT),
    ("json", "application/json"),
    ("log", TEXT),
    ("md", TEXT),
    ("pcap", "application/vnd.tcpdump.pcap"),
    ("pdf", "application/pdf"),
    ("tar", "application/x-tar"),
    ("tgz", "application/gzip"),
    ("txt", TEXT),
    ("xz", "application/x-xz"),
    ("yaml", "application/yaml"),
    ("yml", "application/yaml"),
    ("zip", "application/zip"),
];

const TEXT: &str = "text/plain; charset=utf-8";

pub(crate) fn of(path: &str) -> &'static str {
    let file = path.rsplit('/').next().unwrap_or(path);
    // A file whose name begins with its only dot is hidden, and has no end.
    let Some((stem, end)) = file.rsplit_once('.').filter(|(stem, _)| !stem.is_empty()) else { return UNKNOWN };
    // `app.log.1` is what a log becomes when it is rotated.
    let is_rotated = end.bytes().all(|byte| byte.is_ascii_digit()) && stem.ends_with(".log");
    if is_rotated {
        return TEXT;
    }
    let known = BY_END.iter().find(|(known, _)| end.eq_ignore_ascii_case(known));
    known.map_or(UNKNOWN, |(_, media_type)| media_type)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_name_decides() {
        fn check(path: &str, expected: &str) {
            assert_eq!(of(path), expected, "{path}");
        }
        check("/etc/passwd", UNKNOWN);
        check("/bin/ls", UNKNOWN);
        check("/var/log/app.log", TEXT);
        check("/var/log/app.log.1", TEXT);
        check("/usr/lib/libc.so.6", UNKNOWN);
        check("/data/a.JSON", "application/json");
        check("/data/a.tar.gz", "application/gzip");
        check("/data.json/a", UNKNOWN);
        check("/srv/.json", UNKNOWN);
        check("/tmp/a.", UNKNOWN);
        check("", UNKNOWN);
    }
}

//! What an artifact is called where it is stored.
//!
//! `<time>_<namespace>_<pod>_<name>`, as scripts that collect artifacts expect it. Does not know
//! where that is.

use jiff::Timestamp;

/// File systems take no longer name. The time comes first and must stay.
const KEY_BYTES_MAX: usize = 255;

/// The key of an artifact `name` that was made at `now` of these objects, as (kind, name).
///
/// Without a pod and a namespace the hostname stands for them, and without that the names of all
/// objects but `file`, in the order of their kinds. Slashes become `_`. The time is in UTC.
pub fn key(now: Timestamp, objects: &[(String, String)], name: &str) -> String {
    let object = |kind: &str| {
        let (_, name) = objects.iter().find(|(key, name)| key == kind && !name.is_empty())?;
        Some(name.as_str())
    };
    let mut parts = match (object("namespace"), object("pod"), object("hostname")) {
        (Some(namespace), Some(pod), _) => vec![namespace, pod],
        (_, _, Some(hostname)) => vec![hostname],
        _ => {
            let mut others: Vec<_> = objects.iter().filter(|(kind, _)| kind != "file").collect();
            others.sort();
            others.into_iter().map(|(_, name)| name.as_str()).collect()
        }
    };
    parts.push(name);
    let key = format!("{}_{}", now.strftime("%Y-%m-%dT%H-%M-%SZ"), parts.join("_"));
    shortened(&key.replace('/', "_"))
}

/// The key of the `number`th artifact whose key would be the same, from 1 on: `a_2.pcap` for `a.pcap`, so that what
/// opens files by their ending still does.
pub(crate) fn numbered(key: &str, number: u32) -> String {
    match key.rsplit_once('.') {
        _ if number == 1 => key.to_owned(),
        Some((stem, extension)) if !stem.is_empty() => format!("{stem}_{number}.{extension}"),
        _ => format!("{key}_{number}"),
    }
}

/// What is too long loses its middle: the beginning says when and where, the end what.
fn shortened(key: &str) -> String {
    if key.len() <= KEY_BYTES_MAX {
        return key.to_owned();
    }
    let (head, tail) = (key.floor_char_boundary(KEY_BYTES_MAX / 2 - 1), key.len() - KEY_BYTES_MAX / 2);
    format!("{}~{}", &key[..head], &key[key.ceil_char_boundary(tail)..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(objects: &[(&str, &str)], name: &str, expected: &str) {
        let now: Timestamp = "2024-09-05T14:52:10.9+02:00".parse().unwrap();
        let objects: Vec<_> = objects.iter().map(|(kind, name)| ((*kind).to_owned(), (*name).to_owned())).collect();
        assert_eq!(key(now, &objects, name), expected);
    }

    #[test]
    fn the_pod_comes_first_then_the_hostname_then_whatever_there_is() {
        let pod = [("pod", "web-0"), ("namespace", "shop")];
        check(&pod, "tcpdump.pcap", "2024-09-05T12-52-10Z_shop_web-0_tcpdump.pcap");
        check(&pod, "/etc/passwd", "2024-09-05T12-52-10Z_shop_web-0__etc_passwd");
        check(&[("hostname", "node-1"), ("pod", "web-0")], "log", "2024-09-05T12-52-10Z_node-1_log");
        check(&[("name", "b"), ("file", "x"), ("kind", "a")], "log", "2024-09-05T12-52-10Z_a_b_log");
        check(&[], "log", "2024-09-05T12-52-10Z_log");
    }

    #[test]
    fn a_long_key_keeps_its_ends() {
        let now = Timestamp::UNIX_EPOCH;
        let key = key(now, &[], &format!("{}.pcap", "é".repeat(300)));
        assert!(key.len() <= KEY_BYTES_MAX, "{}", key.len());
        assert!(key.starts_with("1970-01-01T00-00-00Z_é") && key.ends_with("é.pcap") && key.contains('~'), "{key}");
    }
}

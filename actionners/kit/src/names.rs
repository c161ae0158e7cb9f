//! Names of objects that an actionner makes, from the names of others.
//!
//! Does not know what is named.

use falco_talon_sdk::Context;

/// The longest name of most objects, e.g. of a pod (RFC 1123 subdomain).
pub const NAME_BYTES_MAX: usize = 253;

/// The longest value of a label.
pub const LABEL_VALUE_BYTES_MAX: usize = 63;

/// As many as Kubernetes itself adds to the names that it makes.
const SUFFIX_CHARS: usize = 5;

/// What such a suffix is made of: as many as a name may have.
const DIGITS: &[u8] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// `name` as it is where it fits, else its beginning and a hash of the whole.
///
/// The same name always gives the same result, so what it names is found again, and two long
/// names that begin alike stay apart. A valid name stays valid: the cut is never after a `.`
/// or a `-`.
#[must_use]
pub fn shortened(name: &str, bytes_max: usize) -> String {
    if name.len() <= bytes_max { name.to_owned() } else { hashed(name, name, bytes_max) }
}

/// The same for where a `.` has a meaning of its own: it becomes a `-`, and the hash keeps what
/// was different apart.
#[must_use]
pub fn without_dots(name: &str, bytes_max: usize) -> String {
    if name.contains('.') { hashed(&name.replace('.', "-"), name, bytes_max) } else { shortened(name, bytes_max) }
}

/// The name of what one action makes for one event by means of `tool`, e.g. `falco-talon-tcpdump-0af76`.
///
/// It is the same for a second attempt, which finds by it what the first has made. Another action, or another event,
/// has another, whatever its sender says of it.
#[must_use]
pub fn of_action(tool: &str, context: &Context) -> String {
    let text = |key| context.text(key).unwrap_or_default();
    let parts = [context.event_uid(), text("falco-talon.rule"), text("falco-talon.action")];
    format!("falco-talon-{tool}-{}", suffix(&parts))
}

/// Whether `name` is an RFC 1123 label, as the name of a namespace must be.
#[must_use]
pub fn is_dns_label(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    name.len() <= 63 && name.bytes().all(inner) && !name.is_empty() && !name.starts_with('-') && !name.ends_with('-')
}

fn suffix(parts: &[&str]) -> String {
    let mut hash = fnv1a(parts.join("\n").as_bytes());
    let mut digit = || {
        let digit = DIGITS[(hash % DIGITS.len() as u64) as usize];
        hash /= DIGITS.len() as u64;
        char::from(digit)
    };
    (0..SUFFIX_CHARS).map(|_| digit()).collect()
}

/// As much of `shown` as fits before the hash of `name`.
fn hashed(shown: &str, name: &str, bytes_max: usize) -> String {
    let hash = format!("-{:016x}", fnv1a(name.as_bytes()));
    let room = shown.floor_char_boundary(bytes_max.saturating_sub(hash.len()));
    let beginning = shown[..room].trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
    format!("{beginning}{hash}")
}

/// FNV-1a: written out since the standard library promises no hash that stays the same from
/// one version to the next, and names must.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_long_names_are_shortened() {
        fn check(name: &str, bytes_max: usize, expected: &str) {
            assert_eq!(shortened(name, bytes_max), expected);
            assert!(expected.len() <= bytes_max);
        }
        check("web-0", 63, "web-0");
        check(&"a".repeat(63), 63, &"a".repeat(63));
        check(&"a".repeat(64), 63, &format!("{}-{:016x}", "a".repeat(46), fnv1a(&[b'a'; 64])));
        // The cut falls behind the dash, which may not end a name.
        let long = "abc-defghijklmnopqrstuvwxyz";
        check(long, 21, &format!("abc-{:016x}", fnv1a(long.as_bytes())));
    }

    #[test]
    fn dots_are_replaced_and_names_stay_apart() {
        fn check(name: &str, bytes_max: usize, expected: &str) {
            assert_eq!(without_dots(name, bytes_max), expected);
            assert!(expected.len() <= bytes_max);
        }
        check("web-0", 63, "web-0");
        check("web.0", 63, &format!("web-0-{:016x}", fnv1a(b"web.0")));
        check("web.0.a", 21, &format!("web-{:016x}", fnv1a(b"web.0.a")));
        check(&"a".repeat(64), 63, &shortened(&"a".repeat(64), 63));
    }

    #[test]
    fn the_hash_is_fnv1a() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn suffixes_are_the_same_for_the_same_parts() {
        assert_eq!(suffix(&["foobar"]), "ocmf5");
        assert_eq!(suffix(&[]).len(), SUFFIX_CHARS);
        assert_eq!(suffix(&["a", "b"]), suffix(&["a", "b"]));
        assert_ne!(suffix(&["a", "b"]), suffix(&["ab", ""]));
        assert_ne!(suffix(&["a", "b"]), suffix(&["b", "a"]));
    }

    #[test]
    fn a_second_attempt_finds_what_the_first_has_made() {
        let of = |uid: &str, action: &str| {
            let values = json!({"falco-talon.event.uid": uid, "falco-talon.rule": "r", "falco-talon.action": action});
            let values = values.as_object().unwrap().clone();
            // The sender of an event chooses its trace, and can choose that of another.
            of_action("tcpdump", &Context { trace_id: "1".repeat(32), values })
        };
        let name = of("0af7651916cd43dd8448eb211c80319c", "a");
        assert!(name.starts_with("falco-talon-tcpdump-") && is_dns_label(&name));
        assert_eq!(name.len(), "falco-talon-tcpdump-".len() + 5);
        assert_eq!(name, of("0af7651916cd43dd8448eb211c80319c", "a"));
        // Two captures for one event are two containers: Kubernetes changes none that is there.
        assert_ne!(name, of("0af7651916cd43dd8448eb211c80319c", "b"));
        assert_ne!(name, of("1af7651916cd43dd8448eb211c80319c", "a"));
    }

    #[test]
    fn names_of_namespaces() {
        fn check(name: &str, expected: bool) {
            assert_eq!(is_dns_label(name), expected, "{name}");
        }
        check("green-ns", true);
        check("0", true);
        check("", false);
        check("Green", false);
        check("-a", false);
        check("a-", false);
        check("a.b", false);
        check(&"a".repeat(64), false);
    }
}

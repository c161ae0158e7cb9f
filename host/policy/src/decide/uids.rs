//! Which objects the attempts at an action have found, by their uids.
//!
//! A name can pass to another object between two attempts. So what the first has found goes with the action to the next
//! one, also where the host is started anew between them: as text, which is bounded. Does not know how an attempt ended.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::address::{AddressError, ObjectId, SHOWN_CHARS_MAX, check_name, check_namespace, check_resource, shown};

/// More than an event is about: its pod, the node, and the controllers.
const OBJECTS_MAX: usize = 16;

/// Kubernetes' own have 36.
const UID_BYTES_MAX: usize = 128;

/// [`OBJECTS_MAX`] of the longest.
const TEXT_BYTES_MAX: usize = 16 << 10;

/// Objects with their uids. As text, a JSON list of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Vec<Found>", try_from = "Vec<Found>")]
pub struct Uids(Vec<(ObjectId, String)>);

/// A text says no uids.
#[derive(Debug, thiserror::Error)]
pub enum UidsError {
    /// It is longer than any that was written.
    #[error("{0} bytes are more than the {TEXT_BYTES_MAX} that uids of an action have")]
    TooLong(usize),
    /// It is no JSON, or of another form, or names what can't be.
    #[error("no uids of an action: {0}")]
    Malformed(#[from] serde_json::Error),
}

/// One of them, as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Found {
    group: String,
    resource: String,
    namespace: Option<String>,
    name: String,
    uid: String,
}

/// What is written can't be so.
#[derive(Debug, thiserror::Error)]
enum FoundError {
    #[error("{0} objects are more than {OBJECTS_MAX}")]
    TooMany(usize),
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error("`{0}` can't be a uid")]
    Uid(String),
}

impl Uids {
    /// The uid of an object, where it was found.
    #[must_use]
    pub fn get(&self, object: &ObjectId) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == object).map(|(_, uid)| uid.as_str())
    }

    /// Add what was found, where nothing is known yet of an object of this name and there is room for one more.
    pub(crate) fn add(&mut self, object: &ObjectId, uid: &str) {
        if self.0.len() < OBJECTS_MAX && is_uid(uid) && self.get(object).is_none() {
            self.0.push((object.clone(), uid.to_owned()));
        }
    }

    /// All of them, those that the event names first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&ObjectId, &str)> {
        self.0.iter().map(|(object, uid)| (object, uid.as_str()))
    }
}

/// Opaque, and never with what would have to be escaped.
fn is_uid(text: &str) -> bool {
    let is_fit = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
    (1..=UID_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_fit)
}

impl fmt::Display for Uids {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl FromStr for Uids {
    type Err = UidsError;

    fn from_str(text: &str) -> Result<Self, UidsError> {
        if text.len() > TEXT_BYTES_MAX {
            return Err(UidsError::TooLong(text.len()));
        }
        Ok(serde_json::from_str(text)?)
    }
}

impl From<Uids> for Vec<Found> {
    fn from(Uids(uids): Uids) -> Self {
        let found = |(object, uid)| {
            let ObjectId { group, resource, namespace, name } = object;
            Found { group, resource, namespace, name, uid }
        };
        uids.into_iter().map(found).collect()
    }
}

impl TryFrom<Vec<Found>> for Uids {
    type Error = FoundError;

    fn try_from(found: Vec<Found>) -> Result<Self, FoundError> {
        if found.len() > OBJECTS_MAX {
            return Err(FoundError::TooMany(found.len()));
        }
        let mut uids = Uids::default();
        for Found { group, resource, namespace, name, uid } in found {
            check_resource(&group, &resource, None)?;
            namespace.as_deref().map_or(Ok(()), check_namespace)?;
            check_name(&name)?;
            if !is_uid(&uid) {
                return Err(FoundError::Uid(shown(&uid, SHOWN_CHARS_MAX)));
            }
            uids.add(&ObjectId { group, resource, namespace, name }, &uid);
        }
        Ok(uids)
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn pod(name: &str) -> ObjectId {
        ObjectId::new("", "pods", Some("shop"), name)
    }

    #[test]
    fn a_text_is_read_as_it_was_written() {
        let mut uids = Uids::default();
        assert_eq!((uids.to_string().as_str(), "[]".parse().ok()), ("[]", Some(uids.clone())));
        uids.add(&pod("web-0"), "b7a6");
        uids.add(&ObjectId::new("", "nodes", None, "worker-1"), "1");
        // Who was found first counts.
        uids.add(&pod("web-0"), "2");
        let expected = expect![[
            r#"[{"group":"","resource":"pods","namespace":"shop","name":"web-0","uid":"b7a6"},{"group":"","resource":"nodes","namespace":null,"name":"worker-1","uid":"1"}]"#
        ]];
        expected.assert_eq(&uids.to_string());
        assert_eq!(uids.to_string().parse::<Uids>().unwrap(), uids);
        assert_eq!([uids.get(&pod("web-0")), uids.get(&pod("web-1"))], [Some("b7a6"), None]);
    }

    /// The longest that there can be are read again, too.
    #[test]
    fn there_are_so_many_and_so_long_ones() {
        let mut uids = Uids::default();
        let long = |at: usize| format!("{}{}", char::from(b'a' + u8::try_from(at).unwrap()), "x".repeat(252));
        let group = [63, 63, 63, 61].map(|bytes| "g".repeat(bytes)).join(".");
        for at in 0..OBJECTS_MAX + 3 {
            let object = ObjectId::new(&group, &"r".repeat(63), Some(&"n".repeat(63)), &long(at));
            uids.add(&object, &"u".repeat(UID_BYTES_MAX));
        }
        uids.add(&pod("web-0"), "1");
        assert_eq!(uids.0.len(), OBJECTS_MAX);
        assert_eq!(uids.to_string().parse::<Uids>().unwrap(), uids);
        let mut uids = Uids::default();
        for uid in ["", "a b", "a\"", "a\\", "a\n", "é", &"u".repeat(UID_BYTES_MAX + 1)] {
            uids.add(&pod("web-0"), uid);
        }
        assert_eq!(uids, Uids::default());
    }

    #[test]
    fn what_is_damaged_is_refused_with_a_reason() {
        #[track_caller]
        fn check(text: &str, expected: &Expect) {
            expected.assert_eq(&text.parse::<Uids>().unwrap_err().to_string());
        }
        let one = |name: &str, uid: &str| {
            format!(r#"{{"group":"","resource":"pods","namespace":"shop","name":"{name}","uid":"{uid}"}}"#)
        };
        check("", &expect!["no uids of an action: EOF while parsing a value at line 1 column 0"]);
        check("[{\"group\":\"", &expect!["no uids of an action: EOF while parsing a string at line 1 column 11"]);
        check("{}", &expect!["no uids of an action: invalid type: map, expected a sequence at line 1 column 0"]);
        check(r#"[{"resource":"pods"}]"#, &expect!["no uids of an action: missing field `group` at line 1 column 20"]);
        check(
            &format!("[{}]", one("../x", "1")),
            &expect![
                "no uids of an action: `../x` can't be a name: lower-case letters, digits, `-` and `.` only, at most 253"
            ],
        );
        check(&format!("[{}]", one("web-0", "")), &expect!["no uids of an action: `` can't be a uid"]);
        check(
            &format!("[{}]", one("web-0", "\u{202e}")),
            &expect![[r#"no uids of an action: `\u{202e}` can't be a uid"#]],
        );
        check(
            &format!("[{}]", vec![one("web-0", "1"); 17].join(",")),
            &expect!["no uids of an action: 17 objects are more than 16"],
        );
        check(&" ".repeat(20_000), &expect!["20000 bytes are more than the 16384 that uids of an action have"]);
    }
}

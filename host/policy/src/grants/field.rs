//! Paths of fields: what a grant allows to be written, and what a body writes.
//!
//! `metadata.labels` is a field and all that lies in it; `metadata.labels[example.org/team]` is
//! one entry of a map whose key has other characters than letters, digits, `_` and `-`;
//! `spec.containers[*].image` is that field of every item of a list. Only a JSON patch reaches
//! into a list: every other body sets a list as a whole, and so touches `spec.containers`.

use std::fmt;

use crate::address::shown;

/// The longest key that can be written: longer than any of a label or an annotation.
const KEY_CHARS_MAX: usize = 320;

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Segment {
    /// A key of a map.
    Key(String),
    /// A step of a JSON pointer that may be a key or a place in a list: digits, or `-`.
    KeyOrIndex(String),
    /// Every item of a list: only grants have it.
    Items,
}

/// A path from the top of an object to one of its fields.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct FieldPath(Vec<Segment>);

impl FieldPath {
    /// The path of these steps; none at all is the whole object.
    pub fn new(segments: Vec<Segment>) -> Self {
        FieldPath(segments)
    }

    /// The steps from the top.
    pub fn segments(&self) -> &[Segment] {
        &self.0
    }

    /// Whether a grant of this path allows touching `touched`: it is the same field, or
    /// lies in it.
    pub fn covers(&self, touched: &FieldPath) -> bool {
        self.0.len() <= touched.0.len()
            && self.0.iter().zip(&touched.0).all(|(granted, touched)| granted.covers(touched))
    }
}

impl Segment {
    fn covers(&self, touched: &Segment) -> bool {
        match (self, touched) {
            (Segment::Key(granted), Segment::Key(key)) => granted == key,
            (Segment::Items, Segment::KeyOrIndex(_) | Segment::Items) => true,
            // What stands at a place of a list changes with the list, so that a grant of one
            // place would be one of all. `[0]` in a grant is the key of a map.
            (Segment::Key(_), Segment::KeyOrIndex(_) | Segment::Items)
            | (Segment::Items, Segment::Key(_))
            | (Segment::KeyOrIndex(_), _) => false,
        }
    }
}

fn is_plain(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | '-')
}

/// In the policy's syntax. A key from a body that this syntax can't write is shown all the
/// same, its control characters escaped, and does not parse again.
impl fmt::Display for FieldPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return formatter.write_str("the whole object");
        }
        for (index, segment) in self.0.iter().enumerate() {
            match segment {
                Segment::Key(key) if !key.is_empty() && key.chars().all(is_plain) => {
                    let dot = if index == 0 { "" } else { "." };
                    write!(formatter, "{dot}{key}")?;
                }
                Segment::Key(key) | Segment::KeyOrIndex(key) => {
                    write!(formatter, "[{}]", shown(key, KEY_CHARS_MAX))?;
                }
                Segment::Items => formatter.write_str("[*]")?,
            }
        }
        Ok(())
    }
}

impl std::str::FromStr for FieldPath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| {
            format!(
                "`{text}` is not the path of a field: {what}; write `metadata.labels`, \
                 `metadata.labels[example.org/team]` or `spec.containers[*].image`"
            )
        };
        let mut segments = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            if let Some(bracket) = rest.strip_prefix('[') {
                let Some((key, after)) = bracket.split_once(']') else {
                    return Err(wrong("a `[` is not closed"));
                };
                if segments.is_empty() {
                    return Err(wrong("it begins with `[`"));
                }
                // A key that would have to be escaped when shown could not be read back.
                if key.is_empty() || key.contains('[') || shown(key, KEY_CHARS_MAX) != key {
                    return Err(wrong("what is in `[ ]` is not a key"));
                }
                segments.push(match key {
                    "*" => Segment::Items,
                    key => Segment::Key(key.to_owned()),
                });
                rest = after;
                continue;
            }
            if !segments.is_empty() {
                rest = rest.strip_prefix('.').ok_or_else(|| wrong("a `.` or `[` must follow `]`"))?;
            }
            let end = rest.find(|c| !is_plain(c)).unwrap_or(rest.len());
            if end == 0 || !(rest[end..].is_empty() || rest[end..].starts_with(['.', '['])) {
                return Err(wrong("other keys than letters, digits, `_` and `-` stand in `[ ]`"));
            }
            segments.push(Segment::Key(rest[..end].to_owned()));
            rest = &rest[end..];
        }
        if segments.is_empty() {
            return Err(wrong("it is empty"));
        }
        Ok(FieldPath(segments))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(granted: &str, touched: &[Segment], covered: bool) {
        let path: FieldPath = granted.parse().unwrap();
        assert_eq!(path.to_string(), granted);
        assert_eq!(path.covers(&FieldPath(touched.to_vec())), covered);
    }

    fn key(text: &str) -> Segment {
        Segment::Key(text.to_owned())
    }

    fn item(text: &str) -> Segment {
        Segment::KeyOrIndex(text.to_owned())
    }

    #[test]
    fn a_parent_covers_what_lies_in_it() {
        check("metadata.labels", &[key("metadata"), key("labels")], true);
        check("metadata.labels", &[key("metadata"), key("labels"), key("a")], true);
        check("metadata.labels", &[key("metadata")], false);
        check("metadata.labels", &[key("metadata"), key("labelsx")], false);
        check("metadata.labels", &[], false);
    }

    #[test]
    fn a_key_in_brackets_is_one_entry() {
        let labels = |entry| [key("metadata"), key("labels"), key(entry)];
        check("metadata.labels[a.example/b]", &labels("a.example/b"), true);
        check("metadata.labels[a.example/b]", &labels("a.example/c"), false);
    }

    #[test]
    fn a_star_is_every_item_of_a_list_and_no_key_of_a_map() {
        let image = |segment| [key("spec"), key("containers"), segment, key("image")];
        check("spec.containers[*].image", &image(item("0")), true);
        check("spec.containers[*].image", &image(item("-")), true);
        check("spec.containers[*].image", &image(key("web")), false);
        check("spec.containers.0.image", &image(item("0")), false);
        check("spec.containers.0.image", &image(key("0")), true);
        check("spec.containers[*].image", &[key("spec"), key("containers")], false);
    }

    #[test]
    fn a_plain_key_in_brackets_is_the_same_as_after_a_dot() {
        assert_eq!("a[b].c".parse::<FieldPath>(), "a.b.c".parse());
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in
            ["", ".", "a.", ".a", "a..b", "a[", "a[]", "[a]", "a[b]c", "a b", "a.*", "a[\n]", "a]", "/a/b", "a[[b]"]
        {
            assert!(text.parse::<FieldPath>().is_err(), "{text:?}");
        }
    }
}

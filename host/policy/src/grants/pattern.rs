//! Names as a grant writes them: exact, or all that begin with a prefix.

use std::fmt;

use crate::address::check_name;

/// A name of an object or a namespace: exact, or all that begin with a prefix.
///
/// A prefix ends with `-` or `.`, so that `team-*` never means `teamwork`. There is no
/// pattern for everything: a key left out narrows nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Pattern {
    /// This name.
    Exact(String),
    /// Every name that goes on after this.
    Prefix(String),
}

impl Pattern {
    /// Whether a name is meant.
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Pattern::Exact(exact) => exact == name,
            Pattern::Prefix(prefix) => name.len() > prefix.len() && name.starts_with(prefix),
        }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Pattern::Exact(name) => formatter.write_str(name),
            Pattern::Prefix(prefix) => write!(formatter, "{prefix}*"),
        }
    }
}

impl std::str::FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some(prefix) = text.strip_suffix('*') else {
            return match check_name(text) {
                Ok(()) => Ok(Pattern::Exact(text.to_owned())),
                Err(reason) => Err(reason.to_string()),
            };
        };
        if prefix.is_empty() {
            return Err("`*` is not a name: to mean all, leave the key out".to_owned());
        }
        // What follows the prefix in a name that matches is a letter or a digit at least.
        let possible = check_name(&format!("{prefix}x")).is_ok();
        if possible && prefix.ends_with(['-', '.']) {
            Ok(Pattern::Prefix(prefix.to_owned()))
        } else {
            Err(format!(
                "`{text}` is not a name: write it exactly, or as a prefix that ends at `-` or `.`, such as `team-*`"
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, name: &str, expected: Result<bool, &str>) {
        match (pattern.parse::<Pattern>(), expected) {
            (Ok(parsed), Ok(matches)) => {
                assert_eq!(parsed.matches(name), matches);
                assert_eq!(parsed.to_string(), pattern);
            }
            (Err(message), Err(part)) => assert!(message.contains(part), "{message}"),
            (parsed, expected) => panic!("{parsed:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn a_name_is_exact() {
        check("web", "web", Ok(true));
        check("web", "web-0", Ok(false));
        check("a.b", "a.b", Ok(true));
    }

    #[test]
    fn a_prefix_ends_at_a_boundary_and_something_follows() {
        check("team-*", "team-a", Ok(true));
        check("team-*", "team-", Ok(false));
        check("team-*", "team", Ok(false));
        check("team-*", "teamwork", Ok(false));
        check("team*", "", Err("`team-*`"));
    }

    #[test]
    fn nothing_means_all() {
        check("*", "", Err("leave the key out"));
        check("-*", "", Err("is not a name"));
        check("a*b", "", Err("`a*b`"));
        check("", "", Err("empty"));
        check("Web", "", Err("`Web`"));
    }
}

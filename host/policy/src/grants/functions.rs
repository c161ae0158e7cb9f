//! Grants of cloud functions, and the names that functions have.

use std::fmt;

use super::write::flow_list;

/// Whose cloud a function runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Provider {
    /// AWS Lambda.
    Aws,
    /// Google Cloud, functions of either generation.
    Gcp,
}

/// A name of a function, or of a place where functions are: exact, or all that begin with a
/// prefix.
///
/// A prefix ends with `-`, `_`, `.` or `:`, so that `team-*` never means `teamwork`. Names of
/// Lambda are compared as they are asked for: `respond` is a function of the host's own account,
/// and no pattern for it matches the ARN of another account's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FunctionPattern {
    /// This name.
    Exact(String),
    /// Every name that goes on after this.
    Prefix(String),
}

/// One line of the policy: which functions may be called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionGrant {
    /// Where they run.
    pub provider: Provider,
    /// Which; none named: any.
    pub names: Vec<FunctionPattern>,
    /// In which locations of Google Cloud; none named: in any.
    pub locations: Vec<FunctionPattern>,
}

impl Provider {
    /// Every provider.
    pub const ALL: [Provider; 2] = [Provider::Aws, Provider::Gcp];

    /// As the policy writes it.
    pub fn name(self) -> &'static str {
        match self {
            Provider::Aws => "aws",
            Provider::Gcp => "gcp",
        }
    }

    /// Whether a text can be the name of a function.
    ///
    /// Of Lambda, names, partial and whole ARNs; a version or alias is not part of it.
    ///
    /// # Errors
    ///
    /// What a name is made of.
    pub fn check_name(self, name: &str) -> Result<(), &'static str> {
        let alphabet: &[u8] = match self {
            Provider::Aws => b"-_.:",
            Provider::Gcp => b"-_",
        };
        let fits = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || alphabet.contains(&byte));
        let begins = name.starts_with(|first: char| first.is_ascii_alphanumeric());
        match self {
            _ if fits && begins && name.len() <= FunctionPattern::BYTES_MAX => Ok(()),
            Provider::Aws => {
                Err("a function of Lambda is a name or an ARN: letters, digits, `-`, `_`, `.` and `:` only")
            }
            Provider::Gcp => Err("a function of Google is named by letters, digits, `-` and `_` only"),
        }
    }

    /// Whether a text can be the name of a location, such as `europe-west1`.
    ///
    /// # Errors
    ///
    /// What one is made of.
    pub fn check_location(location: &str) -> Result<(), &'static str> {
        let fits = location.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
        let begins = location.starts_with(|first: char| first.is_ascii_lowercase());
        let is_location = fits && begins && location.len() <= FunctionPattern::BYTES_MAX;
        if is_location { Ok(()) } else { Err("a location is written as `europe-west1`") }
    }
}

impl FunctionPattern {
    /// The longest ARN is shorter.
    const BYTES_MAX: usize = 170;

    /// Read a pattern whose names are checked by `check`.
    ///
    /// # Errors
    ///
    /// Where no name could match.
    pub fn parse(text: &str, check: impl Fn(&str) -> Result<(), &'static str>) -> Result<Self, String> {
        let Some(prefix) = text.strip_suffix('*') else {
            return check(text).map(|()| Self::Exact(text.to_owned())).map_err(|reason| format!("`{text}`: {reason}"));
        };
        if prefix.is_empty() {
            return Err("`*` is not a name: to mean all, leave the key out".to_owned());
        }
        if check(prefix).is_ok() && prefix.ends_with(['-', '_', '.', ':']) {
            return Ok(Self::Prefix(prefix.to_owned()));
        }
        Err(format!("`{text}` is not a name: write it exactly, or as a prefix that ends at a sign, such as `team-*`"))
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == name,
            Self::Prefix(prefix) => name.len() > prefix.len() && name.starts_with(prefix),
        }
    }
}

impl FunctionGrant {
    /// Whether it speaks of this function.
    pub fn covers(&self, provider: Provider, name: &str, location: Option<&str>) -> bool {
        let narrows = |patterns: &[FunctionPattern], name: Option<&str>| {
            patterns.is_empty() || name.is_some_and(|name| patterns.iter().any(|pattern| pattern.matches(name)))
        };
        self.provider == provider && narrows(&self.names, Some(name)) && narrows(&self.locations, location)
    }
}

impl fmt::Display for Provider {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl fmt::Display for FunctionPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => formatter.write_str(name),
            Self::Prefix(prefix) => write!(formatter, "{prefix}*"),
        }
    }
}

/// As the policy file writes it. What is not narrowed is left out.
impl fmt::Display for FunctionGrant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FunctionGrant { provider, names, locations } = self;
        write!(formatter, "{{provider: {provider}")?;
        if !names.is_empty() {
            write!(formatter, ", names: {}", flow_list(names))?;
        }
        if !locations.is_empty() {
            write!(formatter, ", locations: {}", flow_list(locations))?;
        }
        formatter.write_str("}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(provider: Provider, pattern: &str, name: &str, expected: Result<bool, &str>) {
        match (FunctionPattern::parse(pattern, |name| provider.check_name(name)), expected) {
            (Ok(parsed), Ok(matches)) => {
                assert_eq!(parsed.matches(name), matches, "{pattern} {name}");
                assert_eq!(parsed.to_string(), pattern);
            }
            (Err(message), Err(part)) => assert!(message.contains(part), "{message}"),
            (parsed, expected) => panic!("{parsed:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn names_are_exact_or_go_on_at_a_boundary() {
        check(Provider::Aws, "respond", "respond", Ok(true));
        check(Provider::Aws, "respond", "Respond", Ok(false));
        check(Provider::Aws, "respond", "respond:prod", Ok(false));
        check(Provider::Aws, "respond", "arn:aws:lambda:eu-west-1:123456789012:function:respond", Ok(false));
        check(Provider::Aws, "team-*", "team-a", Ok(true));
        check(Provider::Aws, "team-*", "team-", Ok(false));
        check(Provider::Aws, "123456789012:function:*", "123456789012:function:respond", Ok(true));
        check(Provider::Aws, "team*", "", Err("such as `team-*`"));
        check(Provider::Gcp, "respond_*", "respond_1", Ok(true));
    }

    #[test]
    fn what_can_be_no_name_is_refused() {
        for name in ["", "a/b", "a b", "..", "a?b", "a%2fb", "-a", "ä", "a$LATEST"] {
            check(Provider::Aws, name, "", Err("a function of Lambda"));
            check(Provider::Gcp, name, "", Err("a function of Google"));
        }
        check(Provider::Gcp, "a:b", "", Err("a function of Google"));
        check(Provider::Aws, "*", "", Err("leave the key out"));
        for location in ["", "europe/west1", "..", "Europe", "a.b"] {
            assert!(Provider::check_location(location).is_err(), "{location}");
        }
    }
}

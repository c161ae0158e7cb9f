//! The syntax of labels, as the Kubernetes API checks it.
//!
//! The schema has the same rules as patterns, for rules files; this says what is wrong. Does
//! not know which labels mean something to Kubernetes.

const PREFIX_BYTES_MAX: usize = 253;
const NAME_BYTES_MAX: usize = 63;

/// Whether `key` is a label's key: `name`, or `a.domain/name`.
pub(crate) fn check_key(key: &str) -> Result<(), String> {
    let name = match key.split_once('/') {
        Some((prefix, name)) => {
            check_prefix(prefix)?;
            name
        }
        None => key,
    };
    if name.is_empty() {
        return Err("the name is empty".to_owned());
    }
    check_word("name", name)
}

/// Whether `value` is a label's value, which may be empty.
pub(crate) fn check_value(value: &str) -> Result<(), String> {
    if value.is_empty() { Ok(()) } else { check_word("value", value) }
}

fn check_word(what: &str, word: &str) -> Result<(), String> {
    if word.len() > NAME_BYTES_MAX {
        return Err(format!("the {what} '{word}' is longer than {NAME_BYTES_MAX} characters"));
    }
    let valid = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if let Some(wrong) = word.chars().find(|c| !valid(c)) {
        let valid = "only letters, digits, '-', '_' and '.' are valid";
        return Err(format!("the {what} '{word}' has a '{wrong}', and {valid}"));
    }
    let ends = [word.chars().next(), word.chars().next_back()];
    if !ends.iter().flatten().all(char::is_ascii_alphanumeric) {
        return Err(format!("the {what} '{word}' must begin and end with a letter or a digit"));
    }
    Ok(())
}

fn check_prefix(prefix: &str) -> Result<(), String> {
    let valid = prefix.len() <= PREFIX_BYTES_MAX && prefix.split('.').all(is_part_of_domain);
    if valid {
        return Ok(());
    }
    Err(format!("'{prefix}' before the '/' is not a domain name in lower case"))
}

fn is_part_of_domain(part: &str) -> bool {
    let valid = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !part.is_empty() && part.bytes().all(valid) && !part.starts_with('-') && !part.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys() {
        fn check(key: &str, expected: Result<(), &str>) {
            assert_eq!(check_key(key), expected.map_err(str::to_owned), "{key}");
        }
        check("suspicious", Ok(()));
        check("app.kubernetes.io/name", Ok(()));
        check("A_b.c-9", Ok(()));
        check(&"a".repeat(63), Ok(()));
        check("", Err("the name is empty"));
        check("a.example/", Err("the name is empty"));
        check("/a", Err("'' before the '/' is not a domain name in lower case"));
        check("A.example/a", Err("'A.example' before the '/' is not a domain name in lower case"));
        check("a/b/c", Err("the name 'b/c' has a '/', and only letters, digits, '-', '_' and '.' are valid"));
        check("-a", Err("the name '-a' must begin and end with a letter or a digit"));
        let long = "a".repeat(64);
        check(&long, Err(&format!("the name '{long}' is longer than 63 characters")));
    }

    #[test]
    fn values() {
        fn check(value: &str, expected: Result<(), &str>) {
            assert_eq!(check_value(value), expected.map_err(str::to_owned), "{value}");
        }
        check("", Ok(()));
        check("true", Ok(()));
        check("1.2.3", Ok(()));
        check("a.", Err("the value 'a.' must begin and end with a letter or a digit"));
        check("é", Err("the value 'é' has a 'é', and only letters, digits, '-', '_' and '.' are valid"));
    }
}

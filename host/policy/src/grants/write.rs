//! How values of the policy are written in YAML, so that they are read back as they were.

use rules::yaml::quoted;

/// `[a, "b: c"]`.
pub(crate) fn flow_list(items: &[impl ToString]) -> String {
    let items: Vec<String> = items.iter().map(|item| scalar(&item.to_string())).collect();
    format!("[{}]", items.join(", "))
}

/// A text as YAML, in quotes where it could be read as something else.
pub(crate) fn scalar(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '/' | '-' | ':' | '*');
    let word = text.to_ascii_lowercase();
    let reserved = matches!(word.as_str(), "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "y" | "n");
    let safe = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && !text.ends_with(':')
        && text.chars().all(plain)
        && !reserved;
    if safe { text.to_owned() } else { quoted(text) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_yaml_reads_otherwise_are_quoted() {
        for text in ["true", "NO", "12", "1e3", "a: b", "a[b]", "", "*x", "-a", "a #b", "ключ"] {
            assert!(scalar(text).starts_with('"'), "{text}");
        }
        assert_eq!(scalar("a\u{80}b\u{fffe}"), r#""a\U00000080b\U0000FFFE""#);
        for text in ["web-0", "apps/deployments", "a.b", "falco-talon-*", "kubernetes:label"] {
            assert_eq!(scalar(text), text);
        }
    }
}

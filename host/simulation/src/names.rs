//! What the real API server checks of names and labels, with its texts.

const NAME_PART: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character \
    (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start \
    and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is \
    '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and \
    end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const DNS_LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with \
    an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

const LABEL_BYTES_MAX: usize = 63;
const SUBDOMAIN_BYTES_MAX: usize = 253;

/// What is wrong with a label's value.
pub(super) fn label_value(value: &str) -> Vec<String> {
    let mut texts = Vec::new();
    if value.len() > LABEL_BYTES_MAX {
        texts.push(format!("must be no more than {LABEL_BYTES_MAX} bytes"));
    }
    if !value.is_empty() && !is_name_part(value) {
        texts.push(LABEL_VALUE.to_owned());
    }
    texts
}

/// What is wrong with the key of a label or an annotation.
pub(super) fn label_key(key: &str) -> Vec<String> {
    let mut texts = Vec::new();
    let parts: Vec<&str> = key.split('/').collect();
    let name = match parts.as_slice() {
        [name] => name,
        [prefix, name] => {
            if prefix.is_empty() {
                texts.push("prefix part must be non-empty".to_owned());
            } else {
                texts.extend(subdomain(prefix).into_iter().map(|text| format!("prefix part {text}")));
            }
            name
        }
        _ => {
            let text = format!(
                "a valid label key {NAME_PART} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            );
            return vec![text];
        }
    };
    if name.is_empty() {
        texts.push("name part must be non-empty".to_owned());
    } else if name.len() > LABEL_BYTES_MAX {
        texts.push(format!("name part must be no more than {LABEL_BYTES_MAX} bytes"));
    }
    if !is_name_part(name) {
        texts.push(format!("name part {NAME_PART}"));
    }
    texts
}

fn is_name_part(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let bytes = text.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    ends.iter().all(|end| end.is_some_and(u8::is_ascii_alphanumeric)) && bytes.iter().all(|byte| inner(*byte))
}

fn is_dns_label(text: &str) -> bool {
    let lower = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    ends.iter().all(|end| end.is_some_and(lower)) && bytes.iter().all(|byte| lower(byte) || *byte == b'-')
}

/// What is wrong with the name of a container, among others.
pub(super) fn dns_label(text: &str) -> Vec<String> {
    let mut texts = Vec::new();
    if text.len() > LABEL_BYTES_MAX {
        texts.push(format!("must be no more than {LABEL_BYTES_MAX} bytes"));
    }
    if !is_dns_label(text) {
        texts.push(DNS_LABEL.to_owned());
    }
    texts
}

pub(super) fn subdomain(text: &str) -> Vec<String> {
    let mut texts = Vec::new();
    if text.len() > SUBDOMAIN_BYTES_MAX {
        texts.push(format!("must be no more than {SUBDOMAIN_BYTES_MAX} bytes"));
    }
    if !text.split('.').all(is_dns_label) {
        texts.push(SUBDOMAIN.to_owned());
    }
    texts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn label_keys_and_values_are_checked() {
        for good in ["a", "A-b_c.9", "example.org/x"] {
            assert_eq!(label_key(good), Vec::<String>::new(), "{good}");
        }
        for bad in ["", "/x", "a/", "-a", "a b", "A_/x", "a/b/c"] {
            assert_ne!(label_key(bad), Vec::<String>::new(), "{bad}");
        }
        assert_eq!(label_value(""), Vec::<String>::new());
        assert_eq!(label_value("ends-"), [LABEL_VALUE]);
        assert_eq!(label_value(&"a".repeat(64)), ["must be no more than 63 bytes"]);
    }
}

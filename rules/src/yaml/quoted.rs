//! Texts in double quotes, which can carry every character.

use std::fmt::Write;

/// A text in double quotes, on one line, which every reader of YAML reads back as it was.
pub fn quoted(text: &str) -> String {
    let mut yaml = String::from('"');
    for char in text.chars() {
        match char {
            '"' => yaml.push_str("\\\""),
            '\\' => yaml.push_str("\\\\"),
            '\n' => yaml.push_str("\\n"),
            '\t' => yaml.push_str("\\t"),
            '\r' => yaml.push_str("\\r"),
            _ if is_special(char) => {
                // Writing into a string can't fail.
                let _ = write!(yaml, "\\U{:08X}", u32::from(char));
            }
            _ => yaml.push(char),
        }
    }
    yaml.push('"');
    yaml
}

/// Characters that only double quotes can carry, and they escaped.
pub(crate) fn is_special(char: char) -> bool {
    char.is_control() || matches!(char, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;

    #[test]
    fn every_character_reads_back() {
        let ends = ['\0', '\u{7f}', '\u{9f}', '\u{a0}', '\u{200b}', '\u{202e}', '\u{2029}', '\u{d7ff}', '\u{e000}'];
        let text: String = ('\0'..='\u{ff}').chain(ends).chain('\u{fdd0}'..='\u{ffff}').chain(['\u{10ffff}']).collect();
        let (documents, errors) = yaml::documents("a.yaml", &format!("[{}]", quoted(&text)));
        assert!(errors.is_empty(), "{errors:?}");
        let documents = documents.unwrap();
        let yaml::Content::List(items) = &documents[0].content else { unreachable!("it is a list") };
        let yaml::Content::Scalar(scalar) = &items[0].content else { unreachable!("it is a text") };
        assert_eq!(*scalar.text, *text);
    }
}

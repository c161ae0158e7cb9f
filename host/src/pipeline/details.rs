//! What an actionner has found out, beside the words for a person.
//!
//! The text is a guest's: it is a JSON object of bounded length, or it is left out.

use serde_json::{Map, Value};

/// As `wit/action.wit` says.
const BYTES_MAX: usize = 64 << 10;

/// Why details are left out.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum DetailsError {
    /// They are longer than the limit.
    #[error("the details have {0} bytes, more than the {BYTES_MAX} that are kept, and are left out")]
    TooLong(usize),
    /// They are something else than an object.
    #[error("the details are not a JSON object, and are left out: {0}")]
    NotAnObject(String),
}

/// The details of a report or of a failure, written anew.
///
/// # Errors
///
/// Where they are not what the contract says.
pub(super) fn details(written: Option<&str>) -> Result<Option<String>, DetailsError> {
    let Some(text) = written else { return Ok(None) };
    if text.len() > BYTES_MAX {
        return Err(DetailsError::TooLong(text.len()));
    }
    let parsed: Result<Map<String, Value>, _> = serde_json::from_str(text);
    let object = parsed.map_err(|error| DetailsError::NotAnObject(error.to_string()))?;
    Ok(Some(Value::Object(object).to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_are_objects_or_left_out() {
        assert_eq!(details(None), Ok(None));
        assert_eq!(details(Some(r#" {"status": 200} "#)), Ok(Some(r#"{"status":200}"#.to_owned())));
        for wrong in ["", "[]", "{", "7"] {
            assert!(matches!(details(Some(wrong)), Err(DetailsError::NotAnObject(_))), "{wrong}");
        }
        let long = "x".repeat(BYTES_MAX + 1);
        assert_eq!(details(Some(&long)), Err(DetailsError::TooLong(BYTES_MAX + 1)));
    }
}

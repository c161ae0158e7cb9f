//! Numbers of events and of conditions, compared without losing a digit.

use std::cmp::Ordering;

/// A whole number exactly, or a finite float.
#[derive(Clone, Copy, Debug)]
pub(super) enum Number {
    Whole(i128),
    Float(f64),
}

impl Number {
    /// The number that a text is, in decimal notation.
    pub(super) fn parse(text: &str) -> Option<Number> {
        // Rust also reads `inf`, `nan` and `infinity`, which are texts here.
        let is_decimal = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
        if !text.bytes().all(is_decimal) {
            return None;
        }
        if let Ok(whole) = text.parse() {
            return Some(Number::Whole(whole));
        }
        let float: f64 = text.parse().ok()?;
        float.is_finite().then_some(Number::Float(float))
    }

    pub(super) fn of(number: &serde_json::Number) -> Number {
        number.as_i128().map_or_else(|| Number::Float(number.as_f64().unwrap_or(f64::NAN)), Number::Whole)
    }

    pub(super) fn compare(self, other: &Number) -> Ordering {
        match (self, *other) {
            (Number::Whole(ours), Number::Whole(theirs)) => ours.cmp(&theirs),
            (Number::Whole(ours), Number::Float(theirs)) => compare_mixed(ours, theirs),
            (Number::Float(ours), Number::Whole(theirs)) => compare_mixed(theirs, ours).reverse(),
            // There is one zero.
            (Number::Float(ours), Number::Float(theirs)) => (ours + 0.0).total_cmp(&(theirs + 0.0)),
        }
    }
}

/// Compares by whole parts first: turning the whole number into a float would round it.
fn compare_mixed(whole: i128, float: f64) -> Ordering {
    // The cast saturates, and numbers of events are far from where it does.
    whole.cmp(&(float.trunc() as i128)).then(0.0_f64.total_cmp(&(float.fract() + 0.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(left: &str, right: &str, expected: Ordering) {
        let number = |text: &str| Number::parse(text).expect(text);
        assert_eq!(number(left).compare(&number(right)), expected, "{left} {right}");
        assert_eq!(number(right).compare(&number(left)), expected.reverse(), "{right} {left}");
    }

    #[test]
    fn numbers_compare_exactly() {
        check("1725538330819462123", "1725538330819462124", Ordering::Less);
        check("1000000", "1e+06", Ordering::Equal);
        check("9007199254740993", "9007199254740992.0", Ordering::Greater);
        check("-1", "-1.5", Ordering::Greater);
        check("1", "1.5", Ordering::Less);
        check("0", "-0.0", Ordering::Equal);
        check("0.0", "-0.0", Ordering::Equal);
        check("0.1", "0.2", Ordering::Less);
        check("1e300", "18446744073709551615", Ordering::Greater);
    }

    #[test]
    fn other_texts_are_no_numbers() {
        for text in ["", "inf", "NaN", "1e999", "0x10", "1 ", "4k", "-", "e", "1.2.3"] {
            assert!(Number::parse(text).is_none(), "{text}");
        }
    }
}

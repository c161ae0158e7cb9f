//! Conditions on the output fields of an event: the grammar of one line, and what each test means.
//!
//! [`Condition`] says it all. Knows nothing of rules, and of events only their output fields.

mod number;
mod parse;

use std::fmt;
use std::net::IpAddr;

use globset::GlobMatcher;
use ipnet::IpNet;
use regex::Regex;
use serde_json::{Map, Value};

use number::Number;
pub use parse::ConditionError;

/// One test of one output field.
///
/// ```text
/// group     = condition *( "," condition )            all of them must hold
/// condition = field test
/// test      = ( "=" | "==" | "!=" ) value
///           | ( "<" | "<=" | ">" | ">=" ) number
///           | ( "startswith" | "endswith" | "contains" | "glob" | "regex" ) value
///           | "cidr" network
///           | ( "in" | "intersects" ) "(" value *( "," value ) ")"
///           | "exists"
/// ```
///
/// Quotes, `"` anywhere or `'` around a whole value, keep `,`, `)`, spaces and signs from meaning
/// anything; `\"` and `\\` write a quote and a backslash between them. A value right behind `=` or
/// `!=`, as in `proc.cmdline=sh -c`, is taken with its spaces; in all other places spaces around
/// values are not theirs.
///
/// What the tests mean:
/// - On a field that the event does not carry, `!=` is true and everything else is false.
/// - Numbers compare as numbers, exactly; `fd.rport=443` holds for `443` and for `"443"`. An order
///   (`<` …) also holds for a text that is a number.
/// - Booleans are the texts `true` and `false`. Null is `<NA>`, as Falco prints it, and `<nil>`,
///   as rules of old call it; it does not exist, and no other test holds for it.
/// - On an array a test holds if it holds for one of the elements, but for these: `!=` holds if no
///   element is equal, and `in`, as in Falco, if there are elements and all are in the list;
///   `intersects` asks for one of them.
/// - Arrays and objects exist, even empty ones; an object is equal to nothing.
/// - `regex` and `glob` match the whole text, as in Falco.
#[derive(Clone, Debug)]
pub struct Condition {
    field: String,
    test: Test,
}

#[derive(Clone, Debug)]
enum Test {
    Equal(Operand),
    NotEqual(Operand),
    Order(Order, Operand),
    StartsWith(String),
    EndsWith(String),
    Contains(String),
    Glob(GlobMatcher),
    Regex { written: String, whole: Regex },
    Cidr(IpNet),
    In(Vec<Operand>),
    Intersects(Vec<Operand>),
    Exists,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Less,
    AtMost,
    AtLeast,
    Greater,
}

/// What a field is compared with: a text, and the number that it is, if it is one.
#[derive(Clone, Debug)]
struct Operand {
    text: String,
    number: Option<Number>,
}

impl Condition {
    /// Reads conditions that are separated by commas, all of which must hold.
    pub fn parse_group(text: &str) -> Result<Vec<Condition>, ConditionError> {
        parse::group(text)
    }

    /// Whether the test holds for the fields of an event.
    pub fn matches(&self, fields: &Map<String, Value>) -> bool {
        let Some(value) = fields.get(&self.field) else {
            return matches!(self.test, Test::NotEqual(_));
        };
        match &self.test {
            Test::Equal(operand) => any_element(value, |value| operand.equals(value)),
            Test::NotEqual(operand) => !any_element(value, |value| operand.equals(value)),
            Test::Order(order, operand) => any_element(value, |value| order.holds(value, operand)),
            Test::StartsWith(start) => any_text(value, |text| text.starts_with(start.as_str())),
            Test::EndsWith(end) => any_text(value, |text| text.ends_with(end.as_str())),
            Test::Contains(part) => any_text(value, |text| text.contains(part.as_str())),
            Test::Glob(glob) => any_text(value, |text| glob.is_match(text)),
            Test::Regex { whole, .. } => any_text(value, |text| whole.is_match(text)),
            Test::Cidr(network) => any_text(value, |text| {
                text.parse::<IpAddr>().is_ok_and(|address| network.contains(&address.to_canonical()))
            }),
            Test::In(set) => every_element(value, |value| set.iter().any(|operand| operand.equals(value))),
            Test::Intersects(set) => any_element(value, |value| set.iter().any(|operand| operand.equals(value))),
            Test::Exists => !value.is_null(),
        }
    }

    /// Whether it tests this field.
    pub(crate) fn is_of(&self, field: &str) -> bool {
        self.field == field
    }

    /// Whether the condition also holds for events that lack the field.
    pub(crate) fn holds_without_field(&self) -> bool {
        matches!(self.test, Test::NotEqual(_))
    }
}

fn any_element(value: &Value, test: impl Fn(&Value) -> bool) -> bool {
    match value {
        Value::Array(elements) => elements.iter().any(test),
        value => test(value),
    }
}

fn every_element(value: &Value, test: impl Fn(&Value) -> bool) -> bool {
    match value {
        Value::Array(elements) => !elements.is_empty() && elements.iter().all(test),
        value => test(value),
    }
}

/// Tests the text of a value; null, objects and arrays within arrays have none.
fn any_text(value: &Value, test: impl Fn(&str) -> bool) -> bool {
    any_element(value, |value| match value {
        Value::String(text) => test(text),
        Value::Bool(true) => test("true"),
        Value::Bool(false) => test("false"),
        Value::Number(number) => test(&number.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    })
}

impl Operand {
    fn new(text: String) -> Operand {
        let number = Number::parse(&text);
        Operand { text, number }
    }

    fn equals(&self, value: &Value) -> bool {
        match value {
            Value::String(text) => *text == self.text,
            Value::Bool(true) => self.text == "true",
            Value::Bool(false) => self.text == "false",
            Value::Null => matches!(self.text.as_str(), "<NA>" | "<nil>"),
            Value::Number(number) => {
                let ours = self.number.as_ref();
                ours.is_some_and(|ours| Number::of(number).compare(ours).is_eq())
            }
            Value::Array(_) | Value::Object(_) => false,
        }
    }
}

impl Order {
    fn holds(self, value: &Value, operand: &Operand) -> bool {
        let number = match value {
            Value::Number(number) => Some(Number::of(number)),
            Value::String(text) => Number::parse(text),
            _ => None,
        };
        let (Some(number), Some(ours)) = (number, &operand.number) else {
            return false;
        };
        let order = number.compare(ours);
        match self {
            Order::Less => order.is_lt(),
            Order::AtMost => order.is_le(),
            Order::AtLeast => order.is_ge(),
            Order::Greater => order.is_gt(),
        }
    }

    fn sign(self) -> &'static str {
        match self {
            Order::Less => "<",
            Order::AtMost => "<=",
            Order::AtLeast => ">=",
            Order::Greater => ">",
        }
    }
}

/// Writes the condition so that it reads back as the same.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if parse::is_plain_field(&self.field) {
            f.write_str(&self.field)?;
        } else {
            write_quoted(f, &self.field)?;
        }
        let (operator, values) = match &self.test {
            Test::Equal(operand) => ("=", vec![operand.text.as_str()]),
            Test::NotEqual(operand) => ("!=", vec![operand.text.as_str()]),
            Test::Order(order, operand) => (order.sign(), vec![operand.text.as_str()]),
            Test::StartsWith(text) => ("startswith", vec![text.as_str()]),
            Test::EndsWith(text) => ("endswith", vec![text.as_str()]),
            Test::Contains(text) => ("contains", vec![text.as_str()]),
            Test::Glob(glob) => ("glob", vec![glob.glob().glob()]),
            Test::Regex { written, .. } => ("regex", vec![written.as_str()]),
            Test::Cidr(network) => return write!(f, " cidr {network}"),
            Test::In(set) | Test::Intersects(set) => {
                let operator = if matches!(self.test, Test::In(_)) { "in" } else { "intersects" };
                write!(f, " {operator} (")?;
                for (index, operand) in set.iter().enumerate() {
                    f.write_str(if index == 0 { "" } else { ", " })?;
                    write_quoted(f, &operand.text)?;
                }
                return f.write_str(")");
            }
            Test::Exists => return f.write_str(" exists"),
        };
        write!(f, " {operator} ")?;
        values.iter().try_for_each(|value| write_quoted(f, value))
    }
}

fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    write!(f, "\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests;

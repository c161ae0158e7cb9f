//! JSON values that are exactly what was sent: no number loses a digit, and no key wins over its twin.
//!
//! A value takes many times the bytes in memory that it takes in JSON, so it is their number that is bounded.

use std::cell::Cell;
use std::fmt;

use serde::de::{self, Deserialize, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};

use super::line::{QUOTED_CHARS_MAX, one_line};

/// Floats from here on (2^63) stand for integers that do not fit into 64 bits.
const EXACT_FLOAT_MAX: f64 = 9_223_372_036_854_775_808.0;

/// Values in all output fields of an event, those in lists and objects included. Falco sends dozens.
pub(super) const VALUES_MAX: usize = 25_000;

/// Output fields: any value under distinct names.
#[derive(Default)]
pub(super) struct Fields(pub(super) Map<String, Value>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;
        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Fields, A::Error> {
                object(map, &Cell::new(0)).map(Fields)
            }
        }
        deserializer.deserialize_map(FieldsVisitor)
    }
}

fn object<'de, A: MapAccess<'de>>(mut map: A, count: &Cell<usize>) -> Result<Map<String, Value>, A::Error> {
    let mut object = Map::new();
    while let Some(key) = map.next_key::<String>()? {
        let value = map.next_value_seed(Exact { count })?;
        match object.entry(key) {
            Entry::Vacant(entry) => {
                entry.insert(value);
            }
            Entry::Occupied(entry) => {
                let key = one_line(entry.key(), QUOTED_CHARS_MAX);
                return Err(de::Error::custom(format_args!("the field '{key}' is there twice")));
            }
        }
    }
    Ok(object)
}

/// Reads a JSON value that is exactly what was sent: no number loses a digit, no key wins over its twin.
#[derive(Clone, Copy)]
struct Exact<'a> {
    /// How many values of the event were read.
    count: &'a Cell<usize>,
}

impl<'de> DeserializeSeed<'de> for Exact<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.count.set(self.count.get() + 1);
        if self.count.get() > VALUES_MAX {
            return Err(de::Error::custom(format_args!("more than {VALUES_MAX} values")));
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Exact<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        // The parser hands on `-0` as a float, and integers of more than 64 bits too.
        if value == 0.0 && value.is_sign_negative() {
            return Ok(0.into());
        }
        let number = Number::from_f64(value).filter(|_| value.abs() < EXACT_FLOAT_MAX);
        number.map(Value::Number).ok_or_else(|| E::custom("a number is too large to be kept exactly: at most 64 bits"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(self)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value, A::Error> {
        object(map, self.count).map(Value::Object)
    }
}

//! JSON values that are exactly what was sent: no number loses a digit, and no key wins over its twin.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::map::Entry;
use serde_json::{Map, Number, Value};

use super::line::{QUOTED_CHARS_MAX, one_line};

/// Floats from here on (2^63) stand for integers that do not fit into 64 bits.
const EXACT_FLOAT_MAX: f64 = 9_223_372_036_854_775_808.0;

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
                object(map).map(Fields)
            }
        }
        deserializer.deserialize_map(FieldsVisitor)
    }
}

fn object<'de, A: MapAccess<'de>>(mut map: A) -> Result<Map<String, Value>, A::Error> {
    let mut object = Map::new();
    while let Some(key) = map.next_key::<String>()? {
        let Exact(value) = map.next_value()?;
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

/// A JSON value that is exactly what was sent: no number loses a digit, no key wins over its twin.
struct Exact(Value);

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ExactVisitor)
    }
}

struct ExactVisitor;

impl<'de> Visitor<'de> for ExactVisitor {
    type Value = Exact;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Exact, E> {
        Ok(Exact(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Exact, E> {
        Ok(Exact(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Exact, E> {
        Ok(Exact(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Exact, E> {
        Ok(Exact(value.into()))
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Exact, E> {
        // The parser hands on `-0` as a float, and integers of more than 64 bits too.
        if value == 0.0 && value.is_sign_negative() {
            return Ok(Exact(0.into()));
        }
        let number = Number::from_f64(value).filter(|_| value.abs() < EXACT_FLOAT_MAX);
        number
            .map(|number| Exact(Value::Number(number)))
            .ok_or_else(|| E::custom("a number is too large to be kept exactly: at most 64 bits"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Exact, E> {
        Ok(Exact(Value::String(value.to_owned())))
    }

    fn visit_string<E>(self, value: String) -> Result<Exact, E> {
        Ok(Exact(Value::String(value)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Exact, A::Error> {
        let mut items = Vec::new();
        while let Some(Exact(item)) = seq.next_element()? {
            items.push(item);
        }
        Ok(Exact(Value::Array(items)))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Exact, A::Error> {
        object(map).map(|object| Exact(Value::Object(object)))
    }
}

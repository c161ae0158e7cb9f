//! For tests: whether a JSON Schema and a parameters struct say the same.
//!
//! The schema is what rules are checked against, the struct is what an actionner reads. Both
//! are written by hand, the schema with words for people, so a test that [`export!`](crate::export!)
//! brings asks [`disagreements`]. Does not judge the schema as such, nor values beyond its own examples.

use std::fmt;

use serde::de::value::Error as SilentError;
use serde::de::{DeserializeOwned, Deserializer, Error as _, Visitor};
use serde_json::{Map, Value};

/// What the schema says and the struct does not, or the other way round; empty if they agree.
///
/// They agree if both have the same properties, each of which has a description and, in
/// `examples`, `enum` or `default`, values that the struct accepts; if the required ones are
/// the same; if the defaults make no difference; and if neither lets an unknown one pass.
#[must_use]
pub fn disagreements<P: DeserializeOwned + PartialEq>(schema: &str) -> Vec<String> {
    match serde_json::from_str::<Value>(schema) {
        Ok(schema) => Comparison::new(&schema).run::<P>(),
        Err(error) => vec![format!("the schema is not JSON: {error}")],
    }
}

struct Comparison<'a> {
    schema: &'a Value,
    properties: Map<String, Value>,
    required: Vec<&'a str>,
    found: Vec<String>,
}

impl<'a> Comparison<'a> {
    fn new(schema: &'a Value) -> Self {
        let required = schema["required"].as_array().map(Vec::as_slice).unwrap_or_default();
        Self {
            schema,
            properties: schema["properties"].as_object().cloned().unwrap_or_default(),
            required: required.iter().filter_map(Value::as_str).collect(),
            found: Vec::new(),
        }
    }

    fn run<P: DeserializeOwned + PartialEq>(mut self) -> Vec<String> {
        self.compare_names::<P>();
        self.compare_strictness();
        let minimal: Map<_, _> = self
            .properties
            .iter()
            .filter(|(name, _)| self.required.contains(&name.as_str()))
            .filter_map(|(name, property)| Some((name.clone(), samples(property).next()?.clone())))
            .collect();
        self.compare_required::<P>(&minimal);
        self.compare_values::<P>(&minimal);
        self.compare_defaults::<P>(&minimal);
        self.found
    }

    fn compare_names<P: DeserializeOwned>(&mut self) {
        let fields = fields::<P>();
        for name in self.properties.keys().filter(|name| !fields.contains(&name.as_str())) {
            self.found.push(format!("'{name}' is in the schema, but not a field"));
        }
        for name in fields.iter().filter(|name| !self.properties.contains_key(**name)) {
            self.found.push(format!("'{name}' is a field, but not in the schema"));
        }
    }

    fn compare_strictness(&mut self) {
        if self.schema["type"] != "object" || self.schema["additionalProperties"] != false {
            self.found.push("the schema must be of an object without further properties".to_owned());
        }
        for (name, property) in &self.properties {
            if property["description"].as_str().is_none_or(str::is_empty) {
                self.found.push(format!("'{name}' has no description"));
            }
            if samples(property).next().is_none() {
                self.found.push(format!("'{name}' has no example"));
            }
        }
    }

    fn compare_required<P: DeserializeOwned>(&mut self, minimal: &Map<String, Value>) {
        if let Err(error) = read::<P>(minimal) {
            self.found.push(format!("the required properties do not suffice: {error}"));
        }
        for name in minimal.keys() {
            let mut without = minimal.clone();
            without.remove(name);
            if read::<P>(&without).is_ok() {
                self.found.push(format!("'{name}' is required by the schema alone"));
            }
        }
        let mut with_unknown = minimal.clone();
        with_unknown.insert("no such parameter".to_owned(), Value::Null);
        if read::<P>(&with_unknown).is_ok() {
            self.found.push("the struct lets unknown fields pass".to_owned());
        }
    }

    fn compare_values<P: DeserializeOwned>(&mut self, minimal: &Map<String, Value>) {
        for (name, property) in &self.properties {
            for value in samples(property) {
                let mut with = minimal.clone();
                with.insert(name.clone(), value.clone());
                if let Err(error) = read::<P>(&with) {
                    self.found.push(format!("'{name}' can't be {value}: {error}"));
                }
            }
        }
    }

    fn compare_defaults<P: DeserializeOwned + PartialEq>(&mut self, minimal: &Map<String, Value>) {
        let Ok(bare) = read::<P>(minimal) else { return };
        for (name, property) in &self.properties {
            let Some(default) = property.get("default") else {
                continue;
            };
            let mut with = minimal.clone();
            with.insert(name.clone(), default.clone());
            if read::<P>(&with).is_ok_and(|filled| filled != bare) {
                self.found.push(format!("'{name}' does not default to {default}"));
            }
        }
    }
}

/// The values that a property's schema itself names.
fn samples(property: &Value) -> impl Iterator<Item = &Value> {
    let listed = |key: &str| property[key].as_array().map(Vec::as_slice).unwrap_or_default();
    listed("examples").iter().chain(listed("enum")).chain(property.get("default"))
}

fn read<P: DeserializeOwned>(parameters: &Map<String, Value>) -> serde_json::Result<P> {
    serde_json::from_value(Value::Object(parameters.clone()))
}

/// The names of a struct's fields: its own `Deserialize` tells them to whom it reads from.
fn fields<P: DeserializeOwned>() -> &'static [&'static str] {
    let mut fields: &'static [&'static str] = &[];
    // It always ends with an error, since there is nothing to read.
    let _ = P::deserialize(Listener { fields: &mut fields });
    fields
}

struct Listener<'a> {
    fields: &'a mut &'static [&'static str],
}

impl<'de> Deserializer<'de> for Listener<'_> {
    type Error = SilentError;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, SilentError> {
        *self.fields = fields;
        Err(SilentError::custom(Heard))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, SilentError> {
        Err(SilentError::custom(Heard))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// Why [`Listener`] never yields a value.
struct Heard;

impl fmt::Display for Heard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nothing to read here")
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Parameters {
        command: String,
        #[serde(default)]
        lines: u8,
    }

    fn check(schema: &Value, expected: &[&str]) {
        assert_eq!(disagreements::<Parameters>(&schema.to_string()), expected);
    }

    fn agreeing() -> Value {
        json!({
            "type": "object",
            "additionalProperties": false,
            "required": ["command"],
            "properties": {
                "command": {"description": "what", "examples": ["ls"]},
                "lines": {"description": "how many", "default": 0},
            },
        })
    }

    #[test]
    fn agreement_has_nothing_to_say() {
        check(&agreeing(), &[]);
    }

    #[test]
    fn each_disagreement_is_named() {
        let with = |pointer: &str, value: Value| {
            let mut schema = agreeing();
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            schema.pointer_mut(parent).unwrap()[key] = value;
            schema
        };
        check(
            &with("/additionalProperties", json!(true)),
            &["the schema must be of an object without further properties"],
        );
        check(
            &with("/properties/line", json!({"description": "d", "default": 1})),
            &[
                "'line' is in the schema, but not a field",
                "'line' can't be 1: unknown field `line`, expected `command` or `lines`",
            ],
        );
        check(&with("/properties/lines/default", json!(1)), &["'lines' does not default to 1"]);
        check(&with("/properties/lines/description", json!("")), &["'lines' has no description"]);
        check(&with("/properties/lines", json!({"description": "d"})), &["'lines' has no example"]);
        check(
            &with("/properties/lines/examples", json!([300])),
            &["'lines' can't be 300: invalid value: integer `300`, expected u8"],
        );
        check(&with("/required", json!(["command", "lines"])), &["'lines' is required by the schema alone"]);
        check(
            &with("/required", json!([])),
            &[
                "the required properties do not suffice: missing field `command`",
                "'lines' can't be 0: missing field `command`",
            ],
        );
    }

    #[test]
    fn a_lax_struct_is_noticed() {
        #[derive(PartialEq, Deserialize)]
        struct Lax {}
        let schema = json!({"type": "object", "additionalProperties": false, "properties": {}});
        assert_eq!(disagreements::<Lax>(&schema.to_string()), ["the struct lets unknown fields pass"]);
    }
}

//! Objects as the API server reads them: fields of a wrong type are refused, unknown ones dropped, zeros left out or
//! filled in.
//!
//! It knows types alone. Whether a value makes sense is for [`super::validation`].

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Map, Value, json};

use super::schema::{Scalar, Shape, Structure, Type, Zero, structure};

/// What an object was read as.
pub(super) struct Decoded {
    pub(super) object: Value,
    /// Paths of fields that are not in the schema.
    pub(super) unknown: Vec<String>,
}

/// A value of a wrong type, worded as the real one words it.
#[derive(Debug, PartialEq)]
pub(super) struct Mistyped {
    /// For a whole object, a merge patch and a JSON patch.
    pub(super) text: String,
    /// For a strategic merge patch, which takes another way through the real one.
    pub(super) converted: String,
}

/// Read an object of this structure.
pub(super) fn decode(name: &str, object: Map<String, Value>) -> Result<Decoded, Mistyped> {
    let mut reader = Reader { unknown: Vec::new() };
    let object =
        reader.structure(name, object, &mut FieldPlace { json: Vec::new(), go: Vec::new(), owner: name.to_owned() })?;
    Ok(Decoded { object: Value::Object(object), unknown: reader.unknown })
}

/// What a value is to a person who reads an error.
pub(super) fn describe(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

struct Reader {
    unknown: Vec<String>,
}

struct FieldPlace {
    /// With indices, as warnings write it.
    json: Vec<String>,
    /// Without them, as errors write it.
    go: Vec<String>,
    /// The structure that holds the value.
    owner: String,
}

impl Reader {
    fn structure(
        &mut self,
        name: &str,
        object: Map<String, Value>,
        place: &mut FieldPlace,
    ) -> Result<Map<String, Value>, Mistyped> {
        let known: &'static Structure = structure(name);
        let owner = std::mem::replace(&mut place.owner, name.to_owned());
        let top = place.json.is_empty();
        let mut read = Map::new();
        for (key, value) in object {
            if top && (key == "apiVersion" || key == "kind") {
                read.insert(key, value);
                continue;
            }
            let Some(field) = known.fields.get(key.as_str()) else {
                if known.open {
                    read.insert(key, value);
                } else {
                    place.json.push(key);
                    self.unknown.push(path(&place.json));
                    place.json.pop();
                }
                continue;
            };
            if value.is_null() {
                continue;
            }
            place.json.push(key.clone());
            // Of custom objects the real one knows the metadata alone, and reads it by itself.
            if !known.open {
                place.go.push(key.clone());
            }
            let value = self.value(&field.ty, value, place)?;
            place.json.pop();
            if !known.open {
                place.go.pop();
            }
            if field.zero != Zero::Omitted || !is_zero(&value) {
                read.insert(key, value);
            }
        }
        place.owner = owner;
        fill(known, &mut read);
        Ok(read)
    }

    fn value(&mut self, ty: &Type, value: Value, place: &mut FieldPlace) -> Result<Value, Mistyped> {
        match (&ty.shape, value) {
            (Shape::Structure(name), Value::Object(object)) => Ok(Value::Object(self.structure(name, object, place)?)),
            (Shape::Map(values), Value::Object(object)) => {
                let mut read = Map::new();
                for (key, value) in object {
                    place.json.push(key.clone());
                    // A null for a text is Go's zero of it.
                    let value = if value.is_null() { zero(values) } else { self.value(values, value, place)? };
                    place.json.pop();
                    read.insert(key, value);
                }
                Ok(Value::Object(read))
            }
            (Shape::List(list), Value::Array(items)) => {
                let mut read = Vec::new();
                for (index, item) in items.into_iter().enumerate() {
                    place.json.push(format!("[{index}]"));
                    read.push(self.value(&list.items, item, place)?);
                    place.json.pop();
                }
                Ok(Value::Array(read))
            }
            (Shape::Scalar(scalar), value) => read_scalar(*scalar, value).map_err(|reason| match reason {
                Unreadable::Type(value) => mistyped(ty, &value, place),
                Unreadable::Text(text) => Mistyped { converted: text.clone(), text },
            }),
            (_, value) => Err(mistyped(ty, &value, place)),
        }
    }
}

enum Unreadable {
    Type(Value),
    Text(String),
}

fn read_scalar(scalar: Scalar, value: Value) -> Result<Value, Unreadable> {
    match (scalar, &value) {
        (Scalar::Any, _)
        | (Scalar::Text, Value::String(_))
        | (Scalar::Boolean, Value::Bool(_))
        | (Scalar::Number, Value::Number(_)) => Ok(value),
        (Scalar::Quantity, Value::Number(number)) => Ok(json!(number.to_string())),
        (Scalar::IntOrText | Scalar::Quantity, Value::String(_)) => Ok(value),
        (Scalar::Int32 | Scalar::IntOrText, Value::Number(number)) => {
            let fits = number.as_i64().is_some_and(|number| i32::try_from(number).is_ok());
            if fits { Ok(value) } else { Err(Unreadable::Type(value)) }
        }
        (Scalar::Int64, Value::Number(number)) => {
            if number.is_i64() {
                Ok(value)
            } else {
                Err(Unreadable::Type(value))
            }
        }
        (Scalar::Time, Value::String(text)) => match text.parse::<jiff::Timestamp>() {
            Ok(_) => Ok(value),
            Err(_) => Err(Unreadable::Text(format!(
                "parsing time {value} as \"2006-01-02T15:04:05Z07:00\": cannot parse {value} as \"2006\""
            ))),
        },
        (Scalar::Bytes, Value::String(text)) => match BASE64_STANDARD.decode(text) {
            Ok(_) => Ok(value),
            Err(base64::DecodeError::InvalidByte(at, _)) => {
                Err(Unreadable::Text(format!("illegal base64 data at input byte {at}")))
            }
            Err(_) => Err(Unreadable::Text(format!("illegal base64 data at input byte {}", text.len() / 4 * 4))),
        },
        _ => Err(Unreadable::Type(value)),
    }
}

fn mistyped(ty: &Type, value: &Value, place: &FieldPlace) -> Mistyped {
    let found = match value {
        // Go names a number only where it is of the right kind and still does not fit.
        Value::Number(number) if matches!(ty.shape, Shape::Scalar(Scalar::Int32 | Scalar::Int64)) => {
            format!("number {number}")
        }
        value => describe(value).to_owned(),
    };
    let text = format!(
        "json: cannot unmarshal {found} into Go struct field {}.{} of type {}",
        place.owner,
        place.go.join("."),
        go_type(ty)
    );
    let from = match value {
        Value::Number(number) if number.is_i64() => "int64",
        Value::Number(_) => "float64",
        Value::Array(_) => "slice",
        Value::Object(_) => "map",
        other => describe(other),
    };
    let converted = match ty.shape {
        Shape::Structure(_) => format!("cannot restore struct from: {from}"),
        Shape::Map(_) => format!("cannot restore map from {from}"),
        Shape::List(_) => format!("cannot restore slice from {from}"),
        Shape::Scalar(_) => format!("cannot convert {from} to {}", go_type(ty)),
    };
    Mistyped { text, converted }
}

fn go_type(ty: &Type) -> String {
    match &ty.shape {
        Shape::Structure(name) => format!("v1.{name}"),
        Shape::Map(values) => format!("map[string]{}", go_type(values)),
        Shape::List(list) => format!("[]{}", go_type(&list.items)),
        Shape::Scalar(scalar) => match scalar {
            Scalar::Text | Scalar::Any => "string",
            Scalar::Bytes => "[]uint8",
            Scalar::Boolean => "bool",
            Scalar::Int32 => "int32",
            Scalar::Int64 => "int64",
            Scalar::Number => "float64",
            Scalar::Time => "v1.Time",
            Scalar::Quantity => "resource.Quantity",
            Scalar::IntOrText => "intstr.IntOrString",
        }
        .to_owned(),
    }
}

fn fill(known: &Structure, object: &mut Map<String, Value>) {
    for (name, field) in known.fields.iter().filter(|(_, field)| field.zero == Zero::Always) {
        if !object.contains_key(*name) {
            object.insert((*name).to_owned(), zero(&field.ty));
        }
    }
}

/// What an answer shows where there is no value.
fn zero(ty: &Type) -> Value {
    match &ty.shape {
        Shape::Structure(name) => {
            let mut object = Map::new();
            fill(structure(name), &mut object);
            Value::Object(object)
        }
        Shape::Scalar(Scalar::Text) => json!(""),
        Shape::Scalar(Scalar::Int32 | Scalar::Int64 | Scalar::Number | Scalar::IntOrText) => {
            json!(0)
        }
        Shape::Scalar(Scalar::Quantity) => json!("0"),
        Shape::Scalar(Scalar::Boolean) => json!(false),
        Shape::Scalar(Scalar::Time | Scalar::Bytes | Scalar::Any) | Shape::Map(_) | Shape::List(_) => Value::Null,
    }
}

/// Whether Go leaves this value out. A structure is never zero: a field that holds one is a pointer, or always there.
fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

/// `spec.containers[0].image`.
fn path(parts: &[String]) -> String {
    let mut text = String::new();
    for part in parts {
        if !text.is_empty() && !part.starts_with('[') {
            text.push('.');
        }
        text.push_str(part);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, object: &Value, expected: Result<Value, &str>) {
        let Value::Object(object) = object.clone() else { panic!("not an object") };
        let read = decode(name, object).map(|decoded| decoded.object);
        assert_eq!(read.map_err(|error| error.text), expected.map_err(str::to_owned));
    }

    #[test]
    fn zeros_are_left_out_kept_or_filled_in() {
        check("NodeSpec", &json!({"unschedulable": false, "podCIDR": ""}), Ok(json!({})));
        check(
            "DeploymentSpec",
            &json!({"replicas": 0}),
            Ok(json!({
                "replicas": 0, "strategy": {}, "template": {"metadata": {}, "spec": {"containers": null}},
            })),
        );
    }

    #[test]
    fn a_wrong_type_is_refused() {
        check(
            "Pod",
            &json!({"metadata": {"labels": {"a": 1}}}),
            Err("json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string"),
        );
        check(
            "Deployment",
            &json!({"spec": {"replicas": "1"}}),
            Err("json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32"),
        );
    }

    #[test]
    fn an_unknown_field_is_dropped_and_named() {
        let Value::Object(object) = json!({"spec": {"containers": [{"name": "a", "nothing": 1}]}}) else { panic!() };
        let decoded = decode("Pod", object).expect("of the right types");
        assert_eq!(decoded.unknown, ["spec.containers[0].nothing"]);
    }
}

//! Filling in defaults, whatever the schema: twice is once, and what is filled in is valid.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::super::{Schema, Shape, Work, defaults::fill_in};
use crate::check_schema;

/// A parameter, with a default that is valid or without one.
fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<u8>().prop_map(|number| json!({"type": "integer", "default": number})),
        any::<bool>().prop_map(|flag| json!({"$ref": "#/$defs/flag", "default": flag})),
        Just(json!({"$ref": "#/$defs/level"})),
        Just(json!({"anyOf": [{"type": "string"}, {"type": "null"}], "default": null})),
        Just(json!({"type": "string"})),
    ]
}

/// An object of parameters, which are spread over keywords; with a default of its own or without one.
fn object(property: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    let properties = prop::collection::vec((property, 0..6_usize), 0..5);
    (properties, any::<bool>(), any::<bool>()).prop_map(|(properties, has_default, is_required)| {
        let mut schema = json!({"type": "object", "properties": {}, "allOf": [], "oneOf": [{}], "then": {}});
        for (index, (property, place)) in properties.into_iter().enumerate() {
            let name = format!("p{index}");
            if is_required && place < 3 && property.get("default").is_some() {
                schema["required"] = json!([name]);
            }
            match place {
                0 | 1 => schema["properties"][&name] = property,
                2 => schema["allOf"].as_array_mut().unwrap().push(json!({"properties": {name: property}})),
                3 => schema["oneOf"][0]["properties"][&name] = property,
                4 => schema["oneOf"]
                    .as_array_mut()
                    .unwrap()
                    .push(json!({"required": ["x"], "properties": {name: property}})),
                _ => schema["then"]["properties"][&name] = property,
            }
        }
        if schema["allOf"] == json!([]) {
            schema["allOf"] = json!([{}]);
        }
        if has_default {
            schema["default"] = json!({});
        }
        schema
    })
}

fn schema() -> impl Strategy<Value = Value> {
    object(leaf().prop_recursive(3, 24, 4, object)).prop_map(|mut schema| {
        schema["$defs"] = json!({
            "flag": {"type": "boolean"},
            "level": {"allOf": [{"enum": ["pod", "node"]}], "default": "pod"},
        });
        schema
    })
}

/// Parameters that leave out some of what the schema knows, and are valid so far.
fn written(schema: &Value) -> Value {
    let properties = schema["properties"].as_object().into_iter().flatten();
    let objects = properties.filter(|(_, property)| property["type"] == "object");
    Value::Object(objects.step_by(2).map(|(name, property)| (name.clone(), written(property))).collect::<Map<_, _>>())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn twice_is_once_and_valid(schema in schema()) {
        prop_assert_eq!(check_schema(&schema), Ok(()));
        let compiled = Schema::new(&schema).unwrap();
        for mut value in [json!({}), written(&schema)] {
            fill_in(&mut value, &Shape::of(&schema), &mut Work::new()).unwrap();
            let mut again = value.clone();
            fill_in(&mut again, &Shape::of(&schema), &mut Work::new()).unwrap();
            prop_assert_eq!(&value, &again);
            let errors: Vec<_> = compiled.validator.iter_errors(&value).map(|error| error.to_string()).collect();
            prop_assert!(errors.is_empty(), "{} by {}: {:?}", value, schema, errors);
        }
    }
}

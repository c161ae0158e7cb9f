//! The parameters that a schema knows, for those who show or look them up.

use serde_json::{Map, Value};

use super::shape::{Applies, Shape};

/// A parameter, as its schema describes it.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter<'s> {
    /// Its name.
    pub name: &'s str,
    /// What is known of it, with what its `$ref`, its `allOf` and its one alternative to null say: the outermost counts
    /// where two use one keyword. Values that stand one by one in `oneOf` or `anyOf` are its `enum`.
    pub schema: Value,
    /// Whether it must be given: it is required, and has no default.
    pub is_required: bool,
}

/// The parameters that a schema of an object knows, wherever it lists them: under `properties`, and the same below
/// `$ref`, `allOf`, `anyOf`, `oneOf`, `if`, `then`, `else` and `dependentSchemas`. By name within each of these.
pub fn parameters(schema: &Value) -> Vec<Parameter<'_>> {
    let all = Shape::of(schema);
    let required = all.required();
    let parameter = |name| {
        let of_one = all.property(name)?;
        let default = of_one.default();
        let is_required = required.contains(&name) && default.is_none();
        Some(Parameter { name, schema: merged(&all.described(name)?, default), is_required })
    };
    all.names().into_iter().filter_map(parameter).collect()
}

/// One schema of what all parts say that apply to a value which is there.
fn merged(shape: &Shape<'_>, default: Option<&Value>) -> Value {
    /// They lead to what is merged, or are not filled in where they stand.
    const LEFT_OUT: [&str; 5] = ["$ref", "allOf", "anyOf", "oneOf", "default"];
    let mut schema = Map::new();
    for (keyword, value, applies) in shape.keywords() {
        let counts = applies < Applies::Perhaps && !LEFT_OUT.contains(&keyword.as_str());
        if counts && !schema.contains_key(keyword) {
            schema.insert(keyword.clone(), value.clone());
        }
    }
    schema.extend(default.map(|default| ("default".to_owned(), default.clone())));
    let choices = shape.choices();
    if !choices.is_empty() {
        schema.insert("enum".to_owned(), choices.into_iter().cloned().collect());
    }
    Value::Object(schema)
}

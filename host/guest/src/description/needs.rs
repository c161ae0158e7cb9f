//! Which parameters need which grants, as a component says.

use std::sync::Arc;

use policy::Granted;
use rules::When;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Each of them has a schema that is compiled, and each pattern in it may take half a megabyte then.
const NEEDS_MAX: usize = 64;
const PATTERNS_MAX: usize = 64;

/// What some parameters need.
#[derive(Debug, Clone)]
pub(super) struct Need {
    /// Which parameters need it; none: all.
    when: Option<Arc<When>>,
    grants: Granted,
}

#[derive(Deserialize)]
pub(super) struct WrittenNeed {
    when: Option<Value>,
    grants: Value,
}

impl Need {
    /// The grants, where parameters need them.
    pub(super) fn of(&self, parameters: &Value) -> Option<&Granted> {
        self.when.as_ref().is_none_or(|when| when.may_accept(parameters)).then_some(&self.grants)
    }
}

/// The needs as written, or why some are not understood.
pub(super) fn read(needs: Vec<WrittenNeed>) -> Result<Vec<Need>, Vec<String>> {
    if needs.len() > NEEDS_MAX {
        return Err(vec![format!("`needs` has {} items, more than the {NEEDS_MAX} that are read", needs.len())]);
    }
    let patterns: usize = needs.iter().filter_map(|need| need.when.as_ref()).map(patterns).sum();
    if patterns > PATTERNS_MAX {
        return Err(vec![format!("`needs` has {patterns} patterns, more than the {PATTERNS_MAX} that are read")]);
    }
    needs.into_iter().enumerate().map(|(index, need)| one(index, need)).collect()
}

fn one(index: usize, WrittenNeed { when, grants }: WrittenNeed) -> Result<Need, Vec<String>> {
    let in_place = |place: &str, reason: String| format!("`needs.{index}.{place}{reason}");
    let when = when.filter(|when| *when != Value::Bool(true)).map(When::new).transpose().map_err(|errors| {
        errors.into_iter().map(|error| in_place("when` is not a JSON Schema: ", error.to_string())).collect::<Vec<_>>()
    })?;
    let grants = Granted::from_description(&grants)
        .map_err(|reasons| reasons.into_iter().map(|reason| in_place("grants`: ", reason)).collect::<Vec<_>>())?;
    Ok(Need { when: when.map(Arc::new), grants })
}

/// How many patterns a schema has at most.
fn patterns(schema: &Value) -> usize {
    match schema {
        Value::Object(map) => {
            let by_pattern = map.get("patternProperties").and_then(Value::as_object).map_or(0, Map::len);
            by_pattern + usize::from(map.contains_key("pattern")) + map.values().map(patterns).sum::<usize>()
        }
        Value::Array(items) => items.iter().map(patterns).sum(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parsed(needs: Value) -> Result<Vec<Need>, Vec<String>> {
        read(serde_json::from_value(needs).unwrap())
    }

    #[test]
    fn needs_depend_on_the_parameters() {
        let grant = |resource: &str| json!({"kubernetes": [{"verbs": ["get"], "resources": [resource]}]});
        let node = json!({"properties": {"level": {"const": "node"}}, "required": ["level"]});
        let needs = json!([{"grants": grant("pods")}, {"when": node, "grants": grant("nodes")}]);
        let needs = parsed(needs).unwrap();
        let count = |parameters: Value| needs.iter().filter_map(|need| need.of(&parameters)).count();
        assert_eq!(count(json!({})), 1);
        assert_eq!(count(json!({"level": "node"})), 2);
    }

    #[test]
    fn needs_that_are_not_understood_narrow_nothing() {
        fn check(needs: Value, begins: &str) {
            let reasons = parsed(needs).unwrap_err();
            assert!(reasons.len() == 1 && reasons[0].starts_with(begins), "{reasons:?}");
        }
        check(json!([{"grants": {"kubernets": []}}]), "`needs.0.grants`: ");
        check(json!([{"when": {"type": 7}, "grants": {}}]), "`needs.0.when` is not a JSON Schema: ");
        check(json!([{"when": {"$ref": "file:///etc/passwd"}, "grants": {}}]), "`needs.0.when` is not a JSON Schema: ");
        check(json!(vec![json!({"grants": {}}); NEEDS_MAX + 1]), "`needs` has 65 items");
        let patterns = json!({"patternProperties": {"a": {"pattern": "b"}}});
        check(json!(vec![json!({"when": patterns, "grants": {}}); 33]), "`needs` has 66 patterns");
    }
}

//! A field that a write touches, what it leaves there, and whether a grant allows that.

use std::fmt;

use serde_json::Value;

use crate::address::{SHOWN_CHARS_MAX, shown};
use crate::grants::{FieldGrant, FieldPath, may_hold_power, steps_to_write_out};

/// A field that a write touches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TouchedField {
    /// Which one; `[*]` where it is in each item of a list that is set whole.
    pub path: FieldPath,
    /// What is there after the write.
    pub written: Written,
}

/// What a write leaves in a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// Nothing that was not there before: it is removed, or what was there is put in order.
    Nothing,
    /// A text, a number or a truth value; of a list, each of its items.
    Values(Vec<Value>),
    /// A map, or a list of maps: no value of a grant is like it.
    Composite,
    /// What only the object itself could tell.
    Unknown,
}

/// Why a grant does not allow a field to be touched; the later, the nearer it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outside {
    /// It does not name it.
    Path,
    /// It names what the field lies in, and the field gives power.
    Power,
    /// Nobody knows what would be there.
    Unknown,
    /// It allows other values.
    Value,
}

impl Written {
    /// What is there when this value was set.
    pub(super) fn of(value: &Value) -> Written {
        let is_scalar = |value: &Value| !value.is_object() && !value.is_array();
        match value {
            Value::Null => Written::Nothing,
            Value::Object(_) => Written::Composite,
            Value::Array(items) if items.iter().all(is_scalar) => Written::Values(items.clone()),
            Value::Array(_) => Written::Composite,
            value => Written::Values(vec![value.clone()]),
        }
    }
}

impl TouchedField {
    /// Whether one of these grants allows it, and where the nearest stopped short.
    pub(super) fn try_grants(&self, grants: &[FieldGrant]) -> Result<(), Outside> {
        let mut nearest = Outside::Path;
        for grant in grants {
            match self.try_grant(grant) {
                Ok(()) => return Ok(()),
                Err(outside) => nearest = nearest.max(outside),
            }
        }
        Err(nearest)
    }

    fn try_grant(&self, grant: &FieldGrant) -> Result<(), Outside> {
        if !grant.path.covers(&self.path) {
            return Err(Outside::Path);
        }
        if !grant.reaches(&self.path) {
            return Err(Outside::Power);
        }
        let is_allowed = match &self.written {
            Written::Nothing => true,
            Written::Values(values) => values.iter().all(|value| grant.allows(value)),
            Written::Composite => grant.values.is_empty(),
            // It could be any field that gives power.
            Written::Unknown if !grant.values.is_empty() || self.is_beyond_grants() => return Err(Outside::Unknown),
            Written::Unknown => true,
        };
        if is_allowed { Ok(()) } else { Err(Outside::Value) }
    }

    /// Whether no grant at all could allow it.
    pub(super) fn is_beyond_grants(&self) -> bool {
        self.written == Written::Unknown && may_hold_power(self.path.segments())
    }

    /// Whether a grant must write it out.
    pub(super) fn gives_power(&self) -> bool {
        steps_to_write_out(self.path.segments()) > 0
    }
}

/// With its value: `spec.replicas: 5`.
impl fmt::Display for TouchedField {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.path)?;
        match &self.written {
            Written::Values(values) => {
                let values: Vec<String> = values.iter().map(ToString::to_string).collect();
                write!(formatter, ": {}", shown(&values.join(", "), SHOWN_CHARS_MAX))
            }
            Written::Nothing | Written::Composite | Written::Unknown => Ok(()),
        }
    }
}

/// `metadata.labels`, which is removed, or with the value that is set: `spec.replicas=0`.
impl std::str::FromStr for TouchedField {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let Some((path, value)) = text.split_once('=') else {
            return Ok(TouchedField { path: text.parse()?, written: Written::Nothing });
        };
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
        Ok(TouchedField { path: path.parse()?, written: Written::of(&value) })
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::needless_pass_by_value, reason = "the rows of a table read more easily without references")]

    use serde_json::json;

    use super::*;
    use crate::decide::{PatchKind, touched_fields};

    /// Each field with what is left there.
    #[track_caller]
    fn check(kind: PatchKind, body: Value, expected: &[&str]) {
        let told = |touched: &TouchedField| match &touched.written {
            Written::Values(_) => touched.to_string(),
            Written::Nothing => format!("{touched} nothing"),
            Written::Composite => format!("{touched} composite"),
            Written::Unknown => format!("{touched} unknown"),
        };
        let touched: Vec<String> = touched_fields(kind, &body).unwrap().iter().map(told).collect();
        assert_eq!(touched, expected);
    }

    #[test]
    fn what_is_set_is_left_and_what_is_removed_is_not() {
        let body = json!({"spec": {"a": 1, "b": null, "c": ["x", "y"], "d": {}, "e": [{"f": 1}], "g": true}});
        let left = [
            "spec.a: 1",
            "spec.b nothing",
            "spec.c: \"x\", \"y\"",
            "spec.d composite",
            "spec.e composite",
            "spec.g: true",
        ];
        for kind in [PatchKind::Merge, PatchKind::StrategicMerge, PatchKind::Apply, PatchKind::Create] {
            check(kind, body.clone(), &left);
        }
        check(
            PatchKind::StrategicMerge,
            json!({"spec": {"$patch": "replace", "a": 1, "$setElementOrder/b": ["x"], "$deleteFromPrimitiveList/c": ["y"]}}),
            &["spec.c nothing", "spec nothing", "spec.b nothing", "spec.a: 1"],
        );
    }

    #[test]
    fn what_a_json_patch_moves_is_unknown() {
        let op = |op: &str| json!({"op": op, "path": "/spec/a", "value": 1, "from": "/spec/b"});
        for name in ["add", "replace", "test"] {
            check(PatchKind::Json, json!([op(name)]), &["spec.a: 1"]);
        }
        check(PatchKind::Json, json!([op("remove")]), &["spec.a nothing"]);
        check(PatchKind::Json, json!([op("move")]), &["spec.a unknown", "spec.b nothing"]);
        check(PatchKind::Json, json!([op("copy")]), &["spec.a unknown", "spec.b unknown"]);
    }

    #[test]
    fn power_is_found_wherever_it_lies() {
        let pod = json!({
            "hostPID": true,
            "ephemeralContainers": [{"name": "a", "image": "r/a"}, {"securityContext": {"capabilities": {"add": ["X"], "drop": ["Y"]}}}],
            "volumes": [{"hostPath": {"path": "/", "type": "Directory"}}, {"hostPath": {}}],
        });
        let below = |path: &str| {
            [
                format!("{path}.ephemeralContainers[*].image: \"r/a\""),
                format!("{path}.ephemeralContainers[*].securityContext.capabilities.add: \"X\""),
                format!("{path}.ephemeralContainers[*].securityContext.capabilities.drop: \"Y\""),
                format!("{path}.hostPID: true"),
                format!("{path}.volumes[*].hostPath.path: \"/\""),
                format!("{path}.volumes[*].hostPath.type: \"Directory\""),
                format!("{path}.volumes[*].hostPath composite"),
            ]
        };
        let set_whole = |path: &str, top: &str| {
            let mut expected = vec![top.to_owned()];
            expected.extend(below(path));
            expected
        };
        let expected = set_whole("spec.template.spec", "spec.template composite");
        let expected: Vec<&str> = expected.iter().map(String::as_str).collect();
        let template = json!({"spec": pod});
        check(PatchKind::Json, json!([{"op": "add", "path": "/spec/template", "value": template}]), &expected);
        check(
            PatchKind::Create,
            json!({"template": {"spec": {"containers": [{"image": "a"}], "serviceAccountName": "b"}}}),
            &[
                "template.spec.containers composite",
                "template.spec.containers[*].image: \"a\"",
                "template.spec.serviceAccountName: \"b\"",
            ],
        );
        check(
            PatchKind::StrategicMerge,
            json!({"spec": {"containers": [{"name": "a", "capabilities": {"$deleteFromPrimitiveList/add": ["X"]}}]}}),
            &["spec.containers composite", "spec.containers[*].capabilities.add nothing"],
        );
    }
}

//! Which fields a body touches, and what it leaves there: what a grant's `fields` are held against.
//!
//! The answer is never too small. Where a body's effect depends on the object or on its type, the
//! nearest parent is named that surely holds all of it: a list is touched as a whole, since
//! only the API server knows whether it is replaced or merged by key. A field whose parents are
//! absent, or are not maps, makes maps of them, and that belongs to the field. What gives power over a
//! node or an account is named beside that, wherever in a list or a value it lies. The body that was
//! looked at is the one that must be sent, written anew: two parsers may differ over one text.

#[cfg(test)]
mod allowed;
#[cfg(test)]
mod properties;

use serde_json::{Map, Value};

use super::field::{TouchedField, Written};
use crate::address::{SHOWN_CHARS_MAX, shown};
use crate::grants::{FieldPath, Segment, steps_to_write_out};

/// Deeper bodies are refused: objects of Kubernetes are not, but for some schemas.
const DEPTH_MAX: usize = 64;
/// Bodies that touch more fields are refused: each is compared with each grant's.
const FIELDS_MAX: usize = 4_096;

/// How a body is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatchKind {
    /// JSON Merge Patch, RFC 7386.
    Merge,
    /// Strategic merge patch, with its directives (`$patch` and the like).
    StrategicMerge,
    /// JSON Patch, RFC 6902.
    Json,
    /// An object for server-side apply.
    Apply,
    /// A new object.
    Create,
}

/// The fields that a body touches, in its own order; the error says why they can't be known.
///
/// An applied or created object's `apiVersion`, `kind`, `metadata.name` and
/// `metadata.namespace` are its identity and need no grant: [`super::check_identity`] compares
/// them with its address. A patch that names them touches them.
pub fn touched_fields(kind: PatchKind, body: &Value) -> Result<Vec<TouchedField>, String> {
    let mut touched = Touched { kind, path: Vec::new(), fields: Vec::new() };
    match kind {
        PatchKind::Json => touched.operations(body)?,
        PatchKind::Merge | PatchKind::StrategicMerge | PatchKind::Apply | PatchKind::Create => {
            let object = body.as_object();
            touched.object(object.ok_or("the body is not a JSON object")?)?;
        }
    }
    Ok(touched.fields)
}

struct Touched {
    kind: PatchKind,
    path: Vec<Segment>,
    fields: Vec<TouchedField>,
}

impl Touched {
    fn object(&mut self, object: &Map<String, Value>) -> Result<(), String> {
        if self.path.len() >= DEPTH_MAX {
            return Err(format!("the body is more than {DEPTH_MAX} levels deep"));
        }
        for (key, value) in object {
            if self.kind == PatchKind::StrategicMerge && key.starts_with('$') {
                self.directive(key)?;
                continue;
            }
            self.path.push(Segment::Key(key.clone()));
            if !self.is_identity() {
                match value {
                    Value::Object(inner) if !inner.is_empty() => self.object(inner)?,
                    // What is removed, set, emptied or replaced as a whole.
                    value => {
                        self.touch(Written::of(value))?;
                        self.power_within(value)?;
                    }
                }
            }
            self.path.pop();
        }
        Ok(())
    }

    /// Whether the current path is part of the identity of an object that is sent whole.
    fn is_identity(&self) -> bool {
        if !matches!(self.kind, PatchKind::Apply | PatchKind::Create) {
            return false;
        }
        match self.path.as_slice() {
            [Segment::Key(key)] => matches!(key.as_str(), "apiVersion" | "kind"),
            [Segment::Key(parent), Segment::Key(key)] => {
                parent == "metadata" && matches!(key.as_str(), "name" | "namespace")
            }
            _ => false,
        }
    }

    /// A strategic merge patch speaks of a field through a key beside it.
    fn directive(&mut self, key: &str) -> Result<(), String> {
        match key.split_once('/') {
            Some(("$setElementOrder" | "$deleteFromPrimitiveList", list)) => {
                self.path.push(Segment::Key(list.to_owned()));
                self.touch(Written::Nothing)?;
                self.path.pop();
                Ok(())
            }
            // Both may remove what the patch does not name: all of the map is touched.
            None if matches!(key, "$patch" | "$retainKeys") => self.touch(Written::Nothing),
            _ => {
                let key = shown(key, SHOWN_CHARS_MAX);
                Err(format!("`{key}` is not a directive of a strategic merge patch"))
            }
        }
    }

    /// What gives power below a value that is set as a whole: each such field by itself.
    fn power_within(&mut self, value: &Value) -> Result<(), String> {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    let (key, value) = match key.split_once('/') {
                        // These remove and put in order, in an item of a list as well.
                        Some(("$setElementOrder" | "$deleteFromPrimitiveList", list))
                            if self.kind == PatchKind::StrategicMerge =>
                        {
                            (list, &Value::Null)
                        }
                        _ => (key.as_str(), value),
                    };
                    self.power_at(Segment::Key(key.to_owned()), value)?;
                }
            }
            Value::Array(items) if items.iter().any(|item| item.is_object() || item.is_array()) => {
                for item in items {
                    self.power_at(Segment::Items, item)?;
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {}
        }
        Ok(())
    }

    fn power_at(&mut self, step: Segment, value: &Value) -> Result<(), String> {
        if self.path.len() >= DEPTH_MAX {
            return Err(format!("the body is more than {DEPTH_MAX} levels deep"));
        }
        self.path.push(step);
        let before = self.fields.len();
        self.power_within(value)?;
        // Of a map that gives power, what is in it says more than that it is one.
        if self.fields.len() == before && steps_to_write_out(&self.path) > 0 {
            self.touch(Written::of(value))?;
        }
        self.path.pop();
        Ok(())
    }

    fn operations(&mut self, body: &Value) -> Result<(), String> {
        let operations = body.as_array();
        for operation in operations.ok_or("a JSON patch is a list of operations")? {
            let text = |key: &str| operation.get(key).and_then(Value::as_str);
            let path = || text("path").ok_or("an operation of a JSON patch has no `path`");
            let from = || text("from").ok_or("a `move` or `copy` of a JSON patch has no `from`");
            match text("op") {
                // A test changes nothing, but reveals whether a field has a value, and ensures it.
                Some("add" | "replace" | "test") => {
                    let value = operation.get("value").unwrap_or(&Value::Null);
                    self.pointer(path()?)?;
                    self.touch(Written::of(value))?;
                    self.power_within(value)?;
                }
                Some("remove") => {
                    self.pointer(path()?)?;
                    self.touch(Written::Nothing)?;
                }
                Some(op @ ("move" | "copy")) => {
                    self.pointer(path()?)?;
                    self.touch(Written::Unknown)?;
                    self.pointer(from()?)?;
                    // What is copied is also read.
                    self.touch(if op == "move" { Written::Nothing } else { Written::Unknown })?;
                }
                _ => return Err("the `op` of a JSON patch is add, remove, replace, move, copy or test".to_owned()),
            }
        }
        Ok(())
    }

    /// A pointer of RFC 6901.
    fn pointer(&mut self, pointer: &str) -> Result<(), String> {
        let wrong = || {
            let pointer = shown(pointer, SHOWN_CHARS_MAX);
            format!("`{pointer}` is not a JSON pointer")
        };
        self.path.clear();
        if !pointer.is_empty() {
            let steps = pointer.strip_prefix('/').ok_or_else(wrong)?;
            for step in steps.split('/') {
                if self.path.len() >= DEPTH_MAX {
                    return Err(wrong());
                }
                let step = unescaped(step).ok_or_else(wrong)?;
                self.path.push(if is_index(&step) { Segment::KeyOrIndex(step) } else { Segment::Key(step) });
            }
        }
        Ok(())
    }

    fn touch(&mut self, written: Written) -> Result<(), String> {
        if self.fields.len() >= FIELDS_MAX {
            return Err(format!("the body touches more than {FIELDS_MAX} fields"));
        }
        self.fields.push(TouchedField { path: FieldPath::new(self.path.clone()), written });
        Ok(())
    }
}

/// A place in a list. Go's JSON patch also counts from the end with a minus sign.
fn is_index(step: &str) -> bool {
    let digits = step.strip_prefix('-').unwrap_or(step);
    step == "-" || (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

/// `~1` is a slash and `~0` a tilde; no other use of a tilde is valid.
fn unescaped(step: &str) -> Option<String> {
    let mut parts = step.split('~');
    let mut text = parts.next()?.to_owned();
    for part in parts {
        let (escaped, rest) = match part.split_at_checked(1)? {
            ("0", rest) => ('~', rest),
            ("1", rest) => ('/', rest),
            _ => return None,
        };
        text.push(escaped);
        text.push_str(rest);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::needless_pass_by_value, reason = "the rows of a table read more easily without references")]

    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(kind: PatchKind, body: Value, expected: &[&str]) {
        let touched = touched_fields(kind, &body).unwrap();
        let touched: Vec<String> = touched.iter().map(|touched| touched.path.to_string()).collect();
        assert_eq!(touched, expected);
    }

    #[track_caller]
    fn check_refused(kind: PatchKind, body: Value, expected: &str) {
        let error = touched_fields(kind, &body).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn a_merge_patch_touches_its_leaves() {
        check(
            PatchKind::Merge,
            json!({"metadata": {"labels": {"a": "1", "x.y/z": null}}}),
            &["metadata.labels.a", "metadata.labels[x.y/z]"],
        );
        check(PatchKind::Merge, json!({"spec": null, "metadata": {}}), &["metadata", "spec"]);
        check(PatchKind::Merge, json!({"spec": {"containers": [{"name": "a"}]}}), &["spec.containers"]);
        check(PatchKind::Merge, json!({"kind": "Pod", "metadata": {"name": "x"}}), &["kind", "metadata.name"]);
        check(PatchKind::Merge, json!({}), &[]);
        check_refused(PatchKind::Merge, json!([]), "not a JSON object");
        check_refused(PatchKind::Merge, json!(null), "not a JSON object");
    }

    #[test]
    fn a_directive_of_a_strategic_patch_touches_what_it_speaks_of() {
        check(PatchKind::StrategicMerge, json!({"spec": {"$patch": "replace"}}), &["spec"]);
        check(PatchKind::StrategicMerge, json!({"$patch": "delete"}), &["the whole object"]);
        check(
            PatchKind::StrategicMerge,
            json!({"spec": {"strategy": {"$retainKeys": ["type"], "type": "x"}}}),
            &["spec.strategy", "spec.strategy.type"],
        );
        check(PatchKind::StrategicMerge, json!({"spec": {"$setElementOrder/containers": []}}), &["spec.containers"]);
        check(
            PatchKind::StrategicMerge,
            json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["x"]}}),
            &["metadata.finalizers"],
        );
        check_refused(PatchKind::StrategicMerge, json!({"spec": {"$else": 1}}), "`$else` is not a directive");
        check_refused(PatchKind::StrategicMerge, json!({"spec": {"$patch/x": 1}}), "`$patch/x` is not a directive");
        check(PatchKind::Merge, json!({"spec": {"$patch": "replace"}}), &["spec[$patch]"]);
    }

    #[test]
    fn a_json_patch_touches_both_ends() {
        check(
            PatchKind::Json,
            json!([{"op": "add", "path": "/metadata/labels/x.y~1z~0", "value": 1}]),
            &["metadata.labels[x.y/z~]"],
        );
        check(
            PatchKind::Json,
            json!([{"op": "remove", "path": "/spec/containers/0/image"}]),
            &["spec.containers[0].image"],
        );
        for op in ["move", "copy"] {
            check(
                PatchKind::Json,
                json!([{"op": op, "from": "/spec", "path": "/metadata/labels/a"}]),
                &["metadata.labels.a", "spec"],
            );
        }
        check(PatchKind::Json, json!([{"op": "test", "path": "", "value": 1}]), &["the whole object"]);
        check(PatchKind::Json, json!([]), &[]);
        for pointer in ["a", "/a~2", "/a~", "~1"] {
            check_refused(PatchKind::Json, json!([{"op": "remove", "path": pointer}]), "not a JSON pointer");
        }
        check_refused(PatchKind::Json, json!([{"op": "move", "path": "/a"}]), "no `from`");
        check_refused(PatchKind::Json, json!([{"op": "Remove", "path": "/a"}]), "the `op`");
        check_refused(PatchKind::Json, json!([{"op": "remove"}]), "no `path`");
        check_refused(PatchKind::Json, json!(["remove"]), "the `op`");
        check_refused(PatchKind::Json, json!({}), "list of operations");
    }

    #[test]
    fn the_identity_of_a_whole_object_needs_no_grant() {
        let body = json!({"apiVersion": "v1", "kind": "Pod", "spec": {"kind": "x"},
                          "metadata": {"name": "a", "namespace": "b", "uid": "c", "labels": {"name": "d"}}});
        for kind in [PatchKind::Apply, PatchKind::Create] {
            check(kind, body.clone(), &["metadata.labels.name", "metadata.uid", "spec.kind"]);
        }
    }

    #[test]
    fn deep_and_wide_bodies_are_refused() {
        let mut deep = json!(1);
        for _ in 0..100 {
            deep = json!({ "a": deep });
        }
        check_refused(PatchKind::Merge, deep, "levels deep");
        let wide: Map<String, Value> = (0..=FIELDS_MAX).map(|n| (n.to_string(), json!(1))).collect();
        check_refused(PatchKind::Create, Value::Object(wide), "more than 4096 fields");
        check_refused(PatchKind::Json, json!([{"op": "remove", "path": "/a".repeat(100)}]), "not a JSON pointer");
    }
}

//! What a body is said to touch, held against what it changes when others apply it: a library
//! for merge and JSON patches, a model of the documented rules for strategic merge patches.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{PatchKind, touched_fields};
use crate::grants::{FieldPath, Segment};

pub(super) fn key() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["metadata", "labels", "spec", "a", "b/c", "d~e", "0", "name"]).prop_map(str::to_owned)
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![Just(json!(1)), Just(json!("x")), Just(json!(true)), Just(json!([])), Just(json!({}))]
}

pub(super) fn tree() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            4 => prop::collection::btree_map(key(), inner.clone(), 0..4).prop_map(|map| json!(map)),
            1 => prop::collection::vec(inner, 0..3).prop_map(Value::from),
        ]
    })
}

pub(super) fn object() -> impl Strategy<Value = Value> {
    prop::collection::btree_map(key(), tree(), 0..4).prop_map(|map| json!(map))
}

/// Some values are null, which a merge patch removes by.
pub(super) fn merge_patch() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![leaf(), Just(Value::Null)];
    let tree = leaf
        .prop_recursive(4, 24, 4, |inner| prop::collection::btree_map(key(), inner, 0..4).prop_map(|map| json!(map)));
    prop::collection::btree_map(key(), tree, 0..4).prop_map(|map| json!(map))
}

/// Where two values differ.
struct Change {
    path: FieldPath,
    /// Something else, or nothing, has become a map without entries: it may be no more than
    /// the parent of what was touched.
    is_new_map: bool,
}

fn changes(before: Option<&Value>, after: Option<&Value>, path: &[Segment]) -> Vec<Change> {
    let child = |step: &str| {
        let mut path = path.to_vec();
        path.push(Segment::Key(step.to_owned()));
        path
    };
    let empty = Map::new();
    match (before, after) {
        (before, after) if before == after => Vec::new(),
        (before, Some(Value::Object(after))) if !after.is_empty() || before.is_some_and(Value::is_object) => {
            let before = before.and_then(Value::as_object).unwrap_or(&empty);
            let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            keys.into_iter().flat_map(|key| changes(before.get(key), after.get(key), &child(key))).collect()
        }
        (Some(Value::Array(before)), Some(Value::Array(after))) if before.len() == after.len() => {
            let items = before.iter().zip(after).enumerate();
            items
                .flat_map(|(at, (before, after))| changes(Some(before), Some(after), &child(&at.to_string())))
                .collect()
        }
        (before, after) => vec![Change {
            path: FieldPath::new(path.to_vec()),
            is_new_map: after.is_some_and(Value::is_object) && !before.is_some_and(Value::is_object),
        }],
    }
}

/// Every change must lie in something that is said to be touched.
fn check_covered(kind: PatchKind, before: &Value, patch: &Value, after: &Value) -> Result<(), TestCaseError> {
    let touched = touched_fields(kind, patch).map_err(TestCaseError::fail)?;
    for change in changes(Some(before), Some(after), &[]) {
        let is_covered = touched.iter().map(|touched| &touched.path).any(|touched| {
            is_within(&change.path, touched)
                || change.is_new_map && is_within(touched, &change.path)
                // An item that is added, removed or moved shifts those beside it.
                || list_of(touched).is_some_and(|list| is_within(&change.path, &list))
        });
        prop_assert!(is_covered, "{} in {touched:?}", change.path);
    }
    Ok(())
}

/// The list that a path names an item of.
fn list_of(touched: &FieldPath) -> Option<FieldPath> {
    match touched.segments() {
        [list @ .., Segment::KeyOrIndex(_)] => Some(FieldPath::new(list.to_vec())),
        _ => None,
    }
}

/// Whether a changed field lies in a touched one, steps of a pointer being keys here.
fn is_within(change: &FieldPath, touched: &FieldPath) -> bool {
    let keys = |path: &FieldPath| -> Vec<Segment> {
        let steps = path.segments().iter().map(|segment| match segment {
            Segment::KeyOrIndex(key) => Segment::Key(key.clone()),
            segment => segment.clone(),
        });
        steps.collect()
    };
    FieldPath::new(keys(touched)).covers(&FieldPath::new(keys(change)))
}

fn pointer(object: &Value, choices: &[usize]) -> String {
    let mut pointer = String::new();
    let mut value = object;
    for choice in choices {
        let next = match value {
            Value::Object(map) if !map.is_empty() => {
                map.iter().nth(choice % map.len()).map(|(key, value)| (key.clone(), value))
            }
            Value::Array(list) if !list.is_empty() => {
                list.get(choice % list.len()).map(|value| ((choice % list.len()).to_string(), value))
            }
            _ => None,
        };
        let Some((key, next)) = next else {
            pointer.push_str(if value.is_array() { "/-" } else { "/new" });
            break;
        };
        pointer.push('/');
        pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
        value = next;
    }
    pointer
}

/// Operations on places that an object really has, and on some that it lacks.
pub(super) fn operations(object: &Value, choices: &[(u8, Vec<usize>, Vec<usize>, Value)]) -> Value {
    let operations = choices.iter().map(|(op, path, from, value)| {
        let (path, from) = (pointer(object, path), pointer(object, from));
        match op % 6 {
            0 => json!({"op": "add", "path": path, "value": value}),
            1 => json!({"op": "remove", "path": path}),
            2 => json!({"op": "replace", "path": path, "value": value}),
            3 => json!({"op": "move", "path": path, "from": from}),
            4 => json!({"op": "copy", "path": path, "from": from}),
            _ => json!({"op": "test", "path": path, "value": value}),
        }
    });
    operations.collect()
}

pub(super) fn choices() -> impl Strategy<Value = Vec<(u8, Vec<usize>, Vec<usize>, Value)>> {
    let steps = || prop::collection::vec(0_usize..8, 0..4);
    prop::collection::vec((any::<u8>(), steps(), steps(), tree()), 1..4)
}

/// A patch with directives. Lists hold texts, which both ways of merging a list can take.
pub(super) fn strategic_patch() -> impl Strategy<Value = Value> {
    let texts = || prop::collection::vec(key(), 0..3).prop_map(Value::from);
    let directive = prop_oneof![
        prop::sample::select(vec!["replace", "delete", "merge"]).prop_map(|how| ("$patch".to_owned(), json!(how))),
        texts().prop_map(|keys| ("$retainKeys".to_owned(), keys)),
        (key(), texts()).prop_map(|(key, list)| (format!("$setElementOrder/{key}"), list)),
        (key(), texts()).prop_map(|(key, list)| (format!("$deleteFromPrimitiveList/{key}"), list)),
    ];
    let map = move |inner: BoxedStrategy<Value>| {
        let directives = prop::collection::vec(directive.clone(), 0..2);
        (prop::collection::btree_map(key(), inner, 0..4), directives).prop_map(|(mut map, directives)| {
            map.extend(directives);
            json!(map)
        })
    };
    let leaf = prop_oneof![leaf(), Just(Value::Null), texts()].boxed();
    map(leaf.prop_recursive(3, 24, 4, map.clone()).boxed())
}

/// The documented rules, for lists that are replaced or for lists that are merged.
pub(super) fn apply_strategic(target: &mut Map<String, Value>, patch: &Map<String, Value>, merges_lists: bool) {
    match patch.get("$patch").and_then(Value::as_str) {
        Some("delete") => return target.clear(),
        Some("replace") => target.clear(),
        _ => {}
    }
    if let Some(keys) = patch.get("$retainKeys").and_then(Value::as_array) {
        target.retain(|key, _| keys.contains(&json!(key)));
    }
    for (key, value) in patch {
        let list_of = |target: &mut Map<String, Value>, prefix: &str| {
            let list = target.get_mut(key.strip_prefix(prefix)?)?;
            list.is_array().then(|| list.take()).map(|list| (key[prefix.len()..].to_owned(), list))
        };
        if let Some((key, Value::Array(mut list))) = list_of(target, "$setElementOrder/") {
            list.reverse();
            target.insert(key, list.into());
        } else if let Some((key, Value::Array(mut list))) = list_of(target, "$deleteFromPrimitiveList/") {
            list.retain(|item| !value.as_array().is_some_and(|gone| gone.contains(item)));
            target.insert(key, list.into());
        } else if key.starts_with('$') {
            continue;
        } else if value.is_null() {
            target.remove(key);
        } else if let Value::Object(inner) = value {
            let mut map = target.remove(key).and_then(|old| old.as_object().cloned()).unwrap_or_default();
            apply_strategic(&mut map, inner, merges_lists);
            target.insert(key.clone(), map.into());
        } else {
            let mut list = match target.get(key) {
                Some(Value::Array(old)) if merges_lists => old.clone(),
                _ => Vec::new(),
            };
            let value = match value {
                Value::Array(items) => {
                    list.extend(items.iter().cloned());
                    list.into()
                }
                other => other.clone(),
            };
            target.insert(key.clone(), value);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_merge_patch_changes_only_what_it_touches(before in object(), patch in merge_patch()) {
        let mut after = before.clone();
        json_patch::merge(&mut after, &patch);
        check_covered(PatchKind::Merge, &before, &patch, &after)?;
    }

    #[test]
    fn a_json_patch_changes_only_what_it_touches(before in object(), choices in choices()) {
        let patch = operations(&before, &choices);
        let operations: json_patch::Patch = serde_json::from_value(patch.clone()).unwrap();
        let mut after = before.clone();
        // Without undoing a patch that fails halfway, at which the library may panic.
        if json_patch::patch_unsafe(&mut after, &operations).is_ok() {
            check_covered(PatchKind::Json, &before, &patch, &after)?;
        }
    }

    #[test]
    fn a_strategic_patch_changes_only_what_it_touches(
        before in object(), patch in strategic_patch(), merges_lists: bool,
    ) {
        let (Value::Object(mut after), Value::Object(map)) = (before.clone(), &patch) else {
            return Err(TestCaseError::fail("not objects"));
        };
        apply_strategic(&mut after, map, merges_lists);
        check_covered(PatchKind::StrategicMerge, &before, &patch, &after.into())?;
    }

    #[test]
    fn a_created_object_has_no_field_but_its_identity_and_what_is_touched(body in object()) {
        let identity = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "namespace": "shop"}});
        let mut with_identity = body.clone();
        json_patch::merge(&mut with_identity, &identity);
        check_covered(PatchKind::Create, &identity, &with_identity, &with_identity)?;
    }

    #[test]
    fn no_body_is_too_odd(
        body in prop_oneof![tree(), merge_patch(), strategic_patch(), "\\PC*".prop_map(Value::from)],
        pointer in "(/|~|~1|[a-z0-9-])*",
    ) {
        for kind in [PatchKind::Merge, PatchKind::StrategicMerge, PatchKind::Json, PatchKind::Apply, PatchKind::Create] {
            let _ = touched_fields(kind, &body);
        }
        let touched = touched_fields(PatchKind::Json, &json!([{"op": "remove", "path": pointer}]));
        // What we read as a pointer is one for the library too.
        prop_assert_eq!(touched.is_ok(), json_patch::jsonptr::Pointer::parse(&pointer).is_ok());
    }
}

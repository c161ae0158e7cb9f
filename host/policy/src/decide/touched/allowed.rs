//! What a body leaves where grants allow it: no power that they do not write out, and no value that
//! they do not name.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::properties::{apply_strategic, choices, merge_patch, object, operations, strategic_patch};
use super::{PatchKind, touched_fields};
use crate::grants::{FieldGrant, FieldPath, Segment};

/// Keys among which are names of power, and those under which such a name is none.
fn key_of_pod() -> impl Strategy<Value = String> {
    let keys = vec![
        "spec",
        "template",
        "containers",
        "image",
        "hostPath",
        "privileged",
        "capabilities",
        "add",
        "hostPID",
        "serviceAccountName",
        "labels",
        "data",
        "metadata",
        "0",
    ];
    prop::sample::select(keys).prop_map(str::to_owned)
}

fn tree_of_pod() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![Just(json!("x")), Just(json!(true)), Just(json!([])), Just(json!({})), Just(Value::Null)];
    leaf.prop_recursive(5, 32, 4, |inner| {
        prop_oneof![
            3 => prop::collection::btree_map(key_of_pod(), inner.clone(), 0..4).prop_map(|map| json!(map)),
            1 => prop::collection::vec(inner, 0..3).prop_map(Value::from),
        ]
    })
}

fn object_of_pod() -> impl Strategy<Value = Value> {
    prop::collection::btree_map(key_of_pod(), tree_of_pod(), 0..4).prop_map(|map| json!(map))
}

/// Every field of power in an object, with its value.
fn powers(value: &Value, path: &mut Vec<Segment>, found: &mut BTreeSet<(Vec<Segment>, String)>) {
    let names = ["image", "hostPath", "privileged", "hostPID", "serviceAccountName"];
    let is = |step: Option<&Segment>, names: &[&str]| matches!(step, Some(Segment::Key(key)) if names.contains(&key.as_str()));
    let parent = path.len().checked_sub(2).and_then(|at| path.get(at));
    let is_name = is(path.last(), &names) && !is(parent, &["labels"]);
    let is_addition = is(path.last(), &["add"]) && is(parent, &["capabilities"]);
    let is_content = path.len() == 2 && is(path.first(), &["data"]);
    if (is_name || is_addition) && !is_content && !is(path.first(), &["metadata"]) && !value.is_null() {
        found.insert((path.clone(), value.to_string()));
    }
    let children: Vec<(Segment, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(key, value)| (Segment::Key(key.clone()), value)).collect(),
        Value::Array(items) => items.iter().map(|item| (Segment::Items, item)).collect(),
        _ => Vec::new(),
    };
    for (step, child) in children {
        path.push(step);
        powers(child, path, found);
        path.pop();
    }
}

/// Every text, number and truth value in an object.
fn scalars(value: &Value, path: &mut Vec<Segment>, found: &mut BTreeSet<(Vec<Segment>, String)>) {
    let children: Vec<(Segment, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(key, value)| (Segment::Key(key.clone()), value)).collect(),
        Value::Array(items) => items.iter().map(|item| (Segment::Items, item)).collect(),
        Value::Null => Vec::new(),
        value => {
            found.insert((path.clone(), value.to_string()));
            Vec::new()
        }
    };
    for (step, child) in children {
        path.push(step);
        scalars(child, path, found);
        path.pop();
    }
}

/// What a body leaves that was not there must be a value that grants of these paths name.
fn check_values(kind: PatchKind, before: &Value, patch: &Value, after: &Value) -> Result<(), TestCaseError> {
    let touched = touched_fields(kind, patch).map_err(TestCaseError::fail)?;
    let paths = ["metadata", "labels", "spec", "a[*].a", "a", "x[b/c]", "x[d~e]", "0", "name", "new"];
    let grants = paths.map(|path| FieldGrant { path: path.parse().unwrap(), values: vec!["x".parse().unwrap()] });
    if !touched.iter().all(|touched| touched.try_grants(&grants).is_ok()) {
        return Ok(());
    }
    let found = |value| {
        let mut found = BTreeSet::new();
        scalars(value, &mut Vec::new(), &mut found);
        found
    };
    for (path, value) in found(after).difference(&found(before)) {
        prop_assert_eq!(value, "\"x\"", "{} by {}", FieldPath::new(path.clone()), patch);
    }
    Ok(())
}

/// Where a grant of all that is no power allows a body, no power must come of it.
fn check_no_power(kind: PatchKind, before: &Value, patch: &Value, after: &Value) -> Result<(), TestCaseError> {
    let Ok(touched) = touched_fields(kind, patch) else { return Ok(()) };
    let parents = ["spec", "template", "containers", "labels", "data", "metadata", "capabilities", "add", "0", "new"];
    let harmless = parents.map(|path| FieldGrant::from(path.parse::<FieldPath>().unwrap()));
    if !touched.iter().all(|touched| touched.try_grants(&harmless).is_ok()) {
        return Ok(());
    }
    let found = |value| {
        let mut found = BTreeSet::new();
        powers(value, &mut Vec::new(), &mut found);
        found
    };
    let (had, has) = (found(before), found(after));
    let new: Vec<_> = has.difference(&had).collect();
    prop_assert!(new.is_empty(), "{new:?} by {patch} in {touched:?}");
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_body_gives_power_under_a_grant_of_what_lies_around(
        before in object_of_pod(), patch in object_of_pod(), merges_lists: bool,
    ) {
        let mut after = before.clone();
        json_patch::merge(&mut after, &patch);
        check_no_power(PatchKind::Merge, &before, &patch, &after)?;
        for kind in [PatchKind::Create, PatchKind::Apply] {
            check_no_power(kind, &json!({}), &patch, &patch)?;
        }
        if let (Value::Object(mut after), Value::Object(map)) = (before.clone(), &patch) {
            apply_strategic(&mut after, map, merges_lists);
            check_no_power(PatchKind::StrategicMerge, &before, &patch, &after.into())?;
        }
    }

    #[test]
    fn no_json_patch_gives_power_under_a_grant_of_what_lies_around(
        before in object_of_pod(), choices in choices(), values in prop::collection::vec(tree_of_pod(), 4),
    ) {
        let mut choices = choices;
        choices.iter_mut().zip(values).for_each(|(choice, value)| choice.3 = value);
        let patch = operations(&before, &choices);
        let operations: json_patch::Patch = serde_json::from_value(patch.clone()).unwrap();
        let mut after = before.clone();
        if json_patch::patch_unsafe(&mut after, &operations).is_ok() {
            check_no_power(PatchKind::Json, &before, &patch, &after)?;
        }
    }

    #[test]
    fn what_a_patch_leaves_is_a_value_that_is_granted(
        before in object(), merge in merge_patch(), strategic in strategic_patch(), merges_lists: bool,
    ) {
        let mut after = before.clone();
        json_patch::merge(&mut after, &merge);
        check_values(PatchKind::Merge, &before, &merge, &after)?;
        if let (Value::Object(mut after), Value::Object(map)) = (before.clone(), &strategic) {
            apply_strategic(&mut after, map, merges_lists);
            check_values(PatchKind::StrategicMerge, &before, &strategic, &after.into())?;
        }
    }

    #[test]
    fn what_a_json_patch_leaves_is_a_value_that_is_granted(before in object(), choices in choices()) {
        let patch = operations(&before, &choices);
        let operations: json_patch::Patch = serde_json::from_value(patch.clone()).unwrap();
        let mut after = before.clone();
        if json_patch::patch_unsafe(&mut after, &operations).is_ok() {
            check_values(PatchKind::Json, &before, &patch, &after)?;
        }
    }

    #[test]
    fn what_is_created_has_values_that_are_granted(body in object()) {
        let identity = json!({"metadata": {"name": "web"}});
        let mut with_identity = body;
        json_patch::merge(&mut with_identity, &identity);
        for kind in [PatchKind::Create, PatchKind::Apply] {
            check_values(kind, &identity, &with_identity, &with_identity)?;
        }
    }
}

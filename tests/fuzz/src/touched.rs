//! What a body is said to touch, held against what it changes when a library applies it.

use std::collections::BTreeSet;

use policy::{Address, PatchKind, Segment, TouchedField, Written, check_identity, touched_fields};
use serde_json::{Map, Value, json};

/// Names of fields that give power, wherever they stand.
const POWERS: [&str; 6] = ["hostPath", "hostPID", "image", "privileged", "securityContext", "serviceAccountName"];

/// A body changes only what it touches, and all power in it is named.
///
/// The first line is the object as it is, what follows the body.
pub fn touched(data: &[u8]) {
    let Some([before, body]) = crate::lines(data) else { return };
    let before = match serde_json::from_str(before) {
        Ok(Value::Object(before)) => Value::Object(before),
        _ => json!({}),
    };
    let Ok(body) = serde_json::from_str::<Value>(body) else { return };
    let pod = Address::new("", "v1", "pods", Some("shop"), Some("web-0")).expect("an address");
    for kind in [PatchKind::Merge, PatchKind::StrategicMerge, PatchKind::Apply, PatchKind::Create, PatchKind::Json] {
        let Ok(touched) = touched_fields(kind, &body) else { continue };
        check_shown(&touched);
        match kind {
            PatchKind::Merge => {
                let mut after = before.clone();
                json_patch::merge(&mut after, &body);
                check_covered(&touched, &before, &after);
                check_values(&touched, &after);
            }
            PatchKind::Json => check_operations(&touched, &before, &body),
            // Another object is not sent.
            PatchKind::Create | PatchKind::Apply if check_identity(&pod, &body).is_err() => continue,
            PatchKind::Create | PatchKind::Apply => check_covered(&touched, &identity(&body), &body),
            PatchKind::StrategicMerge => check_directives(&touched, &body, &[]),
        }
        if kind != PatchKind::Json {
            check_powers(&touched, kind, &body, &mut Vec::new());
        }
    }
}

/// A path is shown to people, whatever its keys are.
fn check_shown(touched: &[TouchedField]) {
    for touched in touched {
        let shown = touched.to_string();
        assert!(!shown.chars().any(char::is_control), "{shown:?}");
    }
}

fn check_operations(touched: &[TouchedField], before: &Value, body: &Value) {
    let Ok(operations) = serde_json::from_value::<json_patch::Patch>(body.clone()) else { return };
    let mut after = before.clone();
    // Without undoing a patch that fails halfway, at which the library may panic.
    if json_patch::patch_unsafe(&mut after, &operations).is_ok() {
        check_covered(touched, before, &after);
    }
}

/// What names an object, and needs no grant.
fn identity(object: &Value) -> Value {
    let keep = |value: &Value, keys: [&str; 2]| -> Map<String, Value> {
        keys.iter().filter_map(|key| Some((key.to_string(), value.get(key)?.clone()))).collect()
    };
    let mut identity = keep(object, ["apiVersion", "kind"]);
    identity.insert("metadata".to_owned(), keep(&object["metadata"], ["name", "namespace"]).into());
    identity.into()
}

/// Every place where two values differ must lie in something that is said to be touched.
fn check_covered(touched: &[TouchedField], before: &Value, after: &Value) {
    let touched: Vec<Vec<Segment>> = touched.iter().map(|touched| keys(touched.path.segments())).collect();
    let mut changes = Vec::new();
    find_changes(Some(before), Some(after), &mut Vec::new(), &mut changes);
    for (change, is_new_map) in changes {
        let is_covered = touched.iter().any(|touched| {
            change.starts_with(touched)
                // A map without entries may be no more than the parent of what is touched.
                || is_new_map && touched.starts_with(&change)
                // An item that is added, removed or moved shifts those beside it.
                || touched.split_last().is_some_and(|(last, list)| is_place(last) && change.starts_with(list))
        });
        assert!(is_covered, "{change:?} in {touched:?}");
    }
}

/// Steps of a pointer are keys here, also where they are places of a list.
fn keys(path: &[Segment]) -> Vec<Segment> {
    let key = |step: &Segment| match step {
        Segment::KeyOrIndex(step) => Segment::Key(step.clone()),
        step => step.clone(),
    };
    path.iter().map(key).collect()
}

fn is_place(step: &Segment) -> bool {
    matches!(step, Segment::Key(step) if step.parse::<i64>().is_ok() || step == "-")
}

/// The paths at which two values differ, and whether a map is there that was not.
fn find_changes(
    before: Option<&Value>,
    after: Option<&Value>,
    path: &mut Vec<Segment>,
    found: &mut Vec<(Vec<Segment>, bool)>,
) {
    let no_entries = Map::new();
    let children: Vec<(String, Option<&Value>, Option<&Value>)> = match (before, after) {
        (before, after) if before == after => return,
        (before, Some(Value::Object(after))) if !after.is_empty() || before.is_some_and(Value::is_object) => {
            let before = before.and_then(Value::as_object).unwrap_or(&no_entries);
            let keys: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            keys.into_iter().map(|key| (key.clone(), before.get(key), after.get(key))).collect()
        }
        (Some(Value::Array(before)), Some(Value::Array(after))) if before.len() == after.len() => {
            let items = before.iter().zip(after).enumerate();
            items.map(|(at, (before, after))| (at.to_string(), Some(before), Some(after))).collect()
        }
        (before, after) => {
            let is_new_map = after.is_some_and(Value::is_object) && !before.is_some_and(Value::is_object);
            return found.push((path.clone(), is_new_map));
        }
    };
    for (key, before, after) in children {
        path.push(Segment::Key(key));
        find_changes(before, after, path, found);
        path.pop();
    }
}

/// What is said to be left in a field is there after the merge.
fn check_values(touched: &[TouchedField], after: &Value) {
    let step = |value: Value, step: &Segment| match step {
        Segment::Key(key) => value.get(key).cloned(),
        Segment::KeyOrIndex(_) | Segment::Items => None,
    };
    for TouchedField { path, written } in touched {
        let is_of_keys = path.segments().iter().all(|step| matches!(step, Segment::Key(_)));
        let there = path.segments().iter().try_fold(after.clone(), step);
        match (written, there) {
            _ if !is_of_keys => {}
            (Written::Nothing, there) => assert_eq!(there, None, "{path}"),
            (Written::Values(values), Some(Value::Array(items))) => assert_eq!(*values, items, "{path}"),
            (Written::Values(values), there) => assert_eq!(*values, Vec::from_iter(there), "{path}"),
            (Written::Composite, there) => assert!(there.is_some_and(|it| it.is_object() || it.is_array()), "{path}"),
            (Written::Unknown, _) => panic!("{path} is known from the body"),
        }
    }
}

/// A map that may lose what the patch does not name is touched as a whole.
fn check_directives(touched: &[TouchedField], body: &Value, path: &[Segment]) {
    let Value::Object(map) = body else { return };
    if map.contains_key("$patch") || map.contains_key("$retainKeys") {
        assert!(touched.iter().any(|touched| path.starts_with(touched.path.segments())), "{path:?} in {touched:?}");
    }
    for (key, value) in map.iter().filter(|(key, _)| !key.starts_with('$')) {
        let mut path = path.to_vec();
        path.push(Segment::Key(key.clone()));
        check_directives(touched, value, &path);
    }
}

/// A field of a pod that gives power is named, or something in it is, however deep in a list it lies.
fn check_powers(touched: &[TouchedField], kind: PatchKind, value: &Value, path: &mut Vec<Segment>) {
    let children: Vec<(Segment, &Value)> = match value {
        Value::Object(map) => map.iter().map(|(key, value)| (Segment::Key(key.clone()), value)).collect(),
        Value::Array(items) => items.iter().map(|item| (Segment::Items, item)).collect(),
        _ => return,
    };
    let is_key = |step: &Segment, is: fn(&str) -> bool| matches!(step, Segment::Key(key) if is(key));
    if path.first().is_some_and(|first| is_key(first, |key| key == "metadata")) {
        return;
    }
    // Other maps have keys that people choose.
    let is_of_pod = path.last().is_some_and(|last| *last == Segment::Items || is_key(last, |key| key == "spec"));
    for (step, child) in children {
        if kind == PatchKind::StrategicMerge && is_key(&step, |key| key.starts_with('$')) {
            continue;
        }
        let is_power = is_of_pod && is_key(&step, |key| POWERS.contains(&key));
        path.push(step);
        let is_named = || touched.iter().any(|touched| touched.path.segments().starts_with(path));
        assert!(!is_power || is_named(), "{path:?} in {touched:?}");
        check_powers(touched, kind, child, path);
        path.pop();
    }
}

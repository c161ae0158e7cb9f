//! Strategic merge patches: a merge patch that knows which lists are merged by key. Pure; merge patches and JSON
//! patches, which need no schema, are a library's.

use serde_json::{Map, Value};

use super::schema::{Shape, Type};
use super::status::Refusal;

/// The object with the patch merged in.
pub(super) fn strategic(name: &'static str, object: Value, patch: Value) -> Result<Value, Refusal> {
    let ty = Type { shape: Shape::Structure(name), atomic: false };
    merge(Some(&ty), object, patch)
}

fn merge(ty: Option<&Type>, original: Value, patch: Value) -> Result<Value, Refusal> {
    match (original, patch) {
        (Value::Object(original), Value::Object(patch)) => Ok(Value::Object(merge_maps(ty, original, patch)?)),
        (Value::Array(original), Value::Array(patch)) => match ty.map(|ty| &ty.shape) {
            Some(Shape::List(list)) if list.merge_key == Some("") => Ok(Value::Array(merge_scalars(original, patch))),
            Some(Shape::List(list)) => match list.merge_key {
                Some(key) => Ok(Value::Array(merge_lists(&list.items, key, original, patch)?)),
                None => Ok(without_directives(Value::Array(patch))),
            },
            _ => Ok(Value::Array(patch)),
        },
        (_, patch) => Ok(without_directives(patch)),
    }
}

fn merge_maps(
    ty: Option<&Type>,
    mut original: Map<String, Value>,
    mut patch: Map<String, Value>,
) -> Result<Map<String, Value>, Refusal> {
    match patch.remove("$patch") {
        None => {}
        Some(Value::String(directive)) if directive == "replace" => return Ok(patch),
        Some(Value::String(directive)) if directive == "delete" => return Ok(Map::new()),
        Some(directive) => {
            patch.insert("$patch".to_owned(), directive.clone());
            return Err(Refusal::internal(format!(
                "unknown patch type: {} in map: {}",
                go(&directive),
                go(&Value::Object(patch))
            )));
        }
    }
    if let Some(Value::Array(kept)) = patch.remove("$retainKeys") {
        original.retain(|key, _| kept.iter().any(|kept| kept == key));
    }
    let orders: Vec<(String, Value)> = take_prefixed(&mut patch, "$setElementOrder/");
    for (key, gone) in take_prefixed(&mut patch, "$deleteFromPrimitiveList/") {
        if let (Some(Value::Array(items)), Value::Array(gone)) = (original.get_mut(&key), gone) {
            items.retain(|item| !gone.contains(item));
        }
    }
    for (key, value) in patch {
        if value.is_null() {
            original.remove(&key);
            continue;
        }
        let inner = ty.and_then(|ty| ty.part(&key));
        let merged = match original.remove(&key) {
            Some(present) => merge(inner, present, value)?,
            None => absent(inner, value)?,
        };
        original.insert(key, merged);
    }
    for (key, order) in orders {
        let merge_key = ty.and_then(|ty| ty.part(&key)).and_then(merge_key_of).unwrap_or_default();
        if let (Some(Value::Array(items)), Value::Array(order)) = (original.get_mut(&key), order) {
            // Items that the order does not name keep their places behind those that it does.
            items.sort_by_key(|item| order.iter().position(|named| same(merge_key, named, item)).unwrap_or(usize::MAX));
        }
    }
    Ok(original)
}

/// The patch's value where the object has none: directives have nothing to act on, but keys are still asked for.
fn absent(ty: Option<&Type>, value: Value) -> Result<Value, Refusal> {
    if let (Some(key), Value::Array(items)) = (ty.and_then(merge_key_of).filter(|key| !key.is_empty()), &value) {
        for item in items {
            key_of(key, item)?;
        }
    }
    Ok(without_directives(value))
}

fn merge_key_of(ty: &Type) -> Option<&'static str> {
    if let Shape::List(list) = &ty.shape { list.merge_key } else { None }
}

fn take_prefixed(patch: &mut Map<String, Value>, prefix: &str) -> Vec<(String, Value)> {
    let keys: Vec<String> = patch.keys().filter(|key| key.starts_with(prefix)).cloned().collect();
    keys.into_iter().filter_map(|key| patch.remove(&key).map(|value| (key[prefix.len()..].to_owned(), value))).collect()
}

fn merge_scalars(original: Vec<Value>, patch: Vec<Value>) -> Vec<Value> {
    let (mut kept, named) = (original, patch);
    let in_order = kept.clone();
    kept.retain(|item| !named.contains(item));
    interleave(kept, named, |item| in_order.iter().position(|other| other == item))
}

fn merge_lists(items: &Type, key: &str, mut original: Vec<Value>, patch: Vec<Value>) -> Result<Vec<Value>, Refusal> {
    let mut replace = false;
    let mut named = Vec::new();
    for item in patch {
        match item.get("$patch").and_then(Value::as_str) {
            None => {
                key_of(key, &item)?;
                named.push(item);
            }
            Some("delete") => {
                key_of(key, &item)?;
                original.retain(|other| !same(key, &item, other));
            }
            Some("replace") => replace = true,
            Some("merge") => {
                return Err(Refusal::internal("merging lists cannot yet be specified in the patch"));
            }
            Some(other) => {
                return Err(Refusal::internal(format!("unknown patch type: {other} in map: {}", go(&item))));
            }
        }
    }
    if replace {
        return Ok(named);
    }
    let in_order = original.clone();
    let mut merged: Vec<Value> = Vec::new();
    for item in named {
        let present = original.iter().position(|other| same(key, &item, other));
        merged.push(match present {
            Some(at) => merge(Some(items), original.remove(at), item)?,
            None => without_directives(item),
        });
    }
    Ok(interleave(original, merged, |item| in_order.iter().position(|other| same(key, item, other))))
}

/// Put untouched items between patched ones where the object's order says where; else the patched ones come first.
fn interleave(untouched: Vec<Value>, patched: Vec<Value>, place: impl Fn(&Value) -> Option<usize>) -> Vec<Value> {
    let mut untouched = untouched.into_iter().peekable();
    let mut all = Vec::new();
    for item in patched {
        while let Some(other) =
            untouched.next_if(|other| matches!((place(other), place(&item)), (Some(a), Some(b)) if a < b))
        {
            all.push(other);
        }
        all.push(item);
    }
    all.extend(untouched);
    all
}

fn key_of<'a>(key: &str, item: &'a Value) -> Result<&'a Value, Refusal> {
    let missing = || Refusal::internal(format!("map: {} does not contain declared merge key: {key}", go(item)));
    item.get(key).ok_or_else(missing)
}

fn same(key: &str, a: &Value, b: &Value) -> bool {
    if key.is_empty() { a == b } else { a.get(key).is_some() && a.get(key) == b.get(key) }
}

fn without_directives(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().filter(|(key, value)| !key.starts_with('$') && !value.is_null());
            Value::Object(fields.map(|(key, value)| (key, without_directives(value))).collect())
        }
        Value::Array(items) => {
            let items = items.into_iter().filter(|item| item.get("$patch").is_none());
            Value::Array(items.map(without_directives).collect())
        }
        scalar => scalar,
    }
}

/// A value as Go prints it, since errors of patches show it so.
pub(super) fn go(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<String> = fields.iter().map(|(key, value)| format!("{key}:{}", go(value))).collect();
            fields.sort();
            format!("map[{}]", fields.join(" "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(go).collect::<Vec<_>>().join(" ")),
        Value::String(text) => text.clone(),
        Value::Null => "<nil>".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(object: Value, patch: Value, expected: Value) {
        assert_eq!(strategic("Pod", object, patch).map_err(|refusal| refusal.message), Ok(expected));
    }

    #[test]
    fn lists_are_merged_by_their_keys() {
        check(
            json!({"spec": {"containers": [{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:1"}]}}),
            json!({"spec": {"containers": [{"name": "b", "image": "b:2"}, {"name": "c", "image": "c:1"}]}}),
            json!({"spec": {"containers": [{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:2"}, {"name": "c", "image": "c:1"}]}}),
        );
    }

    #[test]
    fn lists_without_a_key_are_replaced() {
        check(
            json!({"spec": {"tolerations": [{"key": "a"}]}}),
            json!({"spec": {"tolerations": [{"key": "b"}]}}),
            json!({"spec": {"tolerations": [{"key": "b"}]}}),
        );
    }

    #[test]
    fn directives_delete_replace_and_order() {
        check(
            json!({"metadata": {"labels": {"a": "1"}, "finalizers": ["x/a", "x/b"]}, "spec": {"volumes": [{"name": "v", "emptyDir": {}}]}}),
            json!({
                "metadata": {"labels": {"$patch": "replace", "b": "2"}, "$deleteFromPrimitiveList/finalizers": ["x/a"]},
                "spec": {"volumes": [{"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/"}}]},
            }),
            json!({"metadata": {"labels": {"b": "2"}, "finalizers": ["x/b"]}, "spec": {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}}),
        );
        check(
            json!({"spec": {"containers": [{"name": "a"}, {"name": "b"}]}}),
            json!({"spec": {"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}], "containers": [{"name": "a", "$patch": "delete"}]}}),
            json!({"spec": {"containers": [{"name": "b"}]}}),
        );
    }
}

//! Who holds which field of an object: sets of paths, as `metadata.managedFields` keeps them. It knows no conflicts.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::resource::Resource;
use super::schema::{Apply, Shape, Type};

/// Steps from the object to a field, written as `managedFields` writes them: `f:name`, `k:{…}`, `v:…`.
pub(super) type Path = Vec<String>;

/// Fields, or items of lists.
pub(super) type Set = BTreeSet<Path>;

/// One entry of `managedFields`.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Holder {
    pub(super) manager: String,
    /// Whether it holds them by an apply, else by an update.
    pub(super) applies: bool,
    pub(super) api_version: String,
    pub(super) subresource: String,
    pub(super) time: Value,
    pub(super) fields: Set,
}

impl Holder {
    /// Whether both stand for the same entry.
    pub(super) fn is(&self, other: &Holder) -> bool {
        let same =
            self.manager == other.manager && self.applies == other.applies && self.subresource == other.subresource;
        same && self.api_version == other.api_version
    }

    /// As conflicts name it.
    pub(super) fn described(&self) -> String {
        let mut text = format!("{:?}", self.manager);
        if !self.subresource.is_empty() {
            text.push_str(&format!(" with subresource {:?}", self.subresource));
        }
        if !self.applies {
            text.push_str(&format!(" using {}", self.api_version));
        }
        text
    }
}

/// The entries of an object.
pub(super) fn holders(object: &Value) -> Vec<Holder> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let entries = object["metadata"]["managedFields"].as_array().into_iter().flatten();
    let read = entries.map(|entry| {
        let mut fields = Set::new();
        read_fields(&entry["fieldsV1"], &mut Vec::new(), &mut fields);
        Holder {
            manager: text(&entry["manager"]),
            applies: entry["operation"] == "Apply",
            api_version: text(&entry["apiVersion"]),
            subresource: text(&entry["subresource"]),
            time: entry["time"].clone(),
            fields,
        }
    });
    read.collect()
}

/// Keep these entries with the object.
pub(super) fn set_holders(object: &mut Value, holders: Vec<Holder>) {
    let held = holders.into_iter().filter(|holder| !holder.fields.is_empty());
    let entries = held.map(|holder| {
        let mut entry = json!({
            "manager": holder.manager, "operation": if holder.applies { "Apply" } else { "Update" },
            "apiVersion": holder.api_version, "time": holder.time, "fieldsType": "FieldsV1", "fieldsV1": write_fields(&holder.fields),
        });
        if !holder.subresource.is_empty() {
            entry["subresource"] = json!(holder.subresource);
        }
        entry
    });
    object["metadata"]["managedFields"] = entries.collect();
}

fn read_fields(fields: &Value, path: &mut Path, set: &mut Set) {
    let Some(fields) = fields.as_object() else {
        return;
    };
    if fields.is_empty() && !path.is_empty() {
        set.insert(path.clone());
    }
    for (step, inner) in fields {
        if step == "." {
            set.insert(path.clone());
            continue;
        }
        path.push(step.clone());
        read_fields(inner, path, set);
        path.pop();
    }
}

fn write_fields(set: &Set) -> Value {
    let mut root = json!({});
    for path in set {
        let mut at = &mut root;
        for step in path {
            at = &mut at[step.as_str()];
            if at.is_null() {
                *at = json!({});
            }
        }
        // A path that others go through says so itself; sets are sorted, so it comes before them.
        let goes_on = set.range(path.clone()..).nth(1).is_some_and(|next| next.starts_with(path));
        if goes_on {
            at["."] = json!({});
        }
    }
    root
}

/// The fields that have a value, with it; items of keyed lists with null. Without what nobody can hold, such as the
/// name.
pub(super) fn leaves(resource: &Resource, subresource: &str, object: &Value) -> BTreeMap<Path, Value> {
    let mut leaves = BTreeMap::new();
    let ty = Type { shape: Shape::Structure(resource.structure()), atomic: false };
    collect(&ty, object, &mut Vec::new(), &mut leaves);
    leaves.retain(|path, _| {
        let step = |index: usize| path.get(index).map_or("", String::as_str);
        match step(0) {
            "f:metadata" => subresource.is_empty() && path.len() > 1 && !UNHELD.contains(&step(1)),
            "f:status" => !resource.has_status || subresource == "status",
            "f:apiVersion" | "f:kind" => false,
            _ => subresource != "status",
        }
    });
    leaves
}

/// Fields of the metadata that identify the object or are the server's own.
const UNHELD: [&str; 9] = [
    "f:name",
    "f:namespace",
    "f:uid",
    "f:creationTimestamp",
    "f:deletionTimestamp",
    "f:deletionGracePeriodSeconds",
    "f:generation",
    "f:managedFields",
    "f:resourceVersion",
];

fn collect(ty: &Type, value: &Value, path: &mut Path, leaves: &mut BTreeMap<Path, Value>) {
    match (&ty.shape, value) {
        (shape, Value::Object(fields)) if !matches!(shape, Shape::List(_)) && !ty.is_whole() && !fields.is_empty() => {
            for (field, value) in fields {
                if let Some(part) = ty.part(field) {
                    path.push(format!("f:{field}"));
                    collect(part, value, path, leaves);
                    path.pop();
                }
            }
        }
        (Shape::List(list), Value::Array(items)) if list.apply != Apply::Whole && !items.is_empty() => {
            for item in items {
                path.push(item_step(&list.apply, item));
                leaves.insert(path.clone(), Value::Null);
                if matches!(list.apply, Apply::ByKeys(_)) {
                    collect(&list.items, item, path, leaves);
                }
                path.pop();
            }
        }
        _ => {
            // An item of a keyed list stands for itself already.
            leaves.entry(path.clone()).or_insert_with(|| value.clone());
        }
    }
}

/// How an item of a list is called in a path.
pub(super) fn item_step(apply: &Apply, item: &Value) -> String {
    match apply {
        Apply::ByKeys(keys) => {
            let mut named = Map::new();
            for key in keys {
                // The one key that has a default.
                let default = if *key == "protocol" { json!("TCP") } else { Value::Null };
                let value = item.get(*key).cloned().unwrap_or(default);
                named.insert((*key).to_owned(), value);
            }
            format!("k:{}", Value::Object(named))
        }
        Apply::Set | Apply::Whole => format!("v:{item}"),
    }
}

/// A path as a person reads it: `.spec.containers[name="one"].image`.
pub(super) fn readable(path: &Path) -> String {
    let mut text = String::new();
    for step in path {
        match step.split_once(':') {
            Some(("k", keys)) => {
                let keys: Map<String, Value> = serde_json::from_str(keys).unwrap_or_default();
                let keys: Vec<String> = keys.iter().map(|(key, value)| format!("{key}={value}")).collect();
                text.push_str(&format!("[{}]", keys.join(",")));
            }
            Some(("v", value)) => text.push_str(&format!("[={value}]")),
            _ => text.push_str(&format!(".{}", step.trim_start_matches("f:"))),
        }
    }
    text
}

/// What an update by `manager` changes in who holds what.
pub(super) fn track_update(
    resource: &Resource,
    subresource: &str,
    old: &Value,
    new: &mut Value,
    manager: &str,
    now: &Value,
) {
    let (before, after) = (leaves(resource, subresource, old), leaves(resource, subresource, new));
    let changed: Set =
        after.iter().filter(|(path, value)| before.get(*path) != Some(value)).map(|(path, _)| path.clone()).collect();
    let gone: Set = before.keys().filter(|path| !after.contains_key(*path)).cloned().collect();
    let mut holders = holders(old);
    for holder in &mut holders {
        holder.fields.retain(|path| !changed.contains(path) && !gone.contains(path));
    }
    let mut own = Holder {
        manager: manager.to_owned(),
        applies: false,
        api_version: resource.api_version(),
        subresource: subresource.to_owned(),
        time: now.clone(),
        fields: changed,
    };
    match holders.iter_mut().find(|holder| holder.is(&own)) {
        Some(holder) => {
            if !own.fields.is_empty() {
                holder.time = now.clone();
            }
            holder.fields.append(&mut own.fields);
        }
        None => holders.push(own),
    }
    set_holders(new, holders);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_written_and_read_alike() {
        let pod = json!({
            "metadata": {"name": "a", "labels": {"x": "1"}, "finalizers": ["a/b"]},
            "spec": {"containers": [{"name": "one", "image": "i", "ports": [{"containerPort": 80}]}]},
        });
        let resource = super::super::resource::by_kind("v1", "Pod").expect("a known kind");
        let fields: Set = leaves(resource, "", &pod).into_keys().collect();
        let written = write_fields(&fields);
        assert_eq!(written["f:spec"]["f:containers"]["k:{\"name\":\"one\"}"]["f:image"], json!({}));
        assert_eq!(written["f:metadata"]["f:finalizers"], json!({"v:\"a/b\"": {}}));
        assert_eq!(written["f:metadata"].get("f:name"), None);
        let mut read = Set::new();
        read_fields(&written, &mut Vec::new(), &mut read);
        assert_eq!(read, fields);
    }
}

//! Server-side apply: merge what a manager declares, find what others hold, remove what it no longer declares. Pure.

use serde_json::Value;

use super::managed_fields::{self, Holder, Path, Set};
use super::resource::Resource;
use super::schema::{Apply, List, Shape, Type, structure};
use super::status::{Cause, Refusal};

/// Who applies, and how.
pub(super) struct Applier<'a> {
    pub(super) resource: &'a Resource,
    pub(super) subresource: &'a str,
    pub(super) manager: &'a str,
    pub(super) force: bool,
    pub(super) now: &'a Value,
}

impl Applier<'_> {
    /// The live object (null: none yet) with the declared one applied, and the entries of who holds what.
    pub(super) fn apply(&self, live: &Value, declared: &Value) -> Result<Value, Refusal> {
        let ty = Type { shape: Shape::Structure(self.resource.structure()), atomic: false };
        self.check(&ty, declared)?;
        let mut holders = managed_fields::holders(live);
        let fields = managed_fields::leaves(self.resource, self.subresource, declared).into_keys().collect();
        let own = Holder {
            manager: self.manager.to_owned(),
            applies: true,
            api_version: self.resource.api_version(),
            subresource: self.subresource.to_owned(),
            time: self.now.clone(),
            fields,
        };
        let last = holders.iter().position(|holder| holder.is(&own)).map(|at| holders.remove(at));
        let mut object = merge(&ty, live.clone(), declared);
        if let Some(last) = &last {
            let held =
                |path: &Path| own.fields.contains(path) || holders.iter().any(|holder| holder.fields.contains(path));
            let gone: Set = last.fields.iter().filter(|path| !held(path)).cloned().collect();
            let under = |path: &Path| {
                own.fields
                    .iter()
                    .chain(holders.iter().flat_map(|holder| &holder.fields))
                    .any(|other| other.starts_with(path))
            };
            // The longest first, so that an item goes after its parts.
            for path in gone.iter().rev().filter(|path| !under(path)) {
                remove(&ty, &mut object, path);
            }
        }
        self.settle_conflicts(live, &object, &mut holders)?;
        let unchanged = last.as_ref().is_some_and(|last| last.fields == own.fields);
        let time = if unchanged { last.map(|last| last.time).unwrap_or_default() } else { own.time.clone() };
        holders.insert(0, Holder { time, ..own });
        managed_fields::set_holders(&mut object, holders);
        Ok(object)
    }

    /// Take from others what changes, or refuse.
    fn settle_conflicts(&self, live: &Value, object: &Value, holders: &mut [Holder]) -> Result<(), Refusal> {
        let before = managed_fields::leaves(self.resource, self.subresource, live);
        let after = managed_fields::leaves(self.resource, self.subresource, object);
        let changed: Set = after
            .iter()
            .filter(|(path, value)| before.get(*path) != Some(value))
            .map(|(path, _)| path.clone())
            .collect();
        let mut conflicts: Vec<(String, Vec<String>)> = Vec::new();
        for holder in holders.iter() {
            let fields: Vec<String> = holder.fields.intersection(&changed).map(managed_fields::readable).collect();
            if !fields.is_empty() {
                conflicts.push((holder.described(), fields));
            }
        }
        if !conflicts.is_empty() && !self.force {
            conflicts.sort();
            return Err(conflict(&conflicts));
        }
        for holder in holders {
            holder
                .fields
                .retain(|path| !changed.contains(path) && (after.contains_key(path) || !before.contains_key(path)));
        }
        Ok(())
    }

    fn check(&self, ty: &Type, declared: &Value) -> Result<(), Refusal> {
        let mut wrong = Vec::new();
        check(ty, declared, &mut String::new(), &mut wrong);
        let errors = match wrong.as_slice() {
            [] => return Ok(()),
            [one] => one.clone(),
            many => format!("errors:\n  {}", many.join("\n  ")),
        };
        let text = |field: &str| declared["metadata"][field].as_str().unwrap_or_default();
        let kind = format!("{}/{}, Kind={}", self.resource.group, self.resource.version, self.resource.kind);
        let of = format!("{}/{}; {kind}", text("namespace"), text("name"));
        Err(Refusal::internal(format!("failed to create typed patch object ({of}): {errors}")))
    }
}

fn conflict(conflicts: &[(String, Vec<String>)]) -> Refusal {
    let count: usize = conflicts.iter().map(|(_, fields)| fields.len()).sum();
    let causes: Vec<Cause> = conflicts
        .iter()
        .flat_map(|(manager, fields)| fields.iter().map(|field| Cause::held(manager, field.clone())))
        .collect();
    let message = match conflicts {
        [(manager, fields)] if fields.len() == 1 => {
            format!("Apply failed with 1 conflict: conflict with {manager}: {}", fields[0])
        }
        _ => {
            let blocks: Vec<String> = conflicts
                .iter()
                .map(|(manager, fields)| format!("conflicts with {manager}:\n- {}", fields.join("\n- ")))
                .collect();
            format!("Apply failed with {count} conflicts: {}", blocks.join("\n"))
        }
    };
    Refusal::apply_conflict(message, &causes)
}

/// What in a declared object the schema does not allow.
fn check(ty: &Type, value: &Value, at: &mut String, wrong: &mut Vec<String>) {
    let length = at.len();
    match (&ty.shape, value) {
        (_, Value::Null) => {}
        (Shape::Structure(name), Value::Object(fields)) => {
            for (field, value) in fields {
                at.push_str(&format!(".{field}"));
                match structure(name).field(field) {
                    Some(ty) => check(ty, value, at, wrong),
                    None if length == 0 && matches!(field.as_str(), "apiVersion" | "kind") => {}
                    None => wrong.push(format!("{at}: field not declared in schema")),
                }
                at.truncate(length);
            }
        }
        (Shape::Map(values), Value::Object(fields)) => {
            for (field, value) in fields {
                at.push_str(&format!(".{field}"));
                check(values, value, at, wrong);
                at.truncate(length);
            }
        }
        (Shape::List(list), Value::Array(items)) => {
            for (index, item) in items.iter().enumerate() {
                let step = match &list.apply {
                    Apply::Whole => format!("[{index}]"),
                    apply => managed_fields::readable(&vec![managed_fields::item_step(apply, item)]),
                };
                at.push_str(&step);
                check(&list.items, item, at, wrong);
                at.truncate(length);
            }
        }
        (Shape::Scalar(scalar), value) => {
            if let Some(expected) = scalar.expected(value) {
                wrong.push(format!(
                    "{at}: expected {expected}, got &value.valueUnstructured{{Value:{}}}",
                    super::merge::go(value)
                ));
            }
        }
        (Shape::List(_), value) => wrong.push(format!("{at}: expected list, got &{{{}}}", super::merge::go(value))),
        (Shape::Map(_) | Shape::Structure(_), value) => {
            wrong.push(format!("{at}: expected map, got &{{{}}}", super::merge::go(value)));
        }
    }
}

fn merge(ty: &Type, live: Value, declared: &Value) -> Value {
    match (&ty.shape, live, declared) {
        (Shape::List(list), Value::Array(live), Value::Array(declared)) => match list.apply {
            Apply::Whole => Value::Array(declared.clone()),
            Apply::Set | Apply::ByKeys(_) => merge_items(list, live, declared),
        },
        (_, Value::Object(mut live), Value::Object(declared)) if !ty.is_whole() => {
            for (field, value) in declared {
                let merged = match (ty.part(field), live.remove(field)) {
                    (Some(part), Some(present)) => merge(part, present, value),
                    _ => value.clone(),
                };
                live.insert(field.clone(), merged);
            }
            Value::Object(live)
        }
        (_, live, Value::Null) => live,
        (_, _, declared) => declared.clone(),
    }
}

fn merge_items(list: &List, mut live: Vec<Value>, declared: &[Value]) -> Value {
    for item in declared {
        let step = managed_fields::item_step(&list.apply, item);
        match live.iter_mut().find(|other| managed_fields::item_step(&list.apply, other) == step) {
            Some(present) => *present = merge(&list.items, present.take(), item),
            None => live.push(item.clone()),
        }
    }
    Value::Array(live)
}

fn remove(ty: &Type, value: &mut Value, path: &[String]) {
    let Some((step, rest)) = path.split_first() else {
        return;
    };
    match (&ty.shape, value) {
        (Shape::List(list), Value::Array(items)) => {
            let Some(at) = items.iter().position(|item| managed_fields::item_step(&list.apply, item) == *step) else {
                return;
            };
            if rest.is_empty() {
                items.remove(at);
            } else {
                remove(&list.items, &mut items[at], rest);
            }
        }
        (_, Value::Object(fields)) => {
            let field = step.trim_start_matches("f:");
            if rest.is_empty() {
                fields.remove(field);
            } else if let (Some(part), Some(value)) = (ty.part(field), fields.get_mut(field)) {
                remove(part, value, rest);
            }
        }
        _ => {}
    }
}

//! What a schema says of one place among the parameters, wherever in the schema it says so.
//!
//! Tools that write schemas spread what they know of a parameter over `$ref`, `allOf`, `anyOf` and the like. A shape
//! gathers these parts, each with how surely it applies; each part once, so that references which form a ring, or
//! meet again and again, cost no more than the schema is long. The validator alone judges a value.

use std::collections::HashSet;

use serde_json::Value;

use super::tree::{referred, within};

/// How surely a part of a schema applies to the value at its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Applies {
    /// By way of `$ref` and `allOf` only.
    Always,
    /// It is the one alternative to null, as of a parameter that may be left out.
    UnlessNull,
    /// It is one of several alternatives, or has a condition.
    Perhaps,
}

/// The parts of a schema that may apply to one place: the surest first, and of those the outermost.
#[derive(Debug, Clone)]
pub(super) struct Shape<'s> {
    root: &'s Value,
    parts: Vec<(&'s Value, Applies)>,
}

impl<'s> Shape<'s> {
    /// That of all parameters together.
    pub(super) fn of(root: &'s Value) -> Self {
        Self::at(root, root)
    }

    /// That of the values which `schema`, a part of `root`, is about.
    pub(super) fn at(schema: &'s Value, root: &'s Value) -> Self {
        Self::gather(vec![(schema, Applies::Always)], root)
    }

    fn gather(start: Vec<(&'s Value, Applies)>, root: &'s Value) -> Self {
        let (mut parts, mut seen) = (Vec::new(), HashSet::new());
        let mut waiting = start;
        for level in [Applies::Always, Applies::UnlessNull, Applies::Perhaps] {
            let (mut stack, later) = waiting.into_iter().partition::<Vec<_>, _>(|(_, applies)| *applies == level);
            waiting = later;
            stack.reverse();
            while let Some((part, _)) = stack.pop() {
                if !seen.insert(std::ptr::from_ref(part)) {
                    continue;
                }
                parts.push((part, level));
                let further = beside(part, root).into_iter().map(|(part, applies)| (part, applies.max(level)));
                let (now, later) = further.partition::<Vec<_>, _>(|(_, applies)| *applies == level);
                stack.extend(now.into_iter().rev());
                waiting.extend(later);
            }
        }
        Self { root, parts }
    }

    /// How many parts of the schema speak of this place.
    pub(super) fn len(&self) -> usize {
        self.parts.len()
    }

    /// What the parts say under a keyword.
    pub(super) fn said(&self, keyword: &str) -> impl Iterator<Item = (&'s Value, Applies)> {
        self.parts.iter().filter_map(move |(part, applies)| Some((part.get(keyword)?, *applies)))
    }

    /// The keywords of all parts.
    pub(super) fn keywords(&self) -> impl Iterator<Item = (&'s String, &'s Value, Applies)> {
        let of = |(part, applies): &(&'s Value, Applies)| {
            let (part, applies) = (*part, *applies);
            part.as_object().into_iter().flatten().map(move |(keyword, value)| (keyword, value, applies))
        };
        self.parts.iter().flat_map(of)
    }

    /// The names that an object at this place is known to have, those of alternatives too, each once.
    pub(super) fn names(&self) -> Vec<&'s str> {
        self.names_within(Applies::Perhaps)
    }

    /// The names that an object at this place has whatever alternative applies, each once.
    pub(super) fn sure_names(&self) -> Vec<&'s str> {
        self.names_within(Applies::UnlessNull)
    }

    fn names_within(&self, surely: Applies) -> Vec<&'s str> {
        let mut seen = HashSet::new();
        let properties = self.said("properties").filter(|(_, applies)| *applies <= surely);
        let names = properties.flat_map(|(properties, _)| properties.as_object().into_iter().flatten());
        names.map(|(name, _)| name.as_str()).filter(|name| seen.insert(*name)).collect()
    }

    /// The names that an object at this place must have whatever alternative applies, each once.
    pub(super) fn required(&self) -> Vec<&'s str> {
        let mut seen = HashSet::new();
        let surely = self.said("required").filter(|(_, applies)| *applies <= Applies::UnlessNull);
        let names = surely.flat_map(|(names, _)| names.as_array().into_iter().flatten()).filter_map(Value::as_str);
        names.filter(|name| seen.insert(*name)).collect()
    }

    /// The value of a property with exactly this name, if it is known.
    pub(super) fn property(&self, name: &str) -> Option<Self> {
        let parts = self.said("properties").filter_map(|(properties, applies)| Some((properties.get(name)?, applies)));
        self.inner(parts)
    }

    /// What is said of a property, be it by alternatives alone.
    pub(super) fn described(&self, name: &str) -> Option<Self> {
        let parts =
            || self.said("properties").filter_map(|(properties, applies)| Some((properties.get(name)?, applies)));
        let sure = self.inner(parts().filter(|(_, applies)| *applies < Applies::Perhaps));
        sure.or_else(|| self.inner(parts().map(|(part, _)| (part, Applies::Always))))
    }

    /// The value of a property whose name is not known, if an object at this place is open to others. It is where a
    /// schema says so, or lists no names at all; that of all parameters only where it says so.
    pub(super) fn other_property(&self, is_root: bool) -> Option<Self> {
        // Which name fits which pattern is left to the validator; here they tell the types apart.
        let patterns: Vec<_> = self.said("patternProperties").collect();
        if !patterns.is_empty() {
            let schemas = patterns.iter().flat_map(|(map, _)| map.as_object().into_iter().flatten());
            let parts = schemas.map(|(_, schema)| (schema, Applies::Perhaps));
            return Some(self.inner(parts).unwrap_or_else(|| self.open()));
        }
        let others = || self.said("additionalProperties").chain(self.said("unevaluatedProperties"));
        if others().any(|(other, applies)| *other == Value::Bool(false) && applies < Applies::Perhaps) {
            return None;
        }
        let allowed = self.inner(others().filter(|(other, _)| **other != Value::Bool(false)));
        let is_free = || !is_root && others().next().is_none() && self.said("properties").next().is_none();
        allowed.or_else(|| is_free().then(|| self.open()))
    }

    /// An item of a list at this place.
    pub(super) fn item(&self, index: usize) -> Self {
        let item = |(part, applies): &(&'s Value, Applies)| {
            let part = *part;
            let first = part.get("prefixItems").and_then(|items| items.get(index));
            let schema = first.or_else(|| match part.get("items")? {
                Value::Array(items) => items.get(index).or_else(|| part.get("additionalItems")),
                items => Some(items),
            });
            Some((schema?, *applies))
        };
        self.inner(self.parts.iter().filter_map(item)).unwrap_or_else(|| self.open())
    }

    /// The default: the outermost that applies whatever the value is.
    pub(super) fn default(&self) -> Option<&'s Value> {
        self.said("default").find(|(_, applies)| *applies == Applies::Always).map(|(default, _)| default)
    }

    /// What the keyword `type` says whatever alternative applies.
    pub(super) fn sure_types(&self) -> Vec<&'s Value> {
        self.said("type").filter(|(_, applies)| *applies == Applies::Always).map(|(named, _)| named).collect()
    }

    /// Whether a type is named, in an alternative at least.
    pub(super) fn wants(&self, wanted: &str) -> bool {
        self.said("type").any(|(named, _)| names_type(named, wanted))
    }

    /// The values that one can choose from, where the schema lists them: as `enum`, or each as an alternative.
    pub(super) fn choices(&self) -> Vec<&'s Value> {
        let listed = self.said("enum").filter(|(_, applies)| *applies < Applies::Perhaps);
        if let Some(values) = listed.into_iter().find_map(|(values, _)| values.as_array()) {
            return values.iter().collect();
        }
        let alternatives = self.parts.iter().flat_map(|(part, _)| [within(part, "oneOf"), within(part, "anyOf")]);
        let choices = alternatives.map(|alternatives| {
            let besides_null = alternatives.into_iter().filter(|one| !is_null_only(one));
            let values = besides_null.map(|one| match (one.get("const"), one.get("enum")) {
                (Some(value), _) => Some(vec![value]),
                (None, Some(Value::Array(values))) => Some(values.iter().collect()),
                _ => None,
            });
            values.collect::<Option<Vec<_>>>().unwrap_or_default().concat()
        });
        choices.into_iter().find(|choices| !choices.is_empty()).unwrap_or_default()
    }

    /// The shape of what is inside of a value, which is not null then. Nothing where no part speaks of it.
    fn inner(&self, parts: impl Iterator<Item = (&'s Value, Applies)>) -> Option<Self> {
        let surely = |applies| if applies == Applies::UnlessNull { Applies::Always } else { applies };
        let parts: Vec<_> = parts.map(|(part, applies)| (part, surely(applies))).collect();
        (!parts.is_empty()).then(|| Self::gather(parts, self.root))
    }

    fn open(&self) -> Self {
        Self { root: self.root, parts: Vec::new() }
    }
}

/// Whether the value of the keyword `type` names this one.
pub(super) fn names_type(named: &Value, wanted: &str) -> bool {
    named == wanted || named.as_array().is_some_and(|names| names.iter().any(|name| name == wanted))
}

/// The schemas that speak of the same value as this one, next to it.
fn beside<'s>(schema: &'s Value, root: &'s Value) -> Vec<(&'s Value, Applies)> {
    let mut found: Vec<_> = referred(schema, root).map(|target| (target, Applies::Always)).into_iter().collect();
    found.extend(within(schema, "allOf").into_iter().map(|one| (one, Applies::Always)));
    for keyword in ["anyOf", "oneOf"] {
        let alternatives = within(schema, keyword);
        let besides_null: Vec<_> = alternatives.iter().filter(|one| !is_null_only(one)).copied().collect();
        let applies = match besides_null.len() {
            1 if alternatives.len() == 1 => Applies::Always,
            1 => Applies::UnlessNull,
            _ => Applies::Perhaps,
        };
        found.extend(besides_null.into_iter().map(|one| (one, applies)));
    }
    let conditional = ["if", "then", "else"].into_iter().filter_map(|keyword| schema.get(keyword));
    found.extend(conditional.map(|one| (one, Applies::Perhaps)));
    for keyword in ["dependentSchemas", "dependencies"] {
        found.extend(within(schema, keyword).into_iter().map(|one| (one, Applies::Perhaps)));
    }
    found
}

fn is_null_only(schema: &Value) -> bool {
    let is_null = |value: &Value| value.is_null();
    schema.get("type").is_some_and(|named| named == "null")
        || schema.get("const").is_some_and(is_null)
        || schema.get("enum").and_then(Value::as_array).is_some_and(|values| values.iter().all(is_null))
}

//! The fields of the known kinds: their types, which zeros an answer leaves out, and how their lists are merged.
//!
//! It knows nothing of objects or requests; `schema.txt` beside it is the whole of its knowledge.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value;

/// The type of a field, an item or a map's value.
#[derive(Debug, PartialEq)]
pub(super) struct Type {
    /// What a value looks like.
    pub(super) shape: Shape,
    /// Whether an apply replaces it whole, although it has parts.
    pub(super) atomic: bool,
}

/// What a value looks like.
#[derive(Debug, PartialEq)]
pub(super) enum Shape {
    /// A value without parts, by the name that the schema gives it.
    Scalar(Scalar),
    /// A structure, by its name.
    Structure(&'static str),
    /// Names to values of one type.
    Map(Box<Type>),
    /// Items of one type.
    List(List),
}

/// Values without parts.
#[derive(Debug, PartialEq, Clone, Copy)]
pub(super) enum Scalar {
    Text,
    Bytes,
    Boolean,
    Int32,
    Int64,
    Number,
    Time,
    Quantity,
    IntOrText,
    /// Anything, kept as it is.
    Any,
}

impl Scalar {
    /// What an apply expects instead of this value, where it is not of its kind.
    pub(super) fn expected(self, value: &Value) -> Option<&'static str> {
        let (fits, expected) = match self {
            Scalar::Any | Scalar::IntOrText | Scalar::Quantity => (true, ""),
            Scalar::Text | Scalar::Bytes | Scalar::Time => (value.is_string(), "string"),
            Scalar::Boolean => (value.is_boolean(), "boolean"),
            Scalar::Int32 | Scalar::Int64 => (value.is_i64(), "numeric (int or float)"),
            Scalar::Number => (value.is_number(), "numeric (int or float)"),
        };
        (!fits).then_some(expected)
    }
}

/// A list's items, and how two lists become one.
#[derive(Debug, PartialEq)]
pub(super) struct List {
    pub(super) items: Box<Type>,
    pub(super) apply: Apply,
    /// How a strategic merge patch does it: `None` replaces, `Some("")` is a set of scalars, else the merge key.
    pub(super) merge_key: Option<&'static str>,
}

/// How an apply merges a list.
#[derive(Debug, PartialEq)]
pub(super) enum Apply {
    Whole,
    Set,
    ByKeys(Vec<&'static str>),
}

/// What becomes of a field without a value that says something.
#[derive(Debug, PartialEq, Clone, Copy)]
pub(super) enum Zero {
    /// It is left out, even where the request wrote it.
    Omitted,
    /// It is kept where the request wrote it.
    Kept,
    /// It is there even where the request did not write it.
    Always,
}

/// A field of a structure.
#[derive(Debug, PartialEq)]
pub(super) struct Field {
    pub(super) ty: Type,
    pub(super) zero: Zero,
}

/// A structure's fields.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Structure {
    pub(super) fields: BTreeMap<&'static str, Field>,
    /// Whether an apply replaces it whole.
    pub(super) atomic: bool,
    /// Whether fields that are not listed are kept.
    pub(super) open: bool,
}

/// The structure of this name; an empty one where the schema has none, which a test rules out.
pub(super) fn structure(name: &str) -> &'static Structure {
    static NONE: LazyLock<Structure> = LazyLock::new(Structure::default);
    STRUCTURES.get(name).unwrap_or(&NONE)
}

/// A value of which nothing is known.
static ANY: Type = Type { shape: Shape::Scalar(Scalar::Any), atomic: false };

impl Type {
    /// The type of a part with a name. Where nothing is known, nothing is known of the parts either.
    pub(super) fn part(&self, name: &str) -> Option<&Type> {
        match &self.shape {
            Shape::Structure(structure_name) => structure(structure_name).field(name),
            Shape::Map(values) => Some(values),
            Shape::Scalar(Scalar::Any) => Some(&ANY),
            Shape::List(_) | Shape::Scalar(_) => None,
        }
    }

    /// Whether an apply replaces it whole, be it for its own sake or for that of its structure.
    pub(super) fn is_whole(&self) -> bool {
        self.atomic || matches!(&self.shape, Shape::Structure(name) if structure(name).atomic)
    }
}

impl Structure {
    /// The type of a field, where it is known or any field will do.
    pub(super) fn field(&self, name: &str) -> Option<&Type> {
        match self.fields.get(name) {
            Some(field) => Some(&field.ty),
            None => self.open.then_some(&ANY),
        }
    }
}

static STRUCTURES: LazyLock<BTreeMap<&'static str, Structure>> = LazyLock::new(|| parse(include_str!("schema.txt")));

fn parse(text: &'static str) -> BTreeMap<&'static str, Structure> {
    let mut structures = BTreeMap::new();
    let mut current = "";
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        match line.strip_prefix(' ').and_then(|field| field.split_once(' ')) {
            Some((name, ty)) => {
                let structure: &mut Structure = structures.entry(current).or_default();
                let (name, zero) = match (name.strip_suffix('+'), name.strip_suffix('*')) {
                    (Some(name), _) => (name, Zero::Always),
                    (_, Some(name)) => (name, Zero::Kept),
                    (None, None) => (name, Zero::Omitted),
                };
                structure.fields.insert(name, Field { ty: parse_type(ty), zero });
            }
            None => {
                current = line.trim_end_matches(['!', '~']);
                let opened: &mut Structure = structures.entry(current).or_default();
                opened.atomic = line.ends_with('!');
                opened.open = line.ends_with('~');
            }
        }
    }
    structures
}

fn parse_type(text: &'static str) -> Type {
    let (text, atomic) = text.strip_suffix('!').map_or((text, false), |text| (text, true));
    if let Some(values) = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')) {
        return Type { shape: Shape::Map(Box::new(parse_type(values))), atomic };
    }
    if let Some(list) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        return Type { shape: Shape::List(parse_list(list)), atomic };
    }
    let scalar = match text {
        "string" => Scalar::Text,
        "bytes" => Scalar::Bytes,
        "boolean" => Scalar::Boolean,
        "int32" => Scalar::Int32,
        "int64" => Scalar::Int64,
        "number" => Scalar::Number,
        "time" => Scalar::Time,
        "quantity" => Scalar::Quantity,
        "int-or-string" => Scalar::IntOrText,
        "any" => Scalar::Any,
        structure => {
            return Type { shape: Shape::Structure(structure), atomic };
        }
    };
    Type { shape: Shape::Scalar(scalar), atomic }
}

fn parse_list(text: &'static str) -> List {
    // An inner list would bring a semicolon of its own: the last one is ours only outside of brackets.
    let (items, merging) = match text.split_once(';') {
        Some((items, merging)) if !merging.contains(']') => (items, merging),
        _ => (text, ""),
    };
    let (mut apply, mut merge_key) = (Apply::Whole, None);
    let mut words = merging.split(' ').filter(|word| !word.is_empty());
    while let Some(word) = words.next() {
        match word {
            "set" => apply = Apply::Set,
            "map" => apply = Apply::ByKeys(words.next().unwrap_or_default().split(',').collect()),
            _ => merge_key = Some(words.next().unwrap_or_default()),
        }
    }
    List { items: Box::new(parse_type(items)), apply, merge_key }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_structure_that_a_field_names_is_there() {
        fn named(ty: &Type) -> Option<&str> {
            match &ty.shape {
                Shape::Structure(name) => Some(name),
                Shape::Map(values) => named(values),
                Shape::List(list) => named(&list.items),
                Shape::Scalar(_) => None,
            }
        }
        let fields = STRUCTURES.values().flat_map(|structure| structure.fields.values());
        let missing: Vec<_> =
            fields.filter_map(|field| named(&field.ty)).filter(|name| !STRUCTURES.contains_key(name)).collect();
        assert_eq!(missing, Vec::<&str>::new());
        assert!(STRUCTURES.len() > 200);
    }

    #[test]
    fn a_list_tells_how_it_is_merged() {
        let Shape::List(ports) = &structure("Container").fields["ports"].ty.shape else { panic!("not a list") };
        assert_eq!(ports.apply, Apply::ByKeys(vec!["containerPort", "protocol"]));
        assert_eq!(ports.merge_key, Some("containerPort"));
        let Shape::List(finalizers) = &structure("ObjectMeta").fields["finalizers"].ty.shape else {
            panic!("not a list")
        };
        assert_eq!((&finalizers.apply, finalizers.merge_key), (&Apply::Set, Some("")));
    }
}

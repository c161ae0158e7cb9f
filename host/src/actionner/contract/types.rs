//! Where a function of a component differs from that of the contract.
//!
//! Types are compared by their structure, as linking does; their names are for the words alone.

use std::collections::BTreeSet;

use wit_parser::{Function, Handle, Resolve, Type, TypeDef, TypeDefKind, TypeId, TypeOwner};

/// The contract's types against those of a component.
pub(super) struct Comparison<'a> {
    ours: &'a Resolve,
    theirs: &'a Resolve,
    /// Those that were compared.
    seen: BTreeSet<(usize, usize)>,
    differences: Vec<String>,
}

/// A record, variant, enum or flags: names in an order, some with a type.
struct Composite<'a> {
    /// `record`.
    kind: &'static str,
    /// `field`.
    item: &'static str,
    items: Vec<(&'a str, Option<Type>)>,
}

impl<'a> Comparison<'a> {
    pub(super) fn new(ours: &'a Resolve, theirs: &'a Resolve) -> Self {
        Self { ours, theirs, seen: BTreeSet::new(), differences: Vec::new() }
    }

    /// All differences of one function, each a sentence.
    pub(super) fn function(mut self, interface: &str, ours: &Function, theirs: &Function) -> Vec<String> {
        let name = format!("{interface}.{}", function_name(&ours.name));
        if theirs.kind.is_async() && !ours.kind.is_async() {
            self.differences.push(format!("its function `{name}` is asynchronous (`async func`), and must not be"));
        }
        let mut fits = ours.params.len() == theirs.params.len();
        for (ours, theirs) in ours.params.iter().zip(&theirs.params) {
            fits &= self.same(ours.ty, theirs.ty);
        }
        fits &= self.same_option(ours.result, theirs.result);
        if !fits {
            let (theirs, ours) = (signature(self.theirs, theirs), signature(self.ours, ours));
            self.differences.push(format!("its function `{name}` is `{theirs}`, and the contract's is `{ours}`"));
        }
        self.differences
    }

    /// Whether two types are the same, but for differences that were noted inside of named ones.
    fn same(&mut self, ours: Type, theirs: Type) -> bool {
        let (ours, theirs) = match (ours, theirs) {
            (Type::Id(ours), Type::Id(theirs)) => (aliased(self.ours, ours), aliased(self.theirs, theirs)),
            _ => return ours == theirs,
        };
        let (Type::Id(ours), Type::Id(theirs)) = (ours, theirs) else { return ours == theirs };
        if !self.seen.insert((ours.index(), theirs.index())) {
            return true;
        }
        let (our_type, their_type) = (&self.ours.types[ours], &self.theirs.types[theirs]);
        match (&our_type.kind, &their_type.kind) {
            (TypeDefKind::List(ours), TypeDefKind::List(theirs))
            | (TypeDefKind::Option(ours), TypeDefKind::Option(theirs)) => self.same(*ours, *theirs),
            (TypeDefKind::Tuple(ours), TypeDefKind::Tuple(theirs)) => {
                ours.types.len() == theirs.types.len()
                    && ours.types.iter().zip(&theirs.types).all(|(ours, theirs)| self.same(*ours, *theirs))
            }
            (TypeDefKind::Result(ours), TypeDefKind::Result(theirs)) => {
                self.same_option(ours.ok, theirs.ok) && self.same_option(ours.err, theirs.err)
            }
            (TypeDefKind::Handle(ours), TypeDefKind::Handle(theirs)) => match (ours, theirs) {
                (Handle::Own(ours), Handle::Own(theirs)) | (Handle::Borrow(ours), Handle::Borrow(theirs)) => {
                    self.same(Type::Id(*ours), Type::Id(*theirs))
                }
                _ => false,
            },
            (TypeDefKind::Resource, TypeDefKind::Resource) => our_type.name == their_type.name,
            _ => match (composite(our_type), composite(their_type)) {
                (Some(ours), Some(theirs)) if ours.kind == theirs.kind => {
                    self.composite(&self.place(our_type, ours.kind), &ours, &theirs);
                    true
                }
                _ => false,
            },
        }
    }

    fn same_option(&mut self, ours: Option<Type>, theirs: Option<Type>) -> bool {
        match (ours, theirs) {
            (Some(ours), Some(theirs)) => self.same(ours, theirs),
            (None, None) => true,
            _ => false,
        }
    }

    /// Note where the items of two types of one kind differ.
    fn composite(&mut self, place: &str, ours: &Composite<'_>, theirs: &Composite<'_>) {
        let item = ours.item;
        let found_before = self.differences.len();
        for (name, _) in &ours.items {
            if theirs.get(name).is_none() {
                self.differences.push(format!("its {place} lacks the {item} `{name}`"));
            }
        }
        for (name, their_type) in &theirs.items {
            let Some(our_type) = ours.get(name) else {
                self.differences.push(format!("its {place} has a {item} `{name}` that the contract's does not have"));
                continue;
            };
            if !self.same_option(our_type, *their_type) {
                let (is, must) = (of_option(self.theirs, *their_type), of_option(self.ours, our_type));
                self.differences
                    .push(format!("the {item} `{name}` of its {place} is {is}, and the contract's is {must}"));
            }
        }
        let in_order = ours.items.iter().map(|(name, _)| name).eq(theirs.items.iter().map(|(name, _)| name));
        if !in_order && self.differences.len() == found_before {
            let order: Vec<_> = ours.items.iter().map(|(name, _)| format!("`{name}`")).collect();
            self.differences.push(format!("the {item}s of its {place} are in another order than {}", order.join(", ")));
        }
    }

    /// ``record `invocation` of `action` ``.
    fn place(&self, of: &TypeDef, kind: &str) -> String {
        let interface = match of.owner {
            TypeOwner::Interface(id) => self.ours.interfaces[id].name.as_deref(),
            _ => None,
        };
        format!("{kind} `{}` of `{}`", of.name.as_deref().unwrap_or_default(), interface.unwrap_or_default())
    }
}

impl Composite<'_> {
    fn get(&self, name: &str) -> Option<Option<Type>> {
        self.items.iter().find(|(of, _)| *of == name).map(|(_, of_type)| *of_type)
    }
}

fn composite(of: &TypeDef) -> Option<Composite<'_>> {
    let (kind, item, items) = match &of.kind {
        TypeDefKind::Record(record) => {
            ("record", "field", record.fields.iter().map(|it| (it.name.as_str(), Some(it.ty))).collect())
        }
        TypeDefKind::Variant(variant) => {
            ("variant", "case", variant.cases.iter().map(|it| (it.name.as_str(), it.ty)).collect())
        }
        TypeDefKind::Enum(of) => ("enum", "case", of.cases.iter().map(|it| (it.name.as_str(), None)).collect()),
        TypeDefKind::Flags(of) => ("flags", "flag", of.flags.iter().map(|it| (it.name.as_str(), None)).collect()),
        _ => return None,
    };
    Some(Composite { kind, item, items })
}

/// What stands behind the names that `use` and `type` give.
fn aliased(resolve: &Resolve, mut id: TypeId) -> Type {
    loop {
        match resolve.types[id].kind {
            TypeDefKind::Type(Type::Id(next)) => id = next,
            TypeDefKind::Type(other) => return other,
            _ => return Type::Id(id),
        }
    }
}

/// `create` of `[static]artifact.create`.
pub(super) fn function_name(name: &str) -> &str {
    name.rsplit_once(']').map_or(name, |(_, name)| name)
}

/// `func(invocation: invocation) -> result<outcome, failure>`.
fn signature(resolve: &Resolve, function: &Function) -> String {
    let params: Vec<_> =
        function.params.iter().map(|param| format!("{}: {}", param.name, words(resolve, param.ty))).collect();
    let result = function.result.map(|result| format!(" -> {}", words(resolve, result))).unwrap_or_default();
    format!("func({}){result}", params.join(", "))
}

fn of_option(resolve: &Resolve, of: Option<Type>) -> String {
    of.map_or_else(|| "without a value".to_owned(), |of| format!("`{}`", words(resolve, of)))
}

/// A type as WIT writes it.
fn words(resolve: &Resolve, of: Type) -> String {
    let id = match of {
        Type::Id(id) => id,
        Type::String => return "string".to_owned(),
        Type::ErrorContext => return "error-context".to_owned(),
        primitive => return format!("{primitive:?}").to_lowercase(),
    };
    let of = &resolve.types[id];
    if let Some(name) = &of.name {
        return name.clone();
    }
    let some = |of: Option<Type>| of.map_or_else(|| "_".to_owned(), |of| words(resolve, of));
    match &of.kind {
        TypeDefKind::List(of) => format!("list<{}>", words(resolve, *of)),
        TypeDefKind::Option(of) => format!("option<{}>", words(resolve, *of)),
        TypeDefKind::Tuple(tuple) => {
            let types: Vec<_> = tuple.types.iter().map(|of| words(resolve, *of)).collect();
            format!("tuple<{}>", types.join(", "))
        }
        TypeDefKind::Result(result) => match (result.ok, result.err) {
            (None, None) => "result".to_owned(),
            (ok, None) => format!("result<{}>", some(ok)),
            (ok, err) => format!("result<{}, {}>", some(ok), some(err)),
        },
        TypeDefKind::Handle(Handle::Own(id)) => words(resolve, Type::Id(*id)),
        TypeDefKind::Handle(Handle::Borrow(id)) => format!("borrow<{}>", words(resolve, Type::Id(*id))),
        other => other.as_str().to_owned(),
    }
}

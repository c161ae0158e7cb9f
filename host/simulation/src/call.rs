//! A request as the simulation understands it: which resource, which object, which options. It knows no objects.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::resource::{self, Resource};
use super::scale;
use super::status::{Cause, Refusal};

/// A request that has an address.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) verb: Verb,
    pub(super) resource: &'static Resource,
    /// None for all namespaces, and for what is in none.
    pub(super) namespace: Option<String>,
    /// Empty for a collection.
    pub(super) name: String,
    pub(super) subresource: Option<Subresource>,
    pub(super) query: Query,
    /// Without parameters such as `charset`.
    pub(super) content_type: Option<String>,
    /// Who holds the fields that are written.
    pub(super) manager: String,
}

/// What is to be done.
#[derive(Debug, PartialEq, Clone, Copy)]
pub(super) enum Verb {
    Get,
    List,
    Create,
    Update,
    Patch,
    Delete,
    DeleteCollection,
}

/// The part of an object that is addressed.
#[derive(Debug, PartialEq, Clone, Copy)]
pub(super) enum Subresource {
    Status,
    Eviction,
    EphemeralContainers,
    Exec,
    Log,
    Scale,
}

impl Subresource {
    /// As an address, and the managed fields of an object, name it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Subresource::Status => "status",
            Subresource::Eviction => "eviction",
            Subresource::EphemeralContainers => "ephemeralcontainers",
            Subresource::Exec => "exec",
            Subresource::Log => "log",
            Subresource::Scale => "scale",
        }
    }
}

/// What the query says.
#[derive(Debug, Default)]
pub(super) struct Query {
    pub(super) dry_run: bool,
    pub(super) force: Option<bool>,
    pub(super) field_manager: Option<String>,
    pub(super) strict: bool,
    /// Whether unknown fields pass without a warning.
    pub(super) lax: bool,
    pub(super) label_selector: String,
    pub(super) field_selector: String,
    pub(super) limit: Option<usize>,
    pub(super) continue_from: Option<String>,
    pub(super) grace_period_s: Option<i64>,
    pub(super) propagation: Option<String>,
    /// Of a pod; empty where none is named.
    pub(super) container: String,
    pub(super) command: Vec<String>,
    pub(super) stdin: bool,
    pub(super) tail_lines: Option<i64>,
    pub(super) limit_bytes: Option<usize>,
    pub(super) previous: bool,
}

/// Why a request has no answer from a resource.
#[derive(Debug)]
pub(super) enum Unaddressed {
    Refusal(Refusal),
    /// Not even the group is known: the real one answers in plain text.
    PageNotFound,
}

impl From<Refusal> for Unaddressed {
    fn from(refusal: Refusal) -> Unaddressed {
        Unaddressed::Refusal(refusal)
    }
}

impl Call {
    /// Group, version and kind of what is read and written at the address.
    pub(super) fn kind(&self) -> (&'static str, &'static str, &'static str) {
        let Resource { group, version, kind, .. } = self.resource;
        if self.subresource == Some(Subresource::Scale) { scale::KIND } else { (group, version, kind) }
    }

    /// The structure in the schema of what is read and written at the address.
    pub(super) fn structure(&self) -> &'static str {
        if self.subresource == Some(Subresource::Scale) { scale::KIND.2 } else { self.resource.structure() }
    }

    /// Understand the first line and the headers of a request.
    pub(super) fn parse(parts: &http::request::Parts) -> Result<Call, Unaddressed> {
        let segments: Vec<&str> = parts.uri.path().trim_matches('/').split('/').collect();
        let (group, version, rest) = match segments.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return Err(Unaddressed::PageNotFound),
        };
        if !resource::group_exists(group) {
            return Err(Unaddressed::PageNotFound);
        }
        let (namespace, rest) = match rest {
            ["namespaces", namespace, plural, rest @ ..] if !matches!(*plural, "status" | "finalize") => {
                (Some((*namespace).to_owned()), (plural, rest))
            }
            [plural, rest @ ..] => (None, (plural, rest)),
            [] => return Err(Refusal::unknown_resource().into()),
        };
        let (plural, rest) = rest;
        let resource = resource::by_plural(group, version, plural).ok_or_else(Refusal::unknown_resource)?;
        let (name, subresource) = object(resource, rest)?;
        let in_scope = if resource.namespaced { namespace.is_some() || name.is_empty() } else { namespace.is_none() };
        if !in_scope {
            return Err(Refusal::unknown_resource().into());
        }
        let verb = verb(&parts.method, name, subresource).ok_or_else(Refusal::method_not_allowed)?;
        if resource.namespaced && namespace.is_none() && verb != Verb::List {
            return Err(Refusal::method_not_allowed().into());
        }
        let header = |name| parts.headers.get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
        let content_type = header(http::header::CONTENT_TYPE);
        let content_type = content_type.and_then(|text| text.split(';').next()).map(|text| text.trim().to_owned());
        let query = Query::parse(parts.uri.query().unwrap_or_default(), verb)?;
        let agent = header(http::header::USER_AGENT).unwrap_or_default().split('/').next().unwrap_or_default();
        let agent = if agent.is_empty() { "unknown" } else { agent };
        let manager = query.field_manager.clone().unwrap_or_else(|| agent.to_owned());
        Ok(Call { verb, resource, namespace, name: name.to_owned(), subresource, query, content_type, manager })
    }
}

/// The name, and the subresource if any, at the end of a path.
fn object<'a>(resource: &Resource, rest: &[&'a str]) -> Result<(&'a str, Option<Subresource>), Refusal> {
    match rest {
        [] => Ok(("", None)),
        [name] => Ok((name, None)),
        [name, "status"] if resource.has_status => Ok((name, Some(Subresource::Status))),
        [name, "scale"] if scale::is_of(resource) => Ok((name, Some(Subresource::Scale))),
        [name, part] if resource.kind == "Pod" => {
            let parts = [Subresource::Eviction, Subresource::EphemeralContainers, Subresource::Exec, Subresource::Log];
            let found = parts.into_iter().find(|subresource| subresource.name() == *part);
            Ok((name, Some(found.ok_or_else(Refusal::unknown_resource)?)))
        }
        _ => Err(Refusal::unknown_resource()),
    }
}

fn verb(method: &Method, name: &str, subresource: Option<Subresource>) -> Option<Verb> {
    match subresource {
        Some(Subresource::Eviction) => return (method == Method::POST).then_some(Verb::Create),
        Some(Subresource::Log) => return (method == Method::GET).then_some(Verb::Get),
        // Whatever the method, a command is as much asked for as created.
        Some(Subresource::Exec) => return matches!(*method, Method::GET | Method::POST).then_some(Verb::Get),
        // The real one lets it be replaced, too.
        Some(Subresource::Scale) if method == Method::PUT => return None,
        Some(Subresource::Status | Subresource::EphemeralContainers | Subresource::Scale) | None => {}
    }
    match (method.as_str(), name.is_empty()) {
        ("GET", true) => Some(Verb::List),
        ("POST", true) => Some(Verb::Create),
        ("DELETE", true) => Some(Verb::DeleteCollection),
        ("GET", false) => Some(Verb::Get),
        ("PUT", false) => Some(Verb::Update),
        ("PATCH", false) => Some(Verb::Patch),
        ("DELETE", false) if subresource.is_none() => Some(Verb::Delete),
        _ => None,
    }
}

impl Query {
    fn parse(text: &str, verb: Verb) -> Result<Query, Refusal> {
        let mut query = Query::default();
        for (key, value) in form_urlencoded::parse(text.as_bytes()) {
            let number = || {
                value
                    .parse::<i64>()
                    .map_err(|_| Refusal::bad_request(format!("strconv.ParseInt: parsing {value:?}: invalid syntax")))
            };
            match &*key {
                "dryRun" if value == "All" => query.dry_run = true,
                "dryRun" => {
                    return Err(options_invalid(verb, &Cause::unsupported("dryRun", &json!([value]), "\"All\"")));
                }
                "force" => query.force = Some(matches!(&*value, "true" | "1")),
                "fieldManager" if !value.is_empty() => {
                    query.field_manager = Some(value.into_owned());
                }
                "fieldValidation" => {
                    query.strict = value == "Strict";
                    query.lax = value == "Ignore";
                }
                "labelSelector" => query.label_selector = value.into_owned(),
                "fieldSelector" => query.field_selector = value.into_owned(),
                "limit" => query.limit = usize::try_from(number()?).ok().filter(|limit| *limit > 0),
                "continue" if !value.is_empty() => query.continue_from = Some(value.into_owned()),
                "gracePeriodSeconds" => query.grace_period_s = Some(number()?),
                "propagationPolicy" => query.propagation = Some(value.into_owned()),
                "container" => query.container = value.into_owned(),
                "command" => query.command.push(value.into_owned()),
                "stdin" => query.stdin = matches!(&*value, "true" | "1"),
                "tailLines" => query.tail_lines = Some(number()?),
                "limitBytes" => query.limit_bytes = usize::try_from(number()?).ok(),
                "previous" => query.previous = matches!(&*value, "true" | "1"),
                "watch" if matches!(&*value, "true" | "1") => {
                    let message = "the simulation does not serve watches";
                    return Err(Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message, Value::Null));
                }
                _ => {}
            }
        }
        Ok(query)
    }
}

/// An option of the request is wrong.
pub(super) fn options_invalid(verb: Verb, cause: &Cause) -> Refusal {
    let kind = match verb {
        Verb::Create => "CreateOptions",
        Verb::Update => "UpdateOptions",
        Verb::Patch => "PatchOptions",
        Verb::Get | Verb::List => "ListOptions",
        Verb::Delete | Verb::DeleteCollection => "DeleteOptions",
    };
    Refusal::invalid_kind("meta.k8s.io", kind, "", std::slice::from_ref(cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(method: &str, path: &str, expected: Option<(Verb, &str, Option<&str>, &str)>) {
        let (parts, ()) = http::Request::builder().method(method).uri(path).body(()).expect("a request").into_parts();
        let call = Call::parse(&parts).ok();
        let found =
            call.as_ref().map(|call| (call.verb, call.resource.plural, call.namespace.as_deref(), call.name.as_str()));
        assert_eq!(found, expected, "{method} {path}");
    }

    #[test]
    fn addresses_are_understood() {
        check("GET", "/api/v1/namespaces/a/pods/b", Some((Verb::Get, "pods", Some("a"), "b")));
        check("GET", "/api/v1/pods", Some((Verb::List, "pods", None, "")));
        check("GET", "/api/v1/namespaces/a", Some((Verb::Get, "namespaces", None, "a")));
        check("PUT", "/api/v1/namespaces/a/status", Some((Verb::Update, "namespaces", None, "a")));
        check("PATCH", "/apis/apps/v1/namespaces/a/deployments/b", Some((Verb::Patch, "deployments", Some("a"), "b")));
        check("POST", "/api/v1/namespaces/a/pods/b/eviction", Some((Verb::Create, "pods", Some("a"), "b")));
        let scale = "/apis/apps/v1/namespaces/a/deployments/b/scale";
        check("PATCH", scale, Some((Verb::Patch, "deployments", Some("a"), "b")));
        check("PUT", scale, None);
        check("GET", "/apis/apps/v1/namespaces/a/daemonsets/b/scale", None);
        check("GET", "/apis/apps/v1/pods", None);
        check("GET", "/api/v1/namespaces/a/nodes/b", None);
        check("GET", "/api/v1/pods/b", None);
        check("GET", "/elsewhere", None);
    }
}

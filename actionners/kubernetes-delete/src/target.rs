//! From the fields of an audit event to the address of an object.
//!
//! The event names a resource by its plural, and its group only in the URI of the request; the
//! API server says which resources have that plural. Does not delete anything.

use std::fmt;

use falco_talon_sdk::kubernetes::{Error, Object, ResourceType};
use falco_talon_sdk::{Event, Failure, Report};

/// What the event names.
#[derive(Debug, PartialEq)]
pub(crate) struct Named<'a> {
    /// Plural.
    pub(crate) resource: &'a str,
    name: &'a str,
    namespace: Option<&'a str>,
    /// Empty for the core group; none where the event does not tell.
    group: Option<&'a str>,
}

impl<'a> Named<'a> {
    pub(crate) fn by(event: &'a Event) -> Result<Self, Failure> {
        let field = |what: &str, field: &str| {
            event.text(field).ok_or_else(|| Failure::rejected(format!("missing target {what} ({field})")))
        };
        let resource = field("resource", "ka.target.resource")?;
        let name = field("name", "ka.target.name")?;
        let namespace = event.text("ka.target.namespace");
        let group = event.text("ka.uri").and_then(group_of);
        let named = Self { resource, name, namespace, group };
        // To execute a command in a pod or to scale a workload is an event of a subresource: it
        // does not say that the object itself is what should not be there.
        if let Some(subresource) = event.text("ka.target.subresource") {
            let about = format!("the event is about the subresource '{subresource}' of the {resource} '{name}'");
            return Err(named.concerned(Failure::rejected(format!("{about}, and a subresource can't be deleted"))));
        }
        Ok(named)
    }

    /// A report on it.
    pub(crate) fn touched(&self, report: Report) -> Report {
        self.objects().fold(report, |report, (kind, name)| report.object(kind, name))
    }

    /// A failure that concerns it.
    pub(crate) fn concerned(&self, failure: Failure) -> Failure {
        self.objects().fold(failure, |failure, (kind, name)| failure.object(kind, name))
    }

    fn objects(&self) -> impl Iterator<Item = (&'static str, &'a str)> {
        let namespace = self.namespace.map(|namespace| ("namespace", namespace));
        [("name", self.name), ("resource", self.resource)].into_iter().chain(namespace)
    }
}

/// The object to delete. Displays as "the secret 'keys' in the namespace 'default'".
#[derive(Debug, PartialEq)]
pub(crate) struct Target {
    pub(crate) object: Object,
    singular: String,
}

impl Target {
    /// The object that was named, of the first of the resources that the API server offers.
    pub(crate) fn among(named: &Named<'_>, offered: &[ResourceType]) -> Result<Self, Failure> {
        let meant = |it: &&ResourceType| named.group.is_none_or(|group| it.group == group);
        let Some(found) = offered.iter().find(meant) else {
            let unknown = "the resource doesn't exist or its type is not yet managed";
            let group = named.group.filter(|it| !it.is_empty()).map(|it| format!(" in the group '{it}'"));
            let why = format!("the API server has no '{}'{}", named.resource, group.unwrap_or_default());
            return Err(Failure::rejected(format!("{unknown}: {why}")));
        };
        let namespace = match named.namespace {
            // Falco names a namespace also for what is in none.
            _ if !found.namespaced => None,
            None => return Err(Failure::rejected("missing target namespace (ka.target.namespace)")),
            Some(namespace) => Some(namespace.to_owned()),
        };
        let object = Object {
            group: found.group.clone(),
            version: found.version.clone(),
            resource: found.resource.clone(),
            namespace,
            name: named.name.to_owned(),
        };
        Ok(Self { object, singular: found.kind.to_ascii_lowercase() })
    }

    pub(crate) fn failure(&self, error: &Error) -> Failure {
        Failure::from_call("delete", self, error)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the {} '{}'", self.singular, self.object.name)?;
        match &self.object.namespace {
            Some(namespace) => write!(f, " in the namespace '{namespace}'"),
            None => Ok(()),
        }
    }
}

/// The group in the URI of a request to the API server, `/apis/<group>/<version>/…` or, for
/// the core group, `/api/<version>/…`.
fn group_of(uri: &str) -> Option<&str> {
    if uri.starts_with("/api/") {
        return Some("");
    }
    let (group, _) = uri.strip_prefix("/apis/")?.split_once('/')?;
    Some(group).filter(|group| !group.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn event(fields: &Value) -> Event {
        Event::from_json(&json!({ "output_fields": fields }).to_string()).unwrap()
    }

    fn resource_type(group: &str, resource: &str, kind: &str, namespaced: bool) -> ResourceType {
        let [group, version, resource, kind] = [group, "v1", resource, kind].map(str::to_owned);
        ResourceType { group, version, resource, kind, namespaced }
    }

    /// The messages, in both cases.
    fn target(fields: &Value) -> Result<(String, String), String> {
        let event = event(fields);
        let named = Named::by(&event).map_err(|failure| failure.message)?;
        let offered = [
            resource_type("", "namespaces", "Namespace", false),
            resource_type("", "secrets", "Secret", true),
            resource_type("", "services", "Service", true),
            resource_type("networking.k8s.io", "networkpolicies", "NetworkPolicy", true),
            resource_type("rbac.authorization.k8s.io", "clusterroles", "ClusterRole", false),
            resource_type("serving.knative.dev", "services", "Service", true),
        ];
        let offered: Vec<_> = offered.into_iter().filter(|it| it.resource == named.resource).collect();
        let target = Target::among(&named, &offered).map_err(|failure| failure.message)?;
        Ok((target.to_string(), format!("{}/{}", target.object.group, target.object.resource)))
    }

    #[test]
    fn the_address_is_what_the_event_names() {
        fn check(fields: &Value, message: &str, resource: &str) {
            assert_eq!(target(fields), Ok((message.to_owned(), resource.to_owned())));
        }
        let named = |resource: &str, namespace: Option<&str>, uri: Option<&str>| {
            json!({
                "ka.target.resource": resource, "ka.target.name": "x",
                "ka.target.namespace": namespace, "ka.uri": uri,
            })
        };
        let in_n = Some("n");
        check(&named("secrets", in_n, None), "the secret 'x' in the namespace 'n'", "/secrets");
        check(&named("namespaces", None, None), "the namespace 'x'", "/namespaces");
        check(&named("namespaces", Some("x"), None), "the namespace 'x'", "/namespaces");
        let role = "rbac.authorization.k8s.io/clusterroles";
        check(&named("clusterroles", None, None), "the clusterrole 'x'", role);
        let policy = "networking.k8s.io/networkpolicies";
        check(&named("networkpolicies", in_n, None), "the networkpolicy 'x' in the namespace 'n'", policy);
        check(&named("services", in_n, None), "the service 'x' in the namespace 'n'", "/services");
        check(
            &named("services", in_n, Some("/api/v1/namespaces/n/services/x?dryRun=All")),
            "the service 'x' in the namespace 'n'",
            "/services",
        );
        check(
            &named("services", in_n, Some("/apis/serving.knative.dev/v1/namespaces/n/services")),
            "the service 'x' in the namespace 'n'",
            "serving.knative.dev/services",
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        fn check(fields: &Value, expected: &str) {
            assert_eq!(target(fields), Err(expected.to_owned()));
        }
        check(&json!({"ka.target.name": "x"}), "missing target resource (ka.target.resource)");
        check(&json!({"ka.target.resource": "secrets"}), "missing target name (ka.target.name)");
        check(
            &json!({"ka.target.resource": "secrets", "ka.target.name": "x", "ka.target.namespace": "<NA>"}),
            "missing target namespace (ka.target.namespace)",
        );
        let unknown = "the resource doesn't exist or its type is not yet managed: the API server has no";
        check(&json!({"ka.target.resource": "things", "ka.target.name": "x"}), &format!("{unknown} 'things'"));
        check(
            &json!({
                "ka.target.resource": "secrets", "ka.target.name": "x",
                "ka.uri": "/apis/acme.example/v1/secrets/x",
            }),
            &format!("{unknown} 'secrets' in the group 'acme.example'"),
        );
        check(
            &json!({"ka.target.resource": "pods", "ka.target.name": "x", "ka.target.subresource": "exec"}),
            "the event is about the subresource 'exec' of the pods 'x', and a subresource can't be deleted",
        );
    }

    #[test]
    fn the_group_is_in_the_uri() {
        fn check(uri: &str, expected: Option<&str>) {
            assert_eq!(group_of(uri), expected, "{uri}");
        }
        check("/api/v1/namespaces/n/pods/x", Some(""));
        check("/apis/apps/v1/namespaces/n/deployments/x?timeout=1s", Some("apps"));
        check("/apis//v1/x", None);
        check("/apis/apps", None);
        check("/healthz", None);
    }

    #[test]
    fn the_objects_are_those_of_the_event() {
        fn check(namespace: Option<&str>, expected: &[(&str, &str)]) {
            let named = Named { resource: "secrets", name: "x", namespace, group: None };
            let expected: Vec<_> = expected.iter().map(|&(kind, name)| (kind.to_owned(), name.to_owned())).collect();
            assert_eq!(named.touched(Report::new("")).objects, expected);
            assert_eq!(named.concerned(Failure::rejected("")).objects, expected);
        }
        check(Some("n"), &[("name", "x"), ("resource", "secrets"), ("namespace", "n")]);
        check(None, &[("name", "x"), ("resource", "secrets")]);
    }

    #[test]
    fn a_missing_object_has_words_of_its_own() {
        fn check(error: &Error, expected: &str) {
            let event = event(&json!({"ka.target.resource": "namespaces", "ka.target.name": "x"}));
            let offered = [resource_type("", "namespaces", "Namespace", false)];
            let target = Target::among(&Named::by(&event).unwrap(), &offered).unwrap();
            assert_eq!(target.failure(error).message, expected);
        }
        check(&Error::NotFound, "the namespace 'x' doesn't exist");
        check(&Error::Other("eh".into()), "can't delete the namespace 'x': eh");
    }
}

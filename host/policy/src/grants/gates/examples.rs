//! What to write for an import, where nothing is known of what will be asked by it: what is asked most often.

use crate::address::{ResourceName, WebAddress};
use crate::grants::field::{FieldPath, Segment};
use crate::grants::fields::FieldGrant;
use crate::grants::functions::{FunctionGrant, FunctionPattern, Provider};
use crate::grants::http::{HeaderSource, HttpGrant, Method};
use crate::grants::kubernetes::{KubernetesGrant, Scope, Verb};
use crate::grants::objects::{ObjectGrant, ObjectTarget, ObjectVerb};
use crate::grants::pattern::Pattern;
use crate::grants::proposal::Proposal;

type Example = Option<Proposal>;

fn kubernetes(verbs: &[Verb], group: &str, resource: &str, subresource: Option<&str>) -> KubernetesGrant {
    KubernetesGrant {
        verbs: verbs.to_vec(),
        resources: vec![ResourceName {
            group: group.to_owned(),
            resource: resource.to_owned(),
            subresource: subresource.map(str::to_owned),
        }],
        scope: Scope::EventTarget,
        namespaces: Vec::new(),
        names: Vec::new(),
        fields: Vec::new(),
    }
}

fn of_target(verb: Verb, subresource: Option<&str>) -> Example {
    Some(Proposal::kubernetes(&kubernetes(&[verb], "", "pods", subresource)))
}

fn field(steps: &[&str]) -> Vec<FieldGrant> {
    vec![FieldPath::new(steps.iter().map(|step| Segment::Key((*step).to_owned())).collect()).into()]
}

pub(super) fn get_pod() -> Example {
    of_target(Verb::Get, None)
}

pub(super) fn get_log() -> Example {
    of_target(Verb::Get, Some("log"))
}

pub(super) fn delete_pod() -> Example {
    of_target(Verb::Delete, None)
}

pub(super) fn evict_pod() -> Example {
    of_target(Verb::Create, Some("eviction"))
}

pub(super) fn exec() -> Example {
    of_target(Verb::Create, Some("exec"))
}

pub(super) fn list_pods() -> Example {
    let grant = KubernetesGrant { scope: Scope::EventNamespace, ..kubernetes(&[Verb::List], "", "pods", None) };
    Some(Proposal::kubernetes(&grant))
}

pub(super) fn patch_pod() -> Example {
    let fields = field(&["metadata", "labels"]);
    Some(Proposal::kubernetes(&KubernetesGrant { fields, ..kubernetes(&[Verb::Patch], "", "pods", None) }))
}

fn policies(verbs: &[Verb]) -> Example {
    Some(Proposal::kubernetes(&KubernetesGrant {
        scope: Scope::EventNamespace,
        names: vec![Pattern::Prefix("falco-talon-".to_owned())],
        fields: field(&["spec"]),
        ..kubernetes(verbs, "networking.k8s.io", "networkpolicies", None)
    }))
}

pub(super) fn apply_policy() -> Example {
    policies(&[Verb::Create, Verb::Patch])
}

pub(super) fn create_policy() -> Example {
    policies(&[Verb::Create])
}

fn function(provider: Provider, locations: &[&str]) -> Example {
    let exactly = |name: &str| FunctionPattern::Exact(name.to_owned());
    let locations = locations.iter().copied().map(exactly).collect();
    Some(Proposal::functions(&FunctionGrant { provider, names: vec![exactly("the-function")], locations }))
}

pub(super) fn lambda() -> Example {
    function(Provider::Aws, &[])
}

pub(super) fn google() -> Example {
    function(Provider::Gcp, &["europe-west1"])
}

pub(super) fn http() -> Example {
    let url = WebAddress::parse("https://hooks.example.com/falco/").ok()?;
    let headers = vec![("Authorization".to_owned(), HeaderSource::Env("THE_TOKEN".to_owned()))];
    Some(Proposal::http(&HttpGrant { url, methods: vec![Method::Post], headers }))
}

fn object(verb: ObjectVerb) -> Example {
    Some(Proposal::objects(&ObjectGrant {
        label: "evidence".to_owned(),
        target: ObjectTarget::AwsS3,
        bucket: "the-bucket".to_owned(),
        prefix: "falco-talon/".to_owned(),
        verbs: vec![verb],
    }))
}

pub(super) fn get_object() -> Example {
    object(ObjectVerb::Get)
}

pub(super) fn put_object() -> Example {
    object(ObjectVerb::Put)
}

//! `acme:disable-account`: lets no new pod have the token of the service account that the pod of an event runs under.
//!
//! Kubernetes has no switch for an account. What can be switched off is that its token is mounted where a pod does not
//! ask for it; pods that run keep theirs until they end, so a rule should terminate the pod after this. To delete the
//! account would end all of its tokens at once, and take along what nobody can write anew: its uid.

use falco_talon_sdk::kubernetes::{self, Object, PatchType, Preconditions};
use falco_talon_sdk::{Actionner, Context, Description, Event, Failure, Outcome, Pod, Report};
use serde::Deserialize;
use serde_json::{Value, json};

struct DisableAccount;

falco_talon_sdk::export!(DisableAccount);

/// Who did it, and for which event.
const DISABLED_BY: &str = "acme.example/disabled-by";

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {}

impl Actionner for DisableAccount {
    const DESCRIPTION: Description = Description {
        name: "acme:disable-account",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Let no new pod have the token of the pod's service account",
        sources: &["syscall", "k8s_audit"],
        example: "{action: Disable it, actionner: 'acme:disable-account'}",
        parameters_schema: include_str!("../parameters.json"),
        required_fields: Pod::FIELDS,
        reads: Some(&[]),
        repeatable: true,
        ..Description::DEFAULT
    };

    type Parameters = Parameters;

    fn run(event: &Event, _: &Parameters, context: &Context) -> Result<Outcome, Failure> {
        let pod = event.pod()?;
        let object = pod.read()?;
        let account = Account { namespace: pod.namespace, name: account_of(&object) };
        let address = Object::namespaced("v1", "serviceaccounts", account.namespace, account.name);
        let failed = |verb: &str, error| account.concerned(Failure::from_call(verb, &account, &error));
        let before = kubernetes::get(&address).map_err(|error| failed("read", error))?;
        let Some(body) = plan(&before, event, context) else {
            return Ok(Outcome::Ignored(account.report("is disabled already")));
        };
        let still = Preconditions::uid(before["metadata"]["uid"].as_str());
        kubernetes::patch_if(&address, PatchType::Merge, &body, &still).map_err(|error| failed("disable", error))?;
        Ok(Outcome::Done(account.report("has been disabled: pods that run keep its token until they end")))
    }
}

struct Account<'a> {
    namespace: &'a str,
    name: &'a str,
}

impl Account<'_> {
    fn report(&self, rest: &str) -> Report {
        Report::new(format!("{self} {rest}")).object("serviceaccount", self.name).object("namespace", self.namespace)
    }

    fn concerned(&self, failure: Failure) -> Failure {
        failure.object("serviceaccount", self.name).object("namespace", self.namespace)
    }
}

impl std::fmt::Display for Account<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the service account '{}' in the namespace '{}'", self.name, self.namespace)
    }
}

/// The name of the account that a pod runs under.
fn account_of(pod: &Value) -> &str {
    pod["spec"]["serviceAccountName"].as_str().filter(|name| !name.is_empty()).unwrap_or("default")
}

/// The patch of an account; none where it is disabled.
fn plan(account: &Value, event: &Event, context: &Context) -> Option<Value> {
    let by = format!("{}, for the event {} of {}", DisableAccount::DESCRIPTION.name, context.trace_id, event.time);
    (account["automountServiceAccountToken"] != false).then(|| {
        json!({
            "automountServiceAccountToken": false,
            "metadata": {"annotations": {DISABLED_BY: by}},
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_that_of_the_pod() {
        assert_eq!(account_of(&json!({"spec": {"serviceAccountName": "web"}})), "web");
        assert_eq!(account_of(&json!({"spec": {"serviceAccountName": ""}})), "default");
        assert_eq!(account_of(&json!({"spec": {}})), "default");
    }

    #[test]
    fn who_disabled_it_is_written_down() {
        let event = Event { time: "2026-01-02T03:04:05Z".to_owned(), ..Event::default() };
        let context = Context { trace_id: "1f".to_owned(), ..Context::default() };
        let by = "acme:disable-account, for the event 1f of 2026-01-02T03:04:05Z";
        let expected = json!({
            "automountServiceAccountToken": false,
            "metadata": {"annotations": {"acme.example/disabled-by": by}},
        });
        assert_eq!(plan(&json!({}), &event, &context), Some(expected.clone()));
        assert_eq!(plan(&json!({"automountServiceAccountToken": true}), &event, &context), Some(expected));
        assert_eq!(plan(&json!({"automountServiceAccountToken": false}), &event, &context), None);
    }
}

//! `notifiers list` and `notifiers test`: what can tell people, and whether it does.

use std::process::ExitCode;

use jiff::Timestamp;
use notifiers::{Information, Notice, Notifier};
use policy::{Grants, rbac};
use rules::nearest;
use serde_json::Value;

use super::context::Context;
use super::files::Files;
use super::listing::listed;
use super::print::print;
use crate::clients::{Cluster, Kubernetes, Notifiers};
use crate::telemetry::TraceId;

/// List notifiers, or test one
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List the notifiers, with their settings
    List,
    /// Send one harmless message, and print what the service says
    Test {
        /// Which notifier, as configured
        name: String,
    },
}

pub(super) async fn run(command: &Command, files: &Files) -> Result<(), ExitCode> {
    match command {
        Command::List => {
            Notifier::ALL.iter().for_each(|notifier| print(&item(*notifier)));
            Ok(())
        }
        Command::Test { name } => {
            let context = Context::new(files)?;
            let said = test(&context, name).await.map_err(|error| context.fail("notifiers", &error))?;
            print(&said);
            Ok(())
        }
    }
}

fn item(notifier: Notifier) -> String {
    let Information { description, parameters, example } = notifier.information();
    let some = |text: &str| if text.is_empty() { Value::Null } else { text.into() };
    let has_parameters = parameters.as_object().is_some_and(|parameters| !parameters.is_empty());
    let items = [
        ("name", notifier.name().into()),
        ("description", description.into()),
        ("parameters", if has_parameters { parameters } else { Value::Null }),
        ("permissions", some(&permissions(notifier))),
        ("example", some(example)),
    ];
    listed(notifier.name(), &items)
}

/// What it must be allowed in the cluster; empty where it tells others.
fn permissions(notifier: Notifier) -> String {
    if notifier != Notifier::K8sEvents {
        return String::new();
    }
    rbac::manifests([&Grants::of_events()], &[], None).unwrap_or_else(|error| error.to_string())
}

/// What the service says to a test, or why it was not reached.
async fn test(context: &Context, name: &str) -> Result<String, String> {
    let notifier = Notifier::find(name).ok_or_else(|| {
        format!("unknown notifier '{name}'{}", nearest::hint(name, Notifier::ALL.map(Notifier::name)))
    })?;
    let config = &context.config;
    let own_namespace = config.own_namespace.as_deref();
    let notifiers = Notifiers::new(&config.notifiers, own_namespace, |variable| std::env::var(variable).ok());
    if let Some(problem) = notifiers.problem(notifier) {
        return Err(format!("{}: {problem}", notifier.name()));
    }
    let kubernetes = match (&config.kubeconfig, notifier) {
        (_, other) if other != Notifier::K8sEvents => None,
        (Some(path), _) => connect(&Cluster::Kubeconfig(path.clone())).await?,
        (None, _) => connect(&Cluster::InCluster).await?,
    };
    let notice = Notice::test(Timestamp::now(), TraceId::random().to_string());
    let sent = notifiers.send(notifier, &notice, kubernetes.as_ref()).await;
    sent.map(|said| format!("{}: {said}", notifier.name())).map_err(|error| format!("{}: {error}", notifier.name()))
}

async fn connect(cluster: &Cluster) -> Result<Option<Kubernetes>, String> {
    Kubernetes::connect(cluster, None).await.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn items_have_the_originals_shape() {
        expect![[r#"
            --- k8sevents ---

            name: k8sevents
            description: Create a Kubernetes event beside the pod
            permissions: |
                apiVersion: rbac.authorization.k8s.io/v1
                kind: ClusterRole
                metadata:
                  name: falco-talon
                rules:
                  - apiGroups: [""]
                    resources: [events]
                    verbs: [create]
                  - apiGroups: [""]
                    resources: [pods]
                    verbs: [get]
            example: |
                default_notifiers: [k8sevents]
        "#]]
        .assert_eq(&item(Notifier::K8sEvents));
        expect![[r#"
            --- slack ---

            name: slack
            description: Send a message to a Slack channel
            parameters:
                ca_file: ""
                cert_file: ""
                footer: http://github.com/falcosecurity/falco-talon
                format: long
                icon: https://upload.wikimedia.org/wikipedia/commons/2/26/Circaetus_gallicus_claw.jpg
                key_file: ""
                username: Falco Talon
                webhook_url (required): ""
            example: |
                notifiers:
                  slack:
                    webhook_url: {env: SLACK_WEBHOOK_URL}
                    format: short
                    group: {by: [rule, namespace], within: 30s}
        "#]]
        .assert_eq(&item(Notifier::Slack));
    }
}

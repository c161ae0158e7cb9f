//! The clients that a generation needs: those of its actionners' imports and grants and of its rules' outputs, and no
//! others.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use outputs::Target;
use policy::ObjectTarget;
use rules::{Action, ActionnerName, Rule};

use super::problem::Problem;
use crate::actionner::Actionner;
use crate::clients::{ClientError, Clients, Clouds, Cluster, HttpClient, Kubernetes};
use crate::contexts::ContextName;
use crate::telemetry::logs::Logger;

/// What is asked of the cluster and of clouds besides what actionners ask.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    /// For their outputs.
    pub(super) rules: &'a [Rule],
    /// What they ask for.
    pub(super) contexts: &'a BTreeSet<ContextName>,
    /// Whether somebody is told by events of the cluster.
    pub(super) tells_the_cluster: bool,
}

/// The clients that these actionners need, and what is asked besides, and no others.
pub(super) async fn clients(
    cluster: &Cluster,
    clouds: &Clouds,
    actionners: &BTreeMap<ActionnerName, Arc<Actionner>>,
    Asked { rules, contexts, tells_the_cluster }: Asked<'_>,
    logger: &Logger,
) -> Result<Clients, Vec<Problem>> {
    let mut clients = Clients::default();
    // Commands that only look at files have neither credentials nor secrets.
    if matches!(cluster, Cluster::None) {
        return Ok(clients);
    }
    let mut problems = Vec::new();
    let needs = |imports: fn(&Actionner) -> bool| actionners.values().any(|actionner| imports(actionner));
    let asks_cluster = |it: &Actionner| it.imports.iter().any(|import| import.interface.starts_with("kubernetes-"));
    if needs(asks_cluster) || contexts.contains(&ContextName::Node) || tells_the_cluster {
        let client = Kubernetes::connect(cluster, Some(logger)).await;
        let client = client.map_err(|error| Problem::Cluster(error.to_string()));
        clients.kubernetes = kept(client, &mut problems).flatten();
    }
    let sends_to = |target: Target| {
        let mut outputs = rules.iter().flat_map(|rule| &rule.actions).filter_map(|action| action.output.as_ref());
        outputs.any(|output| Target::find(&output.target) == Some(target))
    };
    let refuse = |category| move |error: ClientError| Problem::Client { category, error };
    if needs(|it| it.calls("functions", "invoke-lambda") || it.stores_in(ObjectTarget::AwsS3))
        || sends_to(Target::AwsS3)
    {
        clients.aws = kept(clouds.aws().await.map_err(refuse("aws")), &mut problems);
    }
    if contexts.contains(&ContextName::Aws) {
        clients.instance = kept(clouds.instance().map_err(refuse("aws")), &mut problems);
    }
    if needs(|it| it.calls("functions", "invoke-google")) || sends_to(Target::GcpGcs) {
        clients.google = kept(clouds.google().await.map_err(refuse("gcp")), &mut problems);
    }
    if needs(|it| it.stores_in(ObjectTarget::MinioS3)) || sends_to(Target::MinioS3) {
        clients.minio = kept(clouds.minio().await.map_err(refuse("minio")), &mut problems);
    }
    let mut http = BTreeMap::new();
    for (name, actionner) in actionners.iter().filter(|(_, actionner)| actionner.calls("http", "send")) {
        match HttpClient::new(actionner.grants(), |variable| std::env::var(variable).ok()) {
            Ok(client) => drop(http.insert(name.to_string(), client)),
            Err(errors) => {
                let of = |error| Problem::Secret { actionner: name.to_string(), error };
                problems.extend(errors.into_iter().map(of));
            }
        }
    }
    clients.http = Arc::new(http);
    if problems.is_empty() { Ok(clients) } else { Err(problems) }
}

/// The contexts that these actions ask for.
pub(super) fn contexts<'a>(
    actions: impl IntoIterator<Item = &'a Action>,
    actionners: &BTreeMap<ActionnerName, Arc<Actionner>>,
) -> BTreeSet<ContextName> {
    let of_action = |action: &'a Action| {
        let actionner = actionners.get(&action.actionner);
        actionner.map(|actionner| contexts_of(action, actionner)).into_iter().flatten()
    };
    actions.into_iter().flat_map(of_action).collect()
}

/// The contexts that an action asks for, in its order, if its actionner reads any: else they are of no effect.
pub(crate) fn contexts_of<'a>(
    action: &'a Action,
    actionner: &Actionner,
) -> impl Iterator<Item = ContextName> + use<'a> {
    let names = action.additional_contexts.iter().filter_map(|name| ContextName::find(name));
    let reads_context = actionner.description.use_context;
    names.filter(move |_| reads_context)
}

/// What there is, and where there is nothing, why.
fn kept<T>(result: Result<T, Problem>, problems: &mut Vec<Problem>) -> Option<T> {
    result.map_err(|problem| problems.push(problem)).ok()
}

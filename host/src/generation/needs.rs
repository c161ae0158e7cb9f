//! The clients that a generation needs: those of its actionners' imports and grants, and no others.

use std::collections::BTreeMap;
use std::sync::Arc;

use policy::ObjectTarget;
use rules::ActionnerName;

use super::problem::Problem;
use crate::actionner::Actionner;
use crate::clients::{ClientError, Clients, Clouds, Cluster, HttpClient, Kubernetes};
use crate::telemetry::logs::Logger;

/// The clients that these actionners need, and no others.
pub(super) async fn clients(
    cluster: &Cluster,
    clouds: &Clouds,
    actionners: &BTreeMap<ActionnerName, Arc<Actionner>>,
    logger: &Logger,
) -> Result<Clients, Vec<Problem>> {
    let mut clients = Clients::default();
    // Commands that only look at files have neither credentials nor secrets.
    if matches!(cluster, Cluster::None) {
        return Ok(clients);
    }
    let mut problems = Vec::new();
    let needs = |imports: fn(&Actionner) -> bool| actionners.values().any(|actionner| imports(actionner));
    if needs(|it| it.imports.iter().any(|import| import.interface.starts_with("kubernetes-"))) {
        let client = Kubernetes::connect(cluster, Some(logger)).await;
        let client = client.map_err(|error| Problem::Cluster(error.to_string()));
        clients.kubernetes = kept(client, &mut problems).flatten();
    }
    let refuse = |category| move |error: ClientError| Problem::Client { category, error };
    if needs(|it| it.calls("functions", "invoke-lambda") || it.stores_in(ObjectTarget::AwsS3)) {
        clients.aws = kept(clouds.aws().await.map_err(refuse("aws")), &mut problems);
    }
    if needs(|it| it.calls("functions", "invoke-google")) {
        clients.google = kept(clouds.google().await.map_err(refuse("gcp")), &mut problems);
    }
    if needs(|it| it.stores_in(ObjectTarget::MinioS3)) {
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

/// What there is, and where there is nothing, why.
fn kept<T>(result: Result<T, Problem>, problems: &mut Vec<Problem>) -> Option<T> {
    result.map_err(|problem| problems.push(problem)).ok()
}

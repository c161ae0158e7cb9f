//! `rbac`: what the cluster must allow the host for the rules in force.

use std::process::ExitCode;

use super::context::Context;
use super::files::Files;
use super::print::print;
use crate::telemetry::logs::Level;
use policy::Grants;
use policy::rbac::{ServiceAccount, manifests};

/// Print the ClusterRole and the Roles that the host needs for the rules in force, and no more
#[derive(Debug, clap::Args)]
pub(super) struct Rbac {
    /// Print their bindings to this service account too
    #[arg(long, value_name = "NAMESPACE/NAME")]
    service_account: Option<ServiceAccount>,
}

pub(super) async fn run(command: &Rbac, files: &Files) -> Result<(), ExitCode> {
    let context = Context::new(files)?;
    let loaded = context.loader()?.load().await.map_err(|problems| {
        context.report(Level::Error, &problems);
        ExitCode::FAILURE
    })?;
    let mut grants = loaded.generation.grants_in_use();
    grants.extend(loaded.generation.tells_the_cluster.then(Grants::of_events));
    let text = manifests(&grants, loaded.generation.reads_of_host(), command.service_account.as_ref());
    print(text.map_err(|error| context.fail("rbac", &error.to_string()))?.trim_end());
    Ok(())
}

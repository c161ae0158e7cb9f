//! `policy check | print | explain`: what actionners may do, before anything happens.

use std::path::PathBuf;
use std::process::ExitCode;

use ::policy::explain::{abilities, call};
use ::policy::{Facts, KubernetesRequest, Policy, ResourceName, TouchedField};
use rules::Event;

use super::context::Context;
use super::files::Files;
use super::print::print;
use crate::generation::Problem;
use crate::telemetry::logs::Level;

/// Check, print or explain the policy
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Check the policy file, and whether it grants what the components import
    Check,
    /// Print the policy in force: the bundled one with the operator's over it
    Print {
        /// Only what the rules in force need of it
        #[arg(long)]
        needed: bool,
    },
    /// Tell what an actionner may do to an event, or why a call is denied
    Explain(Explain),
}

/// Tell what an actionner may do to an event, or why a call is denied
#[derive(Debug, clap::Args)]
pub(super) struct Explain {
    /// The actionner, e.g. kubernetes:label
    #[arg(long)]
    actionner: String,
    /// A file with the event as Falco sends it
    #[arg(long, value_name = "FILE")]
    event: PathBuf,
    /// The call to explain, in RBAC's words: get, list, create, update, patch, delete
    #[arg(long, requires = "resource")]
    verb: Option<String>,
    /// Its resource, e.g. pods, apps/deployments, pods/eviction
    #[arg(long)]
    resource: Option<String>,
    /// The namespace of its object
    #[arg(long)]
    namespace: Option<String>,
    /// The name of its object
    #[arg(long)]
    name: Option<String>,
    /// A field that it sets, e.g. spec.replicas=0, or without a value, that it removes; repeat it for several
    #[arg(long = "field")]
    fields: Vec<String>,
}

pub(super) async fn run(command: &Command, files: &Files) -> Result<(), ExitCode> {
    let context = Context::new(files)?;
    let loader = context.loader()?;
    let invalid = |problems: Vec<Problem>| {
        context.report(Level::Error, &problems);
        context.fail("policy", &"invalid policy")
    };
    let policy = loader.policy().map_err(invalid)?;
    match command {
        Command::Print { needed: false } => print(policy.to_yaml().trim_end()),
        Command::Print { needed: true } => {
            let generation = loader.load().await.map_err(invalid)?.generation;
            let in_use = policy.of(|name| generation.actionners.contains_key(name));
            print(in_use.narrowed(&generation.needs()).to_yaml().trim_end());
        }
        Command::Check => {
            let warnings: Vec<Problem> = policy.warnings().iter().cloned().map(Problem::Policy).collect();
            context.report(Level::Warn, &warnings);
            let problems = loader.check_policy(&policy).await;
            if !problems.is_empty() {
                return Err(invalid(problems));
            }
            context.logger.line(Level::Info, "policy").field("result", "policy file valid").write();
        }
        Command::Explain(asked) => {
            let text = explain(asked, &policy).map_err(|error| context.fail("policy", &error))?;
            print(text.trim_end());
        }
    }
    Ok(())
}

fn explain(asked: &Explain, policy: &Policy) -> Result<String, String> {
    let body = std::fs::read(&asked.event).map_err(|error| format!("open {}: {error}", asked.event.display()))?;
    let event = Event::from_json(&body).map_err(|error| format!("{}: {error}", asked.event.display()))?;
    let facts = Facts::of(&event);
    let entry = policy.entry(&asked.actionner);
    let refused = event.refused_request().map_or_else(String::new, |refused| {
        format!("The API server refused the request ({refused}), so that what it names is no target.\n")
    });
    let (Some(verb), Some(resource)) = (&asked.verb, &asked.resource) else {
        return Ok(refused + &abilities(&asked.actionner, &entry, &facts));
    };
    let resource: ResourceName = resource.parse()?;
    let fields = asked.fields.iter().map(|field| field.parse()).collect::<Result<Vec<TouchedField>, _>>()?;
    let request = KubernetesRequest {
        verb: verb.parse()?,
        group: &resource.group,
        resource: &resource.resource,
        subresource: resource.subresource.as_deref(),
        namespace: asked.namespace.as_deref(),
        name: asked.name.as_deref(),
        fields: &fields,
        node: None,
    };
    Ok(refused + &call(&asked.actionner, &entry, &facts, &request))
}

//! `actionners list` and `actionners inspect`: what a component says of itself, and what it
//! asks for.

use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Map, Value, json};

use super::catalogue;
use super::context::Context;
use super::files::Files;
use super::listing::{listed, yaml};
use super::print::print;
use crate::actionner::{Description, Inspection, OutputUse, SCHEMA};
use crate::generation::Problem;
use crate::telemetry::logs::Level;
use policy::{Entry, Import, Policy, rbac};
use rules::Parameter;

/// List actionners, or look into a component
#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// List the bundled actionners, and those of the configuration's directory
    List {
        /// As sections of Markdown, with what the policy grants
        #[arg(long)]
        markdown: bool,
    },
    /// Print a component's imports, schema, digest, and a policy entry to paste
    Inspect {
        /// The component
        file: PathBuf,
    },
    /// Print the JSON Schema of what a component says of itself
    Schema,
}

pub(super) async fn run(command: &Command, files: &Files) -> Result<(), ExitCode> {
    if let Command::Schema = command {
        print(SCHEMA.trim_end());
        return Ok(());
    }
    let context = Context::new(files)?;
    let loader = context.loader()?;
    let policy = loader.policy().map_err(|problems| {
        context.report(Level::Error, &problems);
        ExitCode::FAILURE
    })?;
    let problems = match command {
        Command::Schema => Vec::new(),
        Command::List { markdown } => {
            let (inspections, problems) = loader.inspect(&policy, |_| true).await;
            warn(&context, &inspections);
            if *markdown {
                print(catalogue::markdown(&inspections, &policy).trim_end());
            } else {
                inspections.iter().for_each(|inspection| print(&item(inspection, &policy)));
            }
            problems
        }
        Command::Inspect { file } => match loader.inspect_file(&policy, file).await {
            Ok(inspection) => {
                warn(&context, std::slice::from_ref(&inspection));
                print(&inspected(&inspection, &policy));
                Vec::new()
            }
            Err(problem) => vec![problem],
        },
    };
    context.report(Level::Error, &problems);
    if problems.is_empty() { Ok(()) } else { Err(ExitCode::FAILURE) }
}

fn warn(context: &Context, inspections: &[Inspection]) {
    let warnings: Vec<Problem> = inspections.iter().flat_map(Problem::of_description).collect();
    context.report(Level::Warn, &warnings);
}

/// An item of the list, in the original's shape, with the imports added.
fn item(inspection: &Inspection, policy: &Policy) -> String {
    let description = &inspection.description;
    let (category, name) = description.name.split_once(':').unwrap_or_default();
    let sources = if description.sources.is_empty() { "any".to_owned() } else { description.sources.join(", ") };
    let item = [
        ("parameters", parameters(&description.parameters)),
        ("name", name.into()),
        ("category", category.into()),
        ("description", description.summary.as_str().into()),
        ("source", sources.into()),
        ("permissions", permissions(inspection, policy)),
        ("example", description.example.as_str().into()),
        ("required_output_fields", required_fields(description)),
        ("continue", description.continue_by_default.into()),
        ("use_context", description.use_context.into()),
        ("allow_output", (description.output == OutputUse::Optional).into()),
        ("require_output", (description.output == OutputUse::Required).into()),
        ("imports", imports(&inspection.imports)),
        ("ungranted", ungranted(inspection, policy)),
    ];
    listed(description.name.as_str(), &item)
}

fn inspected(inspection: &Inspection, policy: &Policy) -> String {
    let description = &inspection.description;
    let item = [
        ("name", description.name.as_str().into()),
        ("version", description.version.as_str().into()),
        ("description", description.summary.as_str().into()),
        ("digest", inspection.digest.as_str().into()),
        ("imports", imports(&inspection.imports)),
        ("ungranted", ungranted(inspection, policy)),
        ("required_output_fields", required_fields(description)),
        ("reads", description.reads.as_ref().map_or_else(|| "all".into(), |fields| json!(fields))),
        ("repeatable", description.repeatable.into()),
        ("parameters_schema", description.parameters.clone()),
    ];
    let entry = inspection.policy_entry();
    format!("{}# The least that a policy must say for it to be loaded:\n{}", yaml(&item), entry.trim_end())
}

/// Each parameter with its default; the name of one that must be given says so.
fn parameters(schema: &Value) -> Value {
    let parameter = |Parameter { name, schema, is_required }: Parameter<'_>| {
        let name = if is_required { format!("{name} (required)") } else { name.to_owned() };
        let default = schema.get("default").cloned().unwrap_or_else(|| empty(&schema["type"]));
        (name, default)
    };
    Value::Object(rules::parameters(schema).into_iter().map(parameter).collect::<Map<_, _>>())
}

/// What a parameter without a default is shown as: the empty value of its type.
fn empty(of_type: &Value) -> Value {
    match of_type.as_str() {
        Some("object") => json!({}),
        Some("array") => json!([]),
        Some("boolean") => json!(false),
        _ => json!(""),
    }
}

/// One text a set, of which the event must carry one.
fn required_fields(description: &Description) -> Value {
    description.required_fields.iter().map(|set| set.join(", ")).collect()
}

/// What the cluster must allow the host for it.
fn permissions(inspection: &Inspection, policy: &Policy) -> Value {
    match policy.entry(&inspection.description.name) {
        Entry::Granted(grants) => {
            rbac::manifests([&*grants], &[], None).unwrap_or_else(|error| error.to_string()).into()
        }
        Entry::Forbidden | Entry::Missing => "".into(),
    }
}

fn imports(imports: &[Import]) -> Value {
    imports.iter().map(Import::to_string).collect()
}

/// What of the imports the policy's entry does not grant; null where there is none, or no entry.
fn ungranted(inspection: &Inspection, policy: &Policy) -> Value {
    let name = &inspection.description.name;
    let Entry::Granted(grants) = policy.entry(name) else { return Value::Null };
    let missing = policy.missing_grants(name, &inspection.imports);
    // Either it is refused for them, or they are denied.
    let refused = missing.into_iter().map(|missing| missing.import);
    let ungranted: Vec<Import> = refused.chain(grants.ungranted(&inspection.imports)).collect();
    if ungranted.is_empty() { Value::Null } else { imports(&ungranted) }
}

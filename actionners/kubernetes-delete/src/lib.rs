//! `kubernetes:delete`: deletes the object that an audit event is about.
//!
//! Two calls: one to learn what the resource is, one to delete. The object is not read before,
//! since a secret's content is nobody's business here. Does not know which resources there are,
//! nor which of them may be deleted: the API server and the policy do.

mod target;

use falco_talon_sdk::kubernetes::{self, DeleteOptions};
use falco_talon_sdk::{Actionner, Context, Description, Event, Failure, Outcome, Report};
use serde::Deserialize;
use serde::de::IgnoredAny;

use target::{Named, Target};

struct Delete;

falco_talon_sdk::export!(Delete);

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    /// Published examples have it, where it never did anything.
    #[serde(rename = "tail_lines")]
    _tail_lines: Option<IgnoredAny>,
}

impl Actionner for Delete {
    const DESCRIPTION: Description = Description {
        name: "kubernetes:delete",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Delete the resource",
        sources: &["k8s_audit"],
        example: include_str!("../example.yaml"),
        parameters_schema: include_str!("../parameters.json"),
        // What is in a namespace needs `ka.target.namespace` too: only the API server knows.
        required_fields: &[&["ka.target.resource", "ka.target.name"]],
        continue_by_default: false,
        ..Description::DEFAULT
    };

    type Parameters = Parameters;

    fn run(event: &Event, _: &Parameters, _: &Context) -> Result<Outcome, Failure> {
        let named = Named::by(event)?;
        let offered = kubernetes::discover(named.resource).map_err(|error| {
            named.concerned(Failure::from_error(format_args!("can't find the resource '{}'", named.resource), &error))
        })?;
        let target = Target::among(&named, &offered).map_err(|failure| named.concerned(failure))?;
        let options = DeleteOptions::default();
        kubernetes::delete(&target.object, &options).map_err(|error| named.concerned(target.failure(&error)))?;
        Ok(Outcome::Done(named.touched(Report::new(format!("{target} has been deleted")))))
    }
}

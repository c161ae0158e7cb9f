//! What the author of an actionner in Rust depends on.
//!
//! An actionner is a type that implements [`Actionner`]: a [`Description`], its parameters as a
//! serde struct, and a `run` that responds to one [`Event`]. [`export!`] makes it the component's
//! one export. This is a whole one:
//!
//! ```
//! use falco_talon_sdk::kubernetes::{self, PatchType};
//! use falco_talon_sdk::{Actionner, Context, Description, Event, Failure, Outcome};
//!
//! struct Mark;
//!
//! falco_talon_sdk::export!(Mark);
//!
//! #[derive(PartialEq, serde::Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Parameters {
//!     reason: String,
//! }
//!
//! impl Actionner for Mark {
//!     const DESCRIPTION: Description = Description {
//!         name: "acme:mark",
//!         version: "1.0.0",
//!         summary: "Write the reason into an annotation of the pod",
//!         sources: &["syscall"],
//!         example: "{action: Mark it, actionner: 'acme:mark', parameters: {reason: shell}}",
//!         // Better a file of its own, read with `include_str!`.
//!         parameters_schema: r#"{
//!             "$schema": "https://json-schema.org/draft/2020-12/schema",
//!             "type": "object",
//!             "additionalProperties": false,
//!             "required": ["reason"],
//!             "properties": {"reason": {"type": "string", "description": "why", "examples": ["shell"]}}
//!         }"#,
//!         required_fields: &[&["k8s.pod.name", "k8s.ns.name"]],
//!         reads: Some(&[]),
//!         repeatable: true,
//!         ..Description::DEFAULT
//!     };
//!
//!     type Parameters = Parameters;
//!
//!     fn run(event: &Event, parameters: &Parameters, _: &Context) -> Result<Outcome, Failure> {
//!         let pod = event.pod()?;
//!         let annotations = serde_json::json!({ "acme.example/reason": parameters.reason });
//!         let body = serde_json::json!({ "metadata": { "annotations": annotations } });
//!         kubernetes::patch(&pod.object(), PatchType::Merge, &body)
//!             .map_err(|error| pod.failure("mark", &error))?;
//!         Ok(Outcome::Done(pod.report("has been marked")))
//!     }
//! }
//! # assert_eq!(falco_talon_sdk::schema::disagreements::<Parameters>(Mark::DESCRIPTION.parameters_schema), [""; 0]);
//! # assert!(Mark::DESCRIPTION.has_example_of_its_own());
//! ```
//!
//! [`export!`] brings tests, too: `cargo test` in your crate fails where the schema and the struct
//! don't agree, or the example is not one of this actionner. Your own tests come beside these.
//!
//! Keep what decides (a pure `plan(event, parameters)`) apart from what calls [`kubernetes`]:
//! the capabilities exist inside the host only, so calling one in a native test panics.
//!
//! This crate does not know the policy, nor what the host does with a failure: it speaks the
//! contract, of which it has a copy in `wit/`, and nothing else. It does not know what an actionner does either; what
//! several of those that come with Falco Talon do in the same way is in a crate of theirs.

// What an actionner is, what it is given, and how it becomes a component.
mod actionner;
mod description;
mod event;
mod export;

// What the event names: how it is found, addressed and reported.
pub mod container;
mod node;
mod owner;
mod pod;
mod workload;

// What the host offers, one capability a module.
pub mod artifacts;
pub mod clock;
pub mod exec;
pub mod functions;
pub mod http;
pub mod kubernetes;
pub mod log;
pub mod objects;

// Values of the event on their way into a container, and words on their way out.
pub mod text;
pub mod variables;

// How it ends, and whether what it says of itself is so.
mod failure;
mod panic;
pub mod schema;

#[doc(hidden)]
pub mod bindings;

pub use actionner::{Actionner, Context};
pub use bindings::exports::falco_talon::actionner::action::{Failure, FailureKind, Outcome, Report};
pub use container::Containers;
pub use description::{Description, OutputUse};
pub use event::Event;
pub use node::Node;
pub use owner::Owner;
pub use pod::Pod;
pub use variables::Variables;
pub use workload::Workload;

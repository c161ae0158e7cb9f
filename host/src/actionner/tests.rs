//! What the bundled components say of themselves, and how components of others are met.

mod crowd;
mod misfits;
mod places;
pub(crate) mod probe;

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use actionners::{BUNDLE, Bundled};
use expect_test::expect_file;
use outputs::Room;
use policy::{Facts, Grants, Limits};
use serde_json::Value;
use wasmtime::component::Component;

use super::component::{check, link};
use super::{
    Actionner, Candidate, Compiler, Description, Engine, Inspection, Invocation, LoadError, Origin, digest, instance,
    serve_one,
};
use crate::capability::Call;
use crate::clients::Clients;
use crate::telemetry::Reporting;
use crate::telemetry::audit::Audit;
use crate::telemetry::logs::{Format, Logger};
use crate::telemetry::metrics::Metrics;

/// What the default policy allows.
const MEMORY_BYTES_MAX: usize = 64 << 20;

/// Says to a process of this test binary that it is one that compiles.
const COMPILES: &str = "FALCO_TALON_TEST_COMPILES";

pub(crate) fn silent() -> Reporting {
    let logger = Logger::new(Format::Json, std::io::sink());
    let metrics = Metrics::new("", 1).unwrap();
    Reporting::new(logger.clone(), metrics, Audit::to_log(logger))
}

/// This test binary in the place of the program, which runs itself to compile components.
pub(crate) fn compiler() -> Compiler {
    Compiler(|| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["actionner::tests::compiles", "--exact"]).env(COMPILES, "1");
        command
    })
}

pub(crate) fn engine(concurrency_max: usize) -> Engine {
    Engine::new(concurrency_max, compiler()).unwrap()
}

#[test]
fn compiles() {
    if std::env::var_os(COMPILES).is_some() {
        serve_one().unwrap();
    }
}

/// A call that may use so much memory, and reach nothing.
fn call(memory_bytes_max: usize) -> Call {
    let (room, clients) = (Room::new(0), Clients::default());
    Call::new(grants(memory_bytes_max), Facts::default(), true, String::new(), clients, room, silent())
}

pub(super) fn grants(memory_bytes_max: usize) -> Arc<Grants> {
    let none = Grants::none("probe:one".to_owned());
    Arc::new(Grants { limits: Limits { memory_bytes_max, ..none.limits }, ..none })
}

async fn load(engine: &Engine, component: Vec<u8>, memory_bytes_max: usize) -> Result<Actionner, LoadError> {
    let described = call(memory_bytes_max);
    let digest = digest(&component);
    let candidate = Candidate::new(Origin::Bundled, component.into(), digest)?;
    let inspection = Inspection::new(engine, None, candidate, None, described).await?;
    Actionner::load(engine, None, inspection, grants(memory_bytes_max)).await
}

/// What comes of a call.
async fn run(actionner: &Actionner, memory_bytes_max: usize) -> String {
    let text = || "{}".to_owned();
    let invocation = Invocation { event: text(), parameters: text(), context: text(), trace_id: String::new() };
    match actionner.call(&invocation, call(memory_bytes_max)).await {
        Ok(output) => format!("{:?}", output.result.unwrap()),
        Err(error) => error.to_string(),
    }
}

/// `description.json` of an actionner's folder is what its component answers, so that a start need not ask.
#[tokio::test(flavor = "multi_thread")]
async fn bundled_descriptions_are_those_of_the_components() {
    let engine = engine(1);
    for Bundled { name, component, .. } in BUNDLE {
        let compiled = Component::from_binary(&engine.for_memory(0).engine, component).unwrap();
        let pre = link(&compiled, &check(component).unwrap()).unwrap();
        let text = instance::describe(&pre, call(MEMORY_BYTES_MAX)).await.unwrap();
        let (description, warnings) = Description::parse(&text).unwrap();
        assert_eq!((description.name.as_str(), warnings), (*name, Vec::new()));
        let value: Value = serde_json::from_str(&text).unwrap();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../actionners").join(name.replace(':', "-"));
        expect_file![folder.join("description.json")].assert_eq(&format!("{value:#}\n"));
    }
}

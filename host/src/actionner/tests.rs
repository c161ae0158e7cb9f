//! What the bundled components say of themselves, and how components of others are met.

mod misfits;
mod probe;

use std::path::Path;
use std::sync::Arc;

use actionners::{BUNDLE, Bundled};
use expect_test::expect_file;
use policy::{Facts, Grants};
use serde_json::Value;
use wasmtime::component::Component;

use super::component::{check, link};
use super::{Description, Engine, instance};
use crate::capability::Call;
use crate::clients::Clients;
use crate::telemetry::Reporting;
use crate::telemetry::audit::Audit;
use crate::telemetry::logs::{Format, Logger};
use crate::telemetry::metrics::Metrics;

fn silent() -> Reporting {
    let logger = Logger::new(Format::Json, std::io::sink());
    let metrics = Metrics::new("", 1).unwrap();
    Reporting { logger: logger.clone(), metrics, audit: Audit::to_log(logger) }
}

/// `description.json` of an actionner's folder is what its component answers, so that a start need not ask.
#[tokio::test(flavor = "multi_thread")]
async fn bundled_descriptions_are_those_of_the_components() {
    let engine = Engine::new(1).unwrap();
    for Bundled { name, component, .. } in BUNDLE {
        let compiled = Component::from_binary(engine.for_memory(0), component).unwrap();
        let pre = link(&compiled, &check(component).unwrap()).unwrap();
        let (grants, clients) = (Arc::new(Grants::none((*name).to_owned())), Clients::default());
        let call = Call::new(grants, Facts::default(), true, String::new(), clients, silent());
        let text = instance::describe(&pre, call).await.unwrap();
        let (description, warnings) = Description::parse(&text).unwrap();
        assert_eq!((description.name.as_str(), warnings), (*name, Vec::new()));
        let value: Value = serde_json::from_str(&text).unwrap();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../actionners").join(name.replace(':', "-"));
        expect_file![folder.join("description.json")].assert_eq(&format!("{value:#}\n"));
    }
}

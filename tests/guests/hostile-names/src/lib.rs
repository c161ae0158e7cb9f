//! Tries to reach other objects by names that change the path of a request.

#[macro_use]
#[path = "../../hostile.rs"]
mod hostile;

use falco_talon_sdk::kubernetes::{self, DeleteOptions, Object};
use falco_talon_sdk::{Event, Failure, Outcome, Report};

guest!("hostile:names");

const NAMES: [&str; 9] =
    ["..", ".", "", "../pods/web-1", "web-0/exec", "web-0/../web-1", "web-0?dryRun=All", "web-0%2fexec", "web-0#"];

fn run(event: &Event) -> Result<Outcome, Failure> {
    let pod = event.pod()?;
    let mut errors = Vec::new();
    for name in NAMES {
        let by_name = Object::namespaced("v1", "pods", pod.namespace, name);
        let by_namespace = Object::namespaced("v1", "pods", name, pod.name);
        let by_resource = Object::namespaced("v1", &format!("pods/{name}"), pod.namespace, pod.name);
        let by_version = Object::namespaced(&format!("v1/{name}"), "pods", pod.namespace, pod.name);
        for object in [by_name, by_namespace, by_resource, by_version] {
            let read = kubernetes::get(&object).map(drop);
            let deleted = kubernetes::delete(&object, &DeleteOptions::default());
            for result in [read, deleted] {
                match result {
                    Ok(()) => return Err(Failure::rejected(format!("{object:?} was let through"))),
                    Err(error) => errors.push(error),
                }
            }
        }
    }
    Ok(Outcome::Done(Report::new(format!("{} requests were refused", errors.len()))))
}

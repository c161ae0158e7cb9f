//! `kubernetes:download`: downloads a file from the pod of an event.
//!
//! `cat` reads it in the container, and its output goes straight into the artifact: the image
//! needs nothing else, and the file may be of any length. Does not look at the content.

mod media_type;

use falco_talon_sdk::artifacts::Artifact;
use falco_talon_sdk::exec::{ExecOptions, Exit, exec_into};
use falco_talon_sdk::kubernetes::Error;
use falco_talon_sdk::{
    Actionner, Containers, Context, Description, Event, Failure, Outcome, OutputUse, Pod, Report, Variables, text,
};
use serde::Deserialize;

struct Download;

falco_talon_sdk::export!(Download);

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    file: String,
    /// None: the one that the event comes from, then the others.
    container: Option<String>,
    #[serde(rename = "tail_lines")]
    _tail_lines: Option<u64>,
}

impl Actionner for Download {
    const DESCRIPTION: Description = Description {
        name: "kubernetes:download",
        version: env!("CARGO_PKG_VERSION"),
        summary: "Download a file from a pod",
        sources: &["syscall", "k8s_audit"],
        example: include_str!("../example.yaml"),
        parameters_schema: include_str!("../parameters.json"),
        required_fields: Pod::FIELDS,
        use_context: true,
        output: OutputUse::Required,
        ..Description::DEFAULT
    };

    type Parameters = Parameters;

    fn run(event: &Event, parameters: &Parameters, context: &Context) -> Result<Outcome, Failure> {
        let pod = event.pod()?;
        let file = plan(event, parameters, context).map_err(|failure| pod.concerned(failure))?;
        let concerned = |failure: Failure| failure.object("file", &file);
        let object = pod.read().map_err(concerned)?;
        let containers = Containers::of(pod, &object);
        let order = order(containers, parameters, event).map_err(concerned)?;
        let container = download(pod, &file, &order).map_err(|failure| concerned(pod.concerned(failure)))?;
        let report = pod.touched(Report::new(format!("the file '{file}' has been downloaded")));
        Ok(Outcome::Done(report.object("container", container).object("file", file)))
    }
}

/// The path, with the event's values in it.
fn plan(event: &Event, parameters: &Parameters, context: &Context) -> Result<String, Failure> {
    let file = Variables::of(event, context).expand(&parameters.file)?;
    if file.contains('\0') {
        return Err(Failure::rejected(format!("the path '{file}' has a NUL character, which none can have")));
    }
    Ok(file)
}

/// The containers in which to look for the file: the one that is asked for, else the event's, and
/// then the others.
fn order<'a>(containers: Containers<'a>, parameters: &Parameters, event: &Event) -> Result<Vec<&'a str>, Failure> {
    let mut order = containers.choose(parameters.container.as_deref(), event)?;
    if parameters.container.is_none() {
        let first = order[0];
        order.extend(containers.regular().into_iter().filter(|name| *name != first));
    }
    Ok(order)
}

/// Fills one artifact from the first container that has the file, and returns which it was.
fn download<'a>(pod: Pod<'_>, file: &str, order: &[&'a str]) -> Result<&'a str, Failure> {
    // A path may hold any character, what it is stored as must not.
    let name: String = file.chars().map(|c| if c.is_control() { '_' } else { c }).collect();
    let artifact = Artifact::create(&name, media_type::of(file))
        .map_err(|error| Failure::from_error(format_args!("can't store the file '{file}'"), &error))?;
    // After two dashes a path that begins with one is a path, too.
    let command = ["cat", "--", file].map(str::to_owned);
    let mut failures = Vec::new();
    for name in order {
        let ending = exec_into(&pod.container(name), &command, &ExecOptions::default(), &artifact);
        let Some(attempt) = failed(pod, file, name, &ending) else { return Ok(name) };
        failures.push((*name, attempt.failure));
        if !attempt.left_nothing {
            break;
        }
    }
    Err(conclude(failures))
}

/// A container that did not yield the file.
#[derive(Debug, PartialEq)]
struct Attempt {
    failure: Failure,
    /// Whether the artifact is as empty as before, so that another container can fill it.
    left_nothing: bool,
}

/// What an ending says; none where it yielded the file.
fn failed(pod: Pod<'_>, file: &str, container: &str, ending: &Result<Exit, Error>) -> Option<Attempt> {
    let doing = format!("can't download the file '{file}' from the container '{container}' of {pod}");
    let exit = match ending {
        Ok(exit) => exit,
        Err(Error::TooLarge) => {
            let failure = Failure::rejected(format!("{doing}: it is larger than the policy allows"));
            return Some(Attempt { failure, left_nothing: false });
        }
        Err(error) => {
            // Others may have come in the middle, and then a part of the file is in the artifact.
            let left_nothing = matches!(error, Error::Denied(_) | Error::NotFound | Error::Invalid(_));
            return Some(Attempt { failure: Failure::from_error(doing, error), left_nothing });
        }
    };
    if exit.code == 0 {
        return None;
    }
    let reason = text::plain(&exit.stderr);
    let reason =
        if reason.is_empty() { "without a word".to_owned() } else { text::beginning(&reason, text::BYTES_MAX / 8) };
    let failure = Failure::other(format!("{doing}: cat ended with the exit code {}: {reason}", exit.code));
    // It reads nothing from a file that it can't open, and nothing where there is no `cat`. From
    // a disk that fails it may have read some.
    let could_not_open = ["No such file", "ermission denied", "s a directory", "ot a directory"];
    let left_nothing = matches!(exit.code, 126 | 127) || could_not_open.iter().any(|words| reason.contains(words));
    Some(Attempt { failure, left_nothing })
}

/// One failure of them all: the container that was asked first matters most.
fn conclude(failures: Vec<(&str, Failure)>) -> Failure {
    let others: Vec<_> = failures.iter().skip(1).map(|(name, _)| format!("'{name}'")).collect();
    let Some((_, mut first)) = failures.into_iter().next() else {
        return Failure::rejected("no container found");
    };
    if !others.is_empty() {
        first.message = format!("{}; nor from the others: {}", first.message, others.join(", "));
    }
    first
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const POD: Pod<'_> = Pod { namespace: "n", name: "p" };

    fn parameters(value: Value) -> Parameters {
        serde_json::from_value(value).unwrap()
    }

    fn event(fields: Value) -> Event {
        Event { output_fields: fields.as_object().unwrap().clone(), ..Event::default() }
    }

    #[test]
    fn the_path_is_that_of_the_event() {
        fn check(file: &str, fields: Value, expected: Result<&str, &str>) {
            let file = plan(&event(fields), &parameters(json!({ "file": file })), &Context::default());
            let file = file.map_err(|failure| failure.message);
            assert_eq!(file.as_deref().map_err(String::as_str), expected);
        }
        check("/etc/passwd", json!({}), Ok("/etc/passwd"));
        check("${FD_NAME}", json!({"fd.name": "; touch /tmp/pwned #"}), Ok("; touch /tmp/pwned #"));
        check("${FD_NAME}", json!({"fd.name": "$(id)"}), Ok("$(id)"));
        check("${FD_NAME}", json!({"fd.name": "-n"}), Ok("-n"));
        check("${FD_NAME}", json!({"fd.name": null}), Err("the event has no value for '${FD_NAME}'"));
        check("${FD_NAME}", json!({}), Err("the event has no value for '${FD_NAME}'"));
    }

    #[test]
    fn the_container_of_the_event_comes_first() {
        fn check(given: Value, fields: Value, expected: &[&str]) {
            let object = json!({"spec": {"containers": [{"name": "a"}, {"name": "b"}, {"name": "c"}]}});
            let mut given = given;
            given["file"] = json!("/a");
            let order = order(Containers::of(POD, &object), &parameters(given), &event(fields));
            assert_eq!(order.unwrap(), expected);
        }
        check(json!({}), json!({}), &["a", "b", "c"]);
        check(json!({}), json!({"container.name": "b"}), &["b", "a", "c"]);
        check(json!({"container": "c"}), json!({"container.name": "b"}), &["c"]);
        check(json!({"container": "all"}), json!({}), &["a", "b", "c"]);
    }

    fn exit(code: i32, stderr: &str) -> Result<Exit, Error> {
        Ok(Exit { code, stdout: Vec::new(), stderr: stderr.into(), truncated: false })
    }

    #[test]
    fn only_an_untouched_artifact_is_used_again() {
        fn check(ending: Result<Exit, Error>, left_nothing: bool, reason: &str) {
            let attempt = failed(POD, "/a", "web", &ending).unwrap();
            let doing = "can't download the file '/a' from the container 'web' of the pod 'p' in the namespace 'n'";
            assert_eq!(attempt.failure.message, format!("{doing}: {reason}"));
            assert_eq!(attempt.left_nothing, left_nothing, "{reason}");
        }
        let missing = "cat: can't open '/a': No such file or directory\n";
        check(exit(1, missing), true, &format!("cat ended with the exit code 1: {}", missing.trim_end()));
        check(
            exit(1, "cat: /a: Permission denied"),
            true,
            "cat ended with the exit code 1: cat: /a: Permission denied",
        );
        check(
            exit(1, "cat: read error: I/O error"),
            false,
            "cat ended with the exit code 1: cat: read error: I/O error",
        );
        check(exit(137, ""), false, "cat ended with the exit code 137: without a word");
        check(exit(127, "cat: not found"), true, "cat ended with the exit code 127: cat: not found");
        check(Err(Error::Unavailable("gone".to_owned())), false, "gone");
        check(Err(Error::Other("gone".to_owned())), false, "gone");
        check(Err(Error::Denied("no grant".to_owned())), true, "denied by the policy: no grant");
        check(Err(Error::TooLarge), false, "it is larger than the policy allows");
        assert_eq!(failed(POD, "/a", "web", &exit(0, "")), None);
    }

    #[test]
    fn the_first_container_is_told_about() {
        let failures =
            vec![("a", Failure::other("one")), ("b", Failure::rejected("two")), ("c", Failure::other("three"))];
        assert_eq!(conclude(failures), Failure::other("one; nor from the others: 'b', 'c'"));
        assert_eq!(conclude(vec![("a", Failure::rejected("one"))]), Failure::rejected("one"));
    }
}

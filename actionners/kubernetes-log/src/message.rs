//! Logs as a message: marked, cut, and with a word where there are none.
//!
//! Does not read them.

use falco_talon_sdk::kubernetes::Error;
use falco_talon_sdk::{Failure, Pod, text};

/// The logs of these containers, in their order; a failure where none of them has one to give.
pub(crate) fn of_logs(
    pod: Pod<'_>,
    containers: &[&str],
    logs: &[Result<String, Error>],
    marked: bool,
) -> Result<String, Failure> {
    let bytes_max = text::BYTES_MAX / logs.len().max(1);
    let (mut message, mut lacking) = (String::new(), Vec::new());
    for (container, log) in containers.iter().zip(logs) {
        let log = match log {
            // What happened last is at the end.
            Ok(log) => text::end(&text::plain(log.as_bytes()), bytes_max),
            Err(error) => {
                let failure = failure(pod, container, error);
                let reason = format!("[{}]", failure.message);
                lacking.push(failure);
                reason
            }
        };
        if log.is_empty() {
            continue;
        }
        if !message.is_empty() {
            message.push_str("\n\n");
        }
        if marked {
            message.push_str(&text::mark(container));
        }
        message.push_str(&log);
    }
    if message.is_empty() {
        return Ok(nothing(pod));
    }
    if lacking.len() == logs.len()
        && let Some(first) = lacking.into_iter().next()
    {
        return Err(first);
    }
    Ok(message)
}

pub(crate) fn nothing(pod: Pod<'_>) -> String {
    format!("there are no logs for {pod}")
}

pub(crate) fn failure(pod: Pod<'_>, container: &str, error: &Error) -> Failure {
    match error {
        Error::NotFound => pod.failure("read", error),
        _ => {
            let doing = format_args!("can't read the log of the container '{container}' of {pod}");
            pod.concerned(Failure::from_error(doing, error))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POD: Pod<'_> = Pod { namespace: "n", name: "p" };

    #[test]
    fn logs_become_a_message() {
        fn check(logs: &[Result<String, Error>], marked: bool, expected: Result<&str, &str>) {
            let containers = &["web", "proxy"][..logs.len()];
            let found = of_logs(POD, containers, logs, marked).map_err(|failure| failure.message);
            assert_eq!(found.as_deref().map_err(String::as_str), expected);
        }
        let log = |text: &str| Ok(text.to_owned());
        let waiting = || Err(Error::Invalid("it is waiting to start".to_owned()));
        check(&[log("one\ntwo\n")], false, Ok("one\ntwo"));
        check(&[log("one\n")], true, Ok("==> web <==\none"));
        check(&[log("one\n"), log("two\n")], true, Ok("==> web <==\none\n\n==> proxy <==\ntwo"));
        check(&[log(""), log("\x1b[31mtwo\n")], true, Ok("==> proxy <==\ntwo"));
        check(&[log("")], false, Ok("there are no logs for the pod 'p' in the namespace 'n'"));
        check(&[log("\n"), log("")], true, Ok("there are no logs for the pod 'p' in the namespace 'n'"));
        let reason =
            "can't read the log of the container 'web' of the pod 'p' in the namespace 'n': it is waiting to start";
        check(&[waiting()], false, Err(reason));
        check(&[waiting(), waiting()], true, Err(reason));
        check(&[waiting(), log("two")], true, Ok(&format!("==> web <==\n[{reason}]\n\n==> proxy <==\ntwo")));
        check(&[Err(Error::NotFound)], false, Err("the pod 'p' in the namespace 'n' doesn't exist"));
    }

    #[test]
    fn the_end_of_a_long_log_is_kept() {
        let long = "a".repeat(text::BYTES_MAX) + "end";
        let message = of_logs(POD, &["web"], &[Ok(long)], false).unwrap();
        assert!(message.starts_with("[3 bytes before]\naaa") && message.ends_with("aend"));
    }
}

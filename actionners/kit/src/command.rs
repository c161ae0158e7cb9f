//! A rule's own command or script, run in containers of a pod.
//!
//! How a shell is started so that the event's values are in its environment and the script is on its standard input,
//! where that is, and what became of it. Does not know what a command does.

use std::fmt::Write as _;

use falco_talon_sdk::exec::{self, ExecOptions, Exit};
use falco_talon_sdk::kubernetes::Error;
use falco_talon_sdk::variables::respelled;
use falco_talon_sdk::{Containers, Context, Event, Failure, FailureKind, Outcome, Pod, Report, Variables, text};

/// The shells that read `{ …; } </dev/null`.
const SHELLS: [&str; 9] = ["sh", "ash", "dash", "bash", "ksh", "mksh", "yash", "zsh", BUSYBOX];

/// One program for all of Unix, the shell among it.
const BUSYBOX: &str = "busybox";

/// What is started in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    arguments: Vec<String>,
    stdin: String,
}

impl Command {
    /// A command line, for a shell.
    pub fn of_line(shell: &str, line: &str, variables: &Variables) -> Result<Self, Failure> {
        let line = respelled(line);
        let mut arguments = start(shell, &variables.assignments(&line)?);
        arguments.extend(["-c".to_owned(), line]);
        Ok(Self { arguments, stdin: String::new() })
    }

    /// A script, for a shell or another interpreter that reads one from its standard input.
    ///
    /// Nothing is left behind in the container. A shell reads as it goes, so that a command of
    /// the script which reads its standard input would eat what follows: shells of the usual
    /// kind are made to read all of it first, and then have nothing on their standard input.
    pub fn of_script(shell: &str, script: &str, variables: &Variables) -> Result<Self, Failure> {
        let script = respelled(script);
        let arguments = start(shell, &variables.assignments(&script)?);
        // The colon, since a group of commands may not be empty. It is on the first line, so
        // that the line numbers in what the shell complains of are those of the script.
        let stdin = if is_shell(shell) { format!("{{ :; {script}\n}} </dev/null\n") } else { script };
        Ok(Self { arguments, stdin })
    }

    /// The program and its arguments.
    #[must_use]
    pub fn arguments(&self) -> &[String] {
        &self.arguments
    }

    /// What the program reads from its standard input.
    #[must_use]
    pub fn stdin(&self) -> &str {
        &self.stdin
    }

    /// Runs it in the pod of the event, in the containers that the parameter `container` means: in one after the other,
    /// also where it failed in one. What it printed is the report.
    pub fn run(
        &self,
        pod: Pod<'_>,
        container: Option<&str>,
        event: &Event,
        context: &Context,
    ) -> Result<Outcome, Failure> {
        let object = pod.read()?;
        let containers = Containers::of(pod, &object).choose(container, event)?;
        let options = ExecOptions { stdin: self.stdin.as_bytes().to_vec(), ..ExecOptions::default() };
        let mut endings = Vec::new();
        for name in containers {
            let ending = exec::exec(&pod.container(name), &self.arguments, &options);
            endings.push((name, ending));
        }
        conclude(pod, &endings, context.is_dry_run())
    }
}

/// The parameter `shell` where a rule names none.
#[must_use]
pub fn default_shell() -> String {
    "/bin/sh".to_owned()
}

/// The shell, with variables in its environment. Without any it needs no `env` in the image.
fn start(shell: &str, assignments: &[String]) -> Vec<String> {
    let env = (!assignments.is_empty()).then(|| "env".to_owned());
    let applet = (program(shell) == BUSYBOX).then(|| "sh".to_owned());
    env.into_iter().chain(assignments.iter().cloned()).chain([shell.to_owned()]).chain(applet).collect()
}

fn program(shell: &str) -> &str {
    shell.rsplit('/').next().unwrap_or(shell)
}

fn is_shell(shell: &str) -> bool {
    SHELLS.contains(&program(shell))
}

/// What the endings in the containers make of the action.
fn conclude(pod: Pod<'_>, endings: &[(&str, Result<Exit, Error>)], dry_run: bool) -> Result<Outcome, Failure> {
    if let [(container, ending)] = endings {
        return match printed(pod, container, ending, text::BYTES_MAX, dry_run) {
            Ok(message) => Ok(Outcome::Done(pod.touched(Report::new(message)).object("container", *container))),
            Err(failure) => Err(pod.concerned(failure).object("container", *container)),
        };
    }
    let bytes_max = text::BYTES_MAX / endings.len().max(1);
    let (mut message, mut failures) = (String::new(), Vec::new());
    for (container, ending) in endings {
        let text = printed(pod, container, ending, bytes_max, dry_run).unwrap_or_else(|failure| {
            failures.push(failure.kind);
            failure.message
        });
        let _ = writeln!(message, "{}{text}", text::mark(container));
    }
    let message = message.trim_end();
    if failures.is_empty() {
        return Ok(Outcome::Done(pod.touched(Report::new(message))));
    }
    let (failed, all) = (failures.len(), endings.len());
    let message = format!("the command failed in {failed} of {all} containers of {pod}\n{message}");
    // Tried again, it would run a second time where it has run already, or may have.
    let has_not_run = |kind: &FailureKind| matches!(kind, FailureKind::Rejected | FailureKind::Unavailable);
    let kind = match failures[0] {
        kind if failed == all && failures.iter().all(has_not_run) => kind,
        _ if failures.contains(&FailureKind::Unknown) => FailureKind::Unknown,
        _ => FailureKind::Other,
    };
    Err(pod.concerned(Failure { kind, ..Failure::other(message) }))
}

/// What a command printed, in one container.
fn printed(
    pod: Pod<'_>,
    container: &str,
    ending: &Result<Exit, Error>,
    bytes_max: usize,
    dry_run: bool,
) -> Result<String, Failure> {
    let place = format!("in the container '{container}' of {pod}");
    let exit = match ending {
        Ok(exit) => exit,
        Err(Error::NotFound) => {
            return Err(Failure::rejected(format!("{pod} or its container '{container}' doesn't exist")));
        }
        Err(error) => return Err(Failure::from_error(format_args!("can't run the command {place}"), error)),
    };
    let dropped = if exit.truncated { "\n[the rest was too long]" } else { "" };
    let stdout = text::plain(&exit.stdout);
    if exit.code == 0 {
        return Ok(match stdout.as_str() {
            "" if dry_run => format!("the command has been run {place}"),
            "" => format!("the command has been run {place}, and printed nothing"),
            _ => format!("{}{dropped}", text::beginning(&stdout, bytes_max)),
        });
    }
    let mut message = format!("the command ended with the exit code {} {place}", exit.code);
    let stderr = text::plain(&exit.stderr);
    for (stream, text) in [("standard error", stderr), ("standard output", stdout)] {
        if !text.is_empty() {
            let _ = write!(message, "; {stream}: {}", text::beginning(&text, bytes_max / 2));
        }
    }
    Err(Failure::other(format!("{message}{dropped}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const POD: Pod<'_> = Pod { namespace: "n", name: "p" };

    fn variables() -> Variables {
        let fields = json!({"fd.name": "; touch /tmp/pwned #", "proc.cmdline": "$(id)"});
        let event = Event { output_fields: fields.as_object().unwrap().clone(), ..Event::default() };
        let values = json!({"falco-talon.rule": "Respond"}).as_object().unwrap().clone();
        Variables::of(&event, &Context { trace_id: String::new(), values })
    }

    #[test]
    fn values_are_arguments_of_their_own() {
        fn check(shell: &str, line: &str, expected: &[&str]) {
            let command = Command::of_line(shell, line, &variables()).unwrap();
            assert_eq!(command.arguments, expected);
            assert_eq!(command.stdin, "");
        }
        check("/bin/sh", "ls | wc -l", &["/bin/sh", "-c", "ls | wc -l"]);
        check(
            "/bin/sh",
            "for i in 1; do echo $i $? ${X:-d} $(id); done",
            &["/bin/sh", "-c", "for i in 1; do echo $i $? ${X:-d} $(id); done"],
        );
        check(
            "/bin/bash",
            "rm ${FD_NAME}",
            &["env", "FD_NAME=; touch /tmp/pwned #", "/bin/bash", "-c", "rm ${FD_NAME}"],
        );
        check(
            "busybox",
            "echo $PROC_CMDLINE",
            &["env", "PROC_CMDLINE=$(id)", "busybox", "sh", "-c", "echo $PROC_CMDLINE"],
        );
        check(
            "sh",
            "echo ${FALCO-TALON_RULE}",
            &["env", "FALCO_TALON_RULE=Respond", "sh", "-c", "echo ${FALCO_TALON_RULE}"],
        );
    }

    #[test]
    fn scripts_are_on_standard_input() {
        fn check(shell: &str, script: &str, arguments: &[&str], stdin: &str) {
            let command = Command::of_script(shell, script, &variables()).unwrap();
            assert_eq!(
                (command.arguments, command.stdin.as_str()),
                (arguments.iter().map(ToString::to_string).collect(), stdin)
            );
        }
        check("/bin/sh", "cat\nls", &["/bin/sh"], "{ :; cat\nls\n} </dev/null\n");
        check("/bin/bash", "#!/bin/bash\n", &["/bin/bash"], "{ :; #!/bin/bash\n\n} </dev/null\n");
        check(
            "zsh",
            "rm $FD_NAME",
            &["env", "FD_NAME=; touch /tmp/pwned #", "zsh"],
            "{ :; rm $FD_NAME\n} </dev/null\n",
        );
        check("/bin/busybox", "ls", &["/bin/busybox", "sh"], "{ :; ls\n} </dev/null\n");
        let python = "import os\nprint(os.environ['PROC_CMDLINE'])";
        check("/usr/bin/python3", python, &["env", "PROC_CMDLINE=$(id)", "/usr/bin/python3"], python);
    }

    fn exit(code: i32, stdout: &str, stderr: &str) -> Result<Exit, Error> {
        Ok(Exit { code, stdout: stdout.into(), stderr: stderr.into(), truncated: false })
    }

    fn message(endings: &[(&str, Result<Exit, Error>)]) -> Result<String, String> {
        match conclude(POD, endings, false) {
            Ok(Outcome::Done(report) | Outcome::Ignored(report)) => Ok(report.message),
            Err(failure) => Err(failure.message),
        }
    }

    #[test]
    fn one_container_tells_what_it_printed() {
        fn check(ending: Result<Exit, Error>, expected: Result<&str, &str>) {
            let found = message(&[("web", ending)]);
            assert_eq!(found.as_deref().map_err(String::as_str), expected);
        }
        check(exit(0, "\x1b[1muid=0\x1b[0m\n", "a warning"), Ok("uid=0"));
        check(
            exit(0, "", ""),
            Ok(
                "the command has been run in the container 'web' of the pod 'p' in the namespace 'n', and printed nothing",
            ),
        );
        check(
            Ok(Exit { code: 0, stdout: "a".into(), stderr: Vec::new(), truncated: true }),
            Ok("a\n[the rest was too long]"),
        );
        let failed =
            "the command ended with the exit code 3 in the container 'web' of the pod 'p' in the namespace 'n'";
        check(exit(3, "", ""), Err(failed));
        check(
            exit(3, "half", "no such file\n"),
            Err(&format!("{failed}; standard error: no such file; standard output: half")),
        );
        check(Err(Error::NotFound), Err("the pod 'p' in the namespace 'n' or its container 'web' doesn't exist"));
        check(
            Err(Error::Denied("no grant".to_owned())),
            Err("can't run the command in the container 'web' of the pod 'p' in the namespace 'n': \
                 denied by the policy: no grant"),
        );
    }

    #[test]
    fn a_dry_run_has_printed_nothing() {
        let Ok(Outcome::Done(report)) = conclude(POD, &[("web", exit(0, "", ""))], true) else { panic!("not done") };
        assert_eq!(
            report.message,
            "the command has been run in the container 'web' of the pod 'p' in the namespace 'n'"
        );
        assert_eq!(report.objects.last().unwrap(), &("container".to_owned(), "web".to_owned()));
    }

    #[test]
    fn several_containers_are_marked() {
        assert_eq!(
            message(&[("a", exit(0, "1\n", "")), ("b", exit(0, "2", ""))]).unwrap(),
            "==> a <==\n1\n==> b <==\n2"
        );
        let failure = message(&[("a", exit(0, "1", "")), ("b", exit(1, "", "no"))]).unwrap_err();
        let expected = "the command failed in 1 of 2 containers of the pod 'p' in the namespace 'n'\n==> a <==\n1\n\
                        ==> b <==\nthe command ended with the exit code 1 in the container 'b' of \
                        the pod 'p' in the namespace 'n'; standard error: no";
        assert_eq!(failure, expected);
    }

    #[test]
    fn what_has_run_is_not_run_again() {
        fn check(endings: &[(&str, Result<Exit, Error>)], expected: FailureKind) {
            assert_eq!(conclude(POD, endings, false).unwrap_err().kind, expected);
        }
        let unavailable = || Err(Error::Unavailable("busy".to_owned()));
        check(&[("a", unavailable())], FailureKind::Unavailable);
        check(&[("a", exit(1, "", ""))], FailureKind::Other);
        check(&[("a", unavailable()), ("b", unavailable())], FailureKind::Unavailable);
        check(&[("a", exit(0, "", "")), ("b", unavailable())], FailureKind::Other);
        check(&[("a", unavailable()), ("b", exit(1, "", ""))], FailureKind::Other);
        check(&[("a", Err(Error::Timeout)), ("b", unavailable())], FailureKind::Other);
        let unknown = || Err(Error::Unknown("no answer in time".to_owned()));
        check(&[("a", unavailable()), ("b", unknown())], FailureKind::Unknown);
        check(&[("a", unknown()), ("b", exit(0, "", ""))], FailureKind::Unknown);
    }
}

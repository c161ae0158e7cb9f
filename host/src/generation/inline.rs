//! Parameters that name a file of the host, which no actionner can read: its content takes
//! their place when the rules are loaded.
//!
//! A schema says so of a property by the keyword `x-falco-talon-file`, whose value is the
//! parameter that gets the content. Which files that may be, the policy says.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use policy::{Entry, Policy};
use rules::{Action, Diagnostic, Parameter, Rule, Severity};
use serde_json::Value;

use super::problem::Problem;
use crate::actionner::{Inspection, digest};

/// More than any script has.
const FILE_BYTES_MAX: u64 = 256 << 10;

const KEYWORD: &str = "x-falco-talon-file";

/// Put the content of each file in its place. Returns the files, each with its digest.
///
/// # Errors
///
/// One problem for each that can't be read, or may not.
pub(super) fn inline(
    rules: &mut [Rule],
    inspections: &[Inspection],
    policy: &Policy,
) -> Result<BTreeMap<PathBuf, String>, Vec<Problem>> {
    let (mut files, mut problems) = (BTreeMap::new(), Vec::new());
    let actions = rules.iter_mut().flat_map(|Rule { name, actions, .. }| {
        let name: &str = name;
        actions.iter_mut().map(move |action| (name, action))
    });
    for (rule, action) in actions {
        let inspection = inspections.iter().find(|it| it.description.name == action.actionner);
        // One that may not run at all is refused for that.
        let Entry::Granted(grants) = policy.entry(&action.actionner) else { continue };
        let Some(schema) = inspection.map(|it| &it.description.parameters) else { continue };
        for (from, into) in pairs(schema) {
            // What a component says of itself is nobody's leave to read a file.
            if let Some(path) = rules::defaults(schema)[&from].as_str() {
                let message = format!("the component has a default for '{from}', which names a file: only a rule may");
                problems.push(problem(rule, action, PathBuf::from(path), message));
                continue;
            }
            let readable = Readable { actionner: &action.actionner, granted: &grants.granted.files };
            match replace(&mut action.parameters, &from, &into, &readable) {
                Ok(file) => files.extend(file),
                Err((path, message)) => problems.push(problem(rule, action, path, message)),
            }
        }
    }
    if problems.is_empty() { Ok(files) } else { Err(problems) }
}

/// The properties of a schema that name a file, and those that get the content.
fn pairs(schema: &Value) -> Vec<(String, String)> {
    let pair = |it: Parameter<'_>| Some((it.name.to_owned(), it.schema[KEYWORD].as_str()?.to_owned()));
    rules::parameters(schema).into_iter().filter_map(pair).collect()
}

/// The files and directories that the rules of an actionner may name.
struct Readable<'a> {
    actionner: &'a str,
    granted: &'a [PathBuf],
}

/// The file and its digest, if one is named; the error names it, too, and says what is wrong with it.
fn replace(
    parameters: &mut Value,
    from: &str,
    into: &str,
    readable: &Readable<'_>,
) -> Result<Option<(PathBuf, String)>, (PathBuf, String)> {
    let Some(path) = parameters[from].as_str().filter(|path| !path.is_empty()).map(PathBuf::from) else {
        return Ok(None);
    };
    if parameters.get(into).is_some_and(|written| written.as_str() != Some("")) {
        return Err((path, format!("'{into}' and '{from}' parameters can't be set at the same time")));
    }
    let refused = |error| (path.clone(), format!("the '{from}' {} {error}", path.display()));
    let content = readable.read(&path).map_err(refused)?;
    let digest = digest(content.as_bytes());
    if let Some(parameters) = parameters.as_object_mut() {
        parameters.remove(from);
        parameters.insert(into.to_owned(), content.into());
    }
    Ok(Some((path, digest)))
}

impl Readable<'_> {
    /// The content of a file that may be read; the error goes on after its name.
    fn read(&self, path: &Path) -> Result<String, String> {
        let failed = |error: std::io::Error| format!("can't be read: {error}");
        if self.granted.is_empty() {
            return Err(self.refusal(path));
        }
        // What is compared, and then opened, is where links lead to: whoever could change one
        // could name any file.
        let real = path.canonicalize().map_err(failed)?;
        let holds = |granted: &PathBuf| granted.canonicalize().is_ok_and(|granted| real.starts_with(granted));
        if !self.granted.iter().any(holds) {
            return Err(self.refusal(&real));
        }
        if !real.is_file() {
            return Err("is not a file".to_owned());
        }
        let (mut content, mut file) = (String::new(), File::open(&real).map_err(failed)?.take(FILE_BYTES_MAX + 1));
        match file.read_to_string(&mut content) {
            Ok(bytes) if bytes as u64 <= FILE_BYTES_MAX => Ok(content),
            Ok(_) => Err(format!("has more than the {FILE_BYTES_MAX} bytes allowed")),
            Err(error) => Err(failed(error)),
        }
    }

    fn refusal(&self, path: &Path) -> String {
        let (actionner, path) = (self.actionner, path.display());
        format!(
            "is not one that `{actionner}` may read; to allow it, add to its entry in the policy:\n  files: [\"{path}\"]"
        )
    }
}

fn problem(rule: &str, action: &Action, path: PathBuf, message: String) -> Problem {
    let diagnostic = Box::new(Diagnostic {
        severity: Severity::Error,
        message,
        position: Some(action.position.clone()),
        rule: Some(rule.to_owned()),
        action: Some(action.name.clone()),
        actionner: Some(action.actionner.to_string()),
        output_target: None,
    });
    Problem::Script { path, diagnostic }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(granted: &[&Path], mut parameters: Value, expected: Result<Value, &str>) {
        let granted: Vec<PathBuf> = granted.iter().map(|path| path.to_path_buf()).collect();
        let readable = Readable { actionner: "acme:test", granted: &granted };
        let replaced = replace(&mut parameters, "file", "script", &readable).map(|_| parameters);
        match (replaced, expected) {
            (Ok(parameters), Ok(expected)) => assert_eq!(parameters, expected),
            (Err((_, message)), Err(part)) => assert!(message.contains(part), "{message}"),
            (replaced, expected) => panic!("{replaced:?} instead of {expected:?}"),
        }
    }

    fn all() -> [&'static Path; 1] {
        [Path::new("/")]
    }

    #[test]
    fn the_content_takes_the_place_of_the_name() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "echo $1\n").unwrap();
        let path = file.path();
        check(&[path], json!({"file": path, "shell": "x"}), Ok(json!({"script": "echo $1\n", "shell": "x"})));
        check(&all(), json!({"file": path, "script": ""}), Ok(json!({"script": "echo $1\n"})));
        check(&all(), json!({"file": path, "script": "id"}), Err("can't be set at the same time"));
        check(&[], json!({"script": "id"}), Ok(json!({"script": "id"})));
    }

    #[test]
    fn a_file_must_be_there_and_be_a_text() {
        check(
            &all(),
            json!({"file": "/nowhere/at/all"}),
            Err("the 'file' /nowhere/at/all can't be read: No such file"),
        );
        check(&all(), json!({"file": "/dev/zero"}), Err("the 'file' /dev/zero is not a file"));
        check(&all(), json!({"file": "/"}), Err("the 'file' / is not a file"));
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path();
        std::fs::write(path, [0xff, 0xfe]).unwrap();
        check(&all(), json!({ "file": path }), Err("stream did not contain valid UTF-8"));
        std::fs::write(path, vec![b'x'; 256 << 10]).unwrap();
        check(&all(), json!({ "file": path }), Ok(json!({"script": "x".repeat(256 << 10)})));
        std::fs::write(path, vec![b'x'; (256 << 10) + 1]).unwrap();
        check(&all(), json!({ "file": path }), Err("more than the 262144 bytes allowed"));
    }

    #[test]
    fn only_files_that_the_policy_names_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let (scripts, other) = (root.join("scripts"), root.join("scripts-of-others"));
        std::fs::create_dir(&scripts).unwrap();
        std::fs::create_dir(&other).unwrap();
        std::fs::write(scripts.join("a.sh"), "a").unwrap();
        std::fs::write(other.join("b.sh"), "b").unwrap();
        std::os::unix::fs::symlink(other.join("b.sh"), scripts.join("link.sh")).unwrap();
        std::os::unix::fs::symlink(&scripts, root.join("linked")).unwrap();
        let read = |granted: &[&Path], path: PathBuf, expected: Result<Value, &str>| {
            check(granted, json!({ "file": path }), expected);
        };
        let line =
            format!("may read; to allow it, add to its entry in the policy:\n  files: [\"{}/b.sh\"]", other.display());
        read(&[&scripts], scripts.join("a.sh"), Ok(json!({"script": "a"})));
        read(&[&scripts.join("a.sh")], scripts.join("a.sh"), Ok(json!({"script": "a"})));
        read(&[&root.join("linked")], scripts.join("a.sh"), Ok(json!({"script": "a"})));
        read(&[&scripts], root.join("linked/a.sh"), Ok(json!({"script": "a"})));
        read(&[&scripts], other.join("b.sh"), Err(&line));
        read(&[&scripts], scripts.join("../scripts-of-others/b.sh"), Err(&line));
        read(&[&scripts], scripts.join("link.sh"), Err(&line));
        read(&[&scripts, &other], scripts.join("link.sh"), Ok(json!({"script": "b"})));
        read(&[&root.join("absent")], scripts.join("a.sh"), Err("`acme:test` may read"));
        read(
            &[],
            PathBuf::from("/nowhere/at/all"),
            Err("the 'file' /nowhere/at/all is not one that `acme:test` may read"),
        );
    }

    #[test]
    fn a_schema_says_which_property_names_a_file() {
        let schema = json!({"properties": {"file": {"x-falco-talon-file": "script"}, "script": {}}});
        assert_eq!(pairs(&schema), [("file".to_owned(), "script".to_owned())]);
        assert_eq!(pairs(&json!({})), []);
    }
}

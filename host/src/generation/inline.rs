//! Parameters that name a file of the host, which no actionner can read: its content takes
//! their place when the rules are loaded.
//!
//! A schema says so of a property by the keyword `x-falco-talon-file`, whose value is the
//! parameter that gets the content.

use std::path::PathBuf;

use rules::{Action, Diagnostic, Parameter, Rule, Severity};
use serde_json::Value;

use super::problem::Problem;
use crate::actionner::Inspection;

/// More than any script has.
const FILE_BYTES_MAX: u64 = 256 << 10;

const KEYWORD: &str = "x-falco-talon-file";

/// Put the content of each file in its place. Returns the files.
///
/// # Errors
///
/// One problem for each that can't be read.
pub(super) fn inline(rules: &mut [Rule], inspections: &[Inspection]) -> Result<Vec<PathBuf>, Vec<Problem>> {
    let (mut files, mut problems) = (Vec::new(), Vec::new());
    let actions = rules.iter_mut().flat_map(|Rule { name, actions, .. }| {
        let name: &str = name;
        actions.iter_mut().map(move |action| (name, action))
    });
    for (rule, action) in actions {
        let inspection = inspections.iter().find(|it| it.description.name == action.actionner);
        for (from, into) in inspection.map(|it| pairs(&it.description.parameters)).unwrap_or_default() {
            match replace(&mut action.parameters, &from, &into) {
                Ok(file) => files.extend(file),
                Err(message) => problems.push(problem(rule, action, message)),
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

/// The file, if one is named; the error says what is wrong with it.
fn replace(parameters: &mut Value, from: &str, into: &str) -> Result<Option<PathBuf>, String> {
    let Some(path) = parameters[from].as_str().filter(|path| !path.is_empty()).map(PathBuf::from) else {
        return Ok(None);
    };
    if parameters.get(into).is_some_and(|written| written.as_str() != Some("")) {
        return Err(format!("'{into}' and '{from}' parameters can't be set at the same time"));
    }
    let failed = |error: std::io::Error| format!("the '{from}' {} can't be read: {error}", path.display());
    let bytes = std::fs::metadata(&path).map_err(failed)?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(format!(
            "the '{from}' {} has {bytes} bytes, more than the {FILE_BYTES_MAX} allowed",
            path.display()
        ));
    }
    let content = std::fs::read_to_string(&path).map_err(failed)?;
    if let Some(parameters) = parameters.as_object_mut() {
        parameters.remove(from);
        parameters.insert(into.to_owned(), content.into());
    }
    Ok(Some(path))
}

fn problem(rule: &str, action: &Action, message: String) -> Problem {
    Problem::Rule(Diagnostic {
        severity: Severity::Error,
        message,
        position: Some(action.position.clone()),
        rule: Some(rule.to_owned()),
        action: Some(action.name.clone()),
        actionner: Some(action.actionner.to_string()),
        output_target: None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(mut parameters: Value, expected: Result<Value, &str>) {
        let replaced = replace(&mut parameters, "file", "script").map(|_| parameters);
        match (replaced, expected) {
            (Ok(parameters), Ok(expected)) => assert_eq!(parameters, expected),
            (Err(message), Err(part)) => assert!(message.contains(part), "{message}"),
            (replaced, expected) => panic!("{replaced:?} instead of {expected:?}"),
        }
    }

    #[test]
    fn the_content_takes_the_place_of_the_name() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "echo $1\n").unwrap();
        let path = file.path().to_str().unwrap();
        check(json!({"file": path, "shell": "x"}), Ok(json!({"script": "echo $1\n", "shell": "x"})));
        check(json!({"file": path, "script": ""}), Ok(json!({"script": "echo $1\n"})));
        check(json!({"file": path, "script": "id"}), Err("can't be set at the same time"));
        check(json!({"script": "id"}), Ok(json!({"script": "id"})));
    }

    #[test]
    fn a_file_must_be_there_and_be_a_text() {
        check(json!({"file": "/nowhere/at/all"}), Err("the 'file' /nowhere/at/all can't be read: No such file"));
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        std::fs::write(file.path(), [0xff, 0xfe]).unwrap();
        check(json!({ "file": path }), Err("stream did not contain valid UTF-8"));
        std::fs::write(file.path(), vec![b'x'; (256 << 10) + 1]).unwrap();
        check(json!({ "file": path }), Err("more than the 262144 allowed"));
    }

    #[test]
    fn a_schema_says_which_property_names_a_file() {
        let schema = json!({"properties": {"file": {"x-falco-talon-file": "script"}, "script": {}}});
        assert_eq!(pairs(&schema), [("file".to_owned(), "script".to_owned())]);
        assert_eq!(pairs(&json!({})), []);
    }
}

//! The catalogue of actionners for people: what each says of itself, and what it is granted.
//!
//! Markdown, as it stands in `actionners/README.md`; a test holds the two together.

use std::fmt::Write;

use serde_json::Value;

use crate::actionner::{Description, Inspection, OutputUse};
use policy::{Entry, Import, Policy};
use rules::Parameter;

/// A section for each actionner, in the order in which they are given.
pub fn markdown(inspections: &[Inspection], policy: &Policy) -> String {
    let sections: Vec<String> = inspections.iter().map(|inspection| section(inspection, policy)).collect();
    sections.join("\n")
}

fn section(inspection: &Inspection, policy: &Policy) -> String {
    let description = &inspection.description;
    let mut text = format!("### `{}`\n\n{}.\n\n", description.name, description.summary.trim_end_matches('.'));
    // Writing to a string does not fail.
    let _ = writeln!(text, "- {}", needs(description));
    let _ = writeln!(text, "- {}", afterwards(description));
    let imports: Vec<String> = inspection.imports.iter().filter_map(shown_import).collect();
    let _ = writeln!(text, "- imports {}", imports.join(", "));
    if let Entry::Granted(grants) = policy.entry(&description.name) {
        let lines = grants.granted.to_yaml("  ");
        let _ = write!(text, "- is granted by default:\n\n  ```yaml\n{lines}  ```\n");
    }
    text.push('\n');
    text.push_str(&parameters(&description.parameters));
    let _ = write!(text, "\n```yaml\n{}\n```\n", description.example.trim_end());
    text
}

fn needs(description: &Description) -> String {
    let set = |set: &Vec<String>| set.iter().map(|field| format!("`{field}`")).collect::<Vec<_>>().join(" and ");
    let fields: Vec<String> = description.required_fields.iter().map(set).collect();
    let fields = if fields.is_empty() { "no field".to_owned() } else { fields.join(", or ") };
    match description.sources.as_slice() {
        [] => format!("for events of any source, with {fields}"),
        sources => format!("for events of the source {}, with {fields}", sources.join(" or ")),
    }
}

fn afterwards(description: &Description) -> &'static str {
    match (description.continue_by_default, description.output) {
        (true, OutputUse::None) => "the next action runs after it, unless the rule says `continue: false`",
        (false, OutputUse::None) => "the next action does not run after it, unless the rule says `continue: true`",
        (true, OutputUse::Optional) => "takes an `output:`, and works without; the next action runs after it",
        (true, OutputUse::Required) => "needs an `output:`; the next action runs after it",
        (false, OutputUse::Optional | OutputUse::Required) => {
            "needs an `output:`; the next action does not run after it, unless the rule says `continue: true`"
        }
    }
}

/// Functions as the contract's documentation names them; handles come and go with them.
fn shown_import(import: &Import) -> Option<String> {
    (!import.function.starts_with("[resource-drop]")).then(|| format!("`{import}`"))
}

fn parameters(schema: &Value) -> String {
    let mut rows = String::new();
    for Parameter { name, schema: property, is_required } in rules::parameters(schema) {
        let default = match property.get("default") {
            Some(default) => format!("`{default}`"),
            None if is_required => "required".to_owned(),
            None => String::new(),
        };
        let about = property["description"].as_str().unwrap_or_default().replace('|', "\\|");
        let _ = writeln!(rows, "| `{name}` | {} | {default} | {about} |", type_of(&property));
    }
    if rows.is_empty() {
        return "No parameters.\n".to_owned();
    }
    format!("| parameter | type | default | |\n|---|---|---|---|\n{rows}")
}

fn type_of(property: &Value) -> String {
    if let Some(values) = property["enum"].as_array() {
        return values
            .iter()
            .map(|value| format!("`{}`", value.as_str().unwrap_or_default()))
            .collect::<Vec<_>>()
            .join(", ");
    }
    match &property["type"] {
        Value::String(name) => name.clone(),
        Value::Array(names) => names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or "),
        _ => String::new(),
    }
}

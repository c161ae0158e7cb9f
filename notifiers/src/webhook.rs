//! A request to a URL of the operator's own: the record of a notice, or what a template makes of it.

use std::io;

use minijinja::value::Serde;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Value};

use crate::notice::Notice;
use crate::record::Record;

/// The longest body. A template can repeat things.
const BODY_BYTES_MAX: usize = 1 << 20;

/// How much a template may do: more than for any sensible one.
const FUEL: u64 = 1_000_000;

/// How deep it may call itself.
const RECURSION_MAX: usize = 64;

/// By which name it is known in errors.
const NAME: &str = "body_template";

/// A template of a body, which was read without an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    source: String,
}

/// Why a text is no template, or makes no body.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct TemplateError {
    /// Where, from one on.
    pub line: usize,
    /// Where in it, in characters, from one on.
    pub column: usize,
    /// What is wrong.
    pub message: String,
}

impl Template {
    /// A template of this text.
    ///
    /// # Errors
    ///
    /// Where its syntax is wrong, where it names what no notice has, or where it makes nothing of an example.
    pub fn parse(source: impl Into<String>) -> Result<Self, TemplateError> {
        let template = Self { source: source.into() };
        let example = Notice::test(jiff::Timestamp::UNIX_EPOCH, String::new());
        let members = Record::of(&example).members();
        let environment = environment();
        let parsed = environment.template_from_named_str(NAME, &template.source);
        let parsed = parsed.map_err(|error| template.error(&error))?;
        let known: Vec<&str> = members.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
        let is_global = |name: &str| environment.globals().any(|(global, _)| global == name);
        let mut unknown = parsed.undeclared_variables(false);
        unknown.retain(|name| !known.contains(&name.as_str()) && !is_global(name));
        // Of several the first.
        let first = unknown.iter().min_by_key(|name| template.source.find(name.as_str()));
        if let Some(name) = first {
            let (line, column) = position(&template.source, template.source.find(name.as_str()).unwrap_or_default());
            let message = format!("there is no '{name}'; there are {}", known.join(", "));
            return Err(TemplateError { line, column, message });
        }
        template.render(&example)?;
        Ok(template)
    }

    /// The body of a notice.
    ///
    /// # Errors
    ///
    /// Where the template does what this notice does not allow, or too much.
    pub fn render(&self, notice: &Notice) -> Result<Vec<u8>, TemplateError> {
        let environment = environment();
        let template = environment.template_from_named_str(NAME, &self.source);
        let template = template.map_err(|error| self.error(&error))?;
        let mut body = Bounded(Vec::new());
        let members = Value::from(Serde(Record::of(notice).members()));
        template.render_captured_to(members, &mut body).map_err(|error| self.error(&error))?;
        Ok(body.0)
    }

    fn error(&self, error: &Error) -> TemplateError {
        let at = error.range().map(|range| position(&self.source, range.start));
        let (line, column) = at.unwrap_or((error.line().unwrap_or(1), 1));
        let message = match error.kind() {
            ErrorKind::OutOfFuel => "it does too much".to_owned(),
            ErrorKind::WriteFailure => format!("it makes more than {BODY_BYTES_MAX} bytes"),
            kind => error.detail().map_or_else(|| kind.to_string(), |detail| format!("{kind}: {detail}")),
        };
        TemplateError { line, column, message }
    }
}

/// What is sent where there is no template.
pub fn body(notice: &Notice) -> String {
    let mut body = Record::of(notice).to_json();
    body.push('\n');
    body
}

/// Texts stand as they are: it is for the template to make JSON of them, by `tojson`.
fn environment<'a>() -> Environment<'a> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_debug(true);
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(RECURSION_MAX);
    environment
}

/// The line and the column of this byte.
fn position(source: &str, at: usize) -> (usize, usize) {
    let before = &source[..source.floor_char_boundary(at)];
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

/// Takes no more than a body may have.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > BODY_BYTES_MAX {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notice::tests::notice;

    fn render(source: &str) -> String {
        match Template::parse(source).and_then(|template| template.render(&notice())) {
            Ok(body) => String::from_utf8(body).unwrap(),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn templates_make_bodies() {
        for (source, expected) in [
            ("{{ status }} {{ objects.Pod }}", "success cncf-1"),
            (
                r#"{"text": {{ event | tojson }}}"#,
                r#"{"text": "Redirect \u003cb\u003estdout\u003c/b\u003e \u0026 \u0027stdin\u0027"}"#,
            ),
            ("{{ event }}", "Redirect <b>stdout</b> & 'stdin'"),
            ("{% if group %}{{ group.count }}{% else %}one{% endif %}", "one"),
            (
                "{% for kind, name in objects | items %}{{ kind }}={{ name }};{% endfor %}",
                "Namespace=default;Pod=cncf-1;",
            ),
            ("{{ time }}", "2024-09-05T12:52:10.819462Z"),
        ] {
            assert_eq!(render(source), expected, "{source}");
        }
    }

    #[test]
    fn wrong_ones_are_refused_with_their_place() {
        for (source, expected) in [
            ("a\n  {{ status }", "line 2, column 13: syntax error: unexpected `}`, expected end of variable block"),
            ("ä {{ satus }}", "line 1, column 6: there is no 'satus'"),
            ("{{ status | nothing }}", "line 1, column 13: unknown filter: filter nothing is unknown"),
            (
                "{% for i in range(9999) %}{{ 'x' * 9999 }}{% endfor %}",
                "line 1, column 1: it makes more than 1048576 bytes",
            ),
            ("{% for i in range(9999) %}{% for j in range(9999) %}{% endfor %}{% endfor %}", "it does too much"),
        ] {
            let found = render(source);
            assert!(found.contains(expected), "{source}: {found}");
        }
    }
}

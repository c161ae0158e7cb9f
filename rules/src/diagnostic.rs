//! What is wrong with a rule file, where, and in which rule.

use std::fmt;

use crate::Position;

/// Whether a finding stops the rules from being used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The rules can't be used.
    Error,
    /// The rules can be used, and may not do what their author thinks.
    Warning,
}

/// One finding. The fields besides the message become the fields of its log line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether it stops the rules from being used.
    pub severity: Severity,
    /// What is wrong, and what would be right.
    pub message: String,
    /// Where; nothing where no file is to blame.
    pub position: Option<Position>,
    /// The rule it is in.
    pub rule: Option<String>,
    /// The action it is in.
    pub action: Option<String>,
    /// The actionner that the action names.
    pub actionner: Option<String>,
    /// The output that the action names.
    pub output_target: Option<String>,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(position) = &self.position {
            write!(f, "{position}: ")?;
        }
        if self.severity == Severity::Warning {
            f.write_str("warning: ")?;
        }
        f.write_str(&self.message)?;
        let context = [
            ("rule", &self.rule),
            ("action", &self.action),
            ("actionner", &self.actionner),
            ("output_target", &self.output_target),
        ];
        for (key, value) in context {
            if let Some(value) = value {
                write!(f, " {key}={value:?}")?;
            }
        }
        Ok(())
    }
}

/// Where a finding belongs: copied into every finding that is made there.
#[derive(Clone, Debug, Default)]
pub(crate) struct Context {
    pub(crate) rule: Option<String>,
    pub(crate) action: Option<String>,
    pub(crate) actionner: Option<String>,
    pub(crate) output_target: Option<String>,
}

impl Context {
    pub(crate) fn rule(name: &str) -> Context {
        Context { rule: Some(name.to_owned()), ..Context::default() }
    }

    pub(crate) fn action(&self, name: &str) -> Context {
        Context { action: Some(name.to_owned()), ..self.clone() }
    }

    pub(crate) fn actionner(&self, name: &str) -> Context {
        Context { actionner: Some(name.to_owned()), ..self.clone() }
    }

    /// An output's finding names its target in the place of the actionner.
    pub(crate) fn output(&self, target: &str) -> Context {
        Context { actionner: None, output_target: Some(target.to_owned()), ..self.clone() }
    }
}

/// The findings so far, in the order in which they were made.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    list: Vec<Diagnostic>,
}

impl Findings {
    pub(crate) fn error(&mut self, context: &Context, at: Option<&Position>, message: impl Into<String>) {
        self.push(Severity::Error, context, at, message.into());
    }

    pub(crate) fn warn(&mut self, context: &Context, at: Option<&Position>, message: impl Into<String>) {
        self.push(Severity::Warning, context, at, message.into());
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.list.iter().any(|finding| finding.severity == Severity::Error)
    }

    pub(crate) fn append(&mut self, others: Vec<Diagnostic>) {
        self.list.extend(others);
    }

    pub(crate) fn into_list(self) -> Vec<Diagnostic> {
        self.list
    }

    fn push(&mut self, severity: Severity, context: &Context, at: Option<&Position>, message: String) {
        self.list.push(Diagnostic {
            severity,
            message,
            position: at.cloned(),
            rule: context.rule.clone(),
            action: context.action.clone(),
            actionner: context.actionner.clone(),
            output_target: context.output_target.clone(),
        });
    }
}

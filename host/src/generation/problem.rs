//! What can be wrong with the files behind a generation, and how that is said.

use std::path::PathBuf;

use policy::PolicyError;
use rules::{Diagnostic, Severity};

use crate::actionner::{Inspection, LoadError, Origin};
use crate::clients::{ClientError, SecretError};
use crate::telemetry::logs::{Level, Logger};

/// One thing that is wrong, in the words of its own module.
#[derive(Debug, thiserror::Error)]
pub enum Problem {
    /// A file can't be read.
    #[error("open {}: {error}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A rule is wrong.
    #[error("{}", .0.message)]
    Rule(Box<Diagnostic>),
    /// A file that a rule names can't be had.
    #[error("{}", .diagnostic.message)]
    Script {
        /// Which.
        path: PathBuf,
        /// Why, and where the rule names it.
        diagnostic: Box<Diagnostic>,
    },
    /// The policy is wrong, or odd.
    #[error("{0}")]
    Policy(PolicyError),
    /// A component can't be used.
    #[error("{error}")]
    Component {
        /// Where it came from.
        origin: Origin,
        /// Why.
        error: LoadError,
    },
    /// What a component says of itself is odd.
    #[error("{text}")]
    Description {
        /// Where it came from.
        origin: Origin,
        /// What is odd.
        text: String,
    },
    /// The host itself failed.
    #[error("the host failed: {0}")]
    Host(String),
    /// The cluster can't be reached as configured.
    #[error("{0}")]
    Cluster(String),
    /// A client that an actionner needs can't be made.
    #[error("{error}")]
    Client {
        /// What it is for, in the words of the configuration.
        category: &'static str,
        /// Why.
        error: ClientError,
    },
    /// A header that the policy keeps can't be read.
    #[error("`{actionner}`: {error}")]
    Secret {
        /// Whose grant names it.
        actionner: String,
        /// Why.
        error: SecretError,
    },
    /// A rule asks for what this version does not do.
    #[error("{0} has no effect in this version")]
    NoEffect(String),
    /// The configuration names a notifier that does not exist.
    #[error("unknown notifier '{0}' in default_notifiers{hint}", hint = hint(.0))]
    Notifier(String),
}

impl From<Diagnostic> for Problem {
    fn from(diagnostic: Diagnostic) -> Self {
        Self::Rule(Box::new(diagnostic))
    }
}

impl Problem {
    /// What is odd about what a component says of itself.
    pub(crate) fn of_description(inspection: &Inspection) -> impl Iterator<Item = Problem> {
        let warning = |text: &String| Problem::Description { origin: inspection.origin.clone(), text: text.clone() };
        inspection.warnings.iter().map(warning)
    }

    /// Say it in the log, in the original's words and with its position.
    pub fn report(&self, logger: &Logger, level: Level) {
        let position;
        let line = match self {
            Self::Read { .. } | Self::Host(_) | Self::Notifier(_) | Self::NoEffect(_) => {
                logger.line(level, "rules").error(self)
            }
            Self::Rule(diagnostic) | Self::Script { diagnostic, .. } => {
                position = diagnostic.position.as_ref().map(ToString::to_string).unwrap_or_default();
                let level = if diagnostic.severity == Severity::Warning { Level::Warn } else { level };
                logger
                    .line(level, "rules")
                    .error(&diagnostic.message)
                    .field("action", diagnostic.action.as_deref().unwrap_or_default())
                    .field("actionner", diagnostic.actionner.as_deref().unwrap_or_default())
                    .field("output_target", diagnostic.output_target.as_deref().unwrap_or_default())
                    .field("position", &position)
                    .field("rule", diagnostic.rule.as_deref().unwrap_or_default())
            }
            Self::Policy(error) => {
                position = error.position.to_string();
                logger.line(level, "policy").error(&error.message).field("position", &position)
            }
            Self::Component { origin, error } => {
                position = origin.to_string();
                logger.line(level, "actionners").error(error).field("file", &position)
            }
            Self::Description { origin, text } => {
                position = origin.to_string();
                logger.line(Level::Warn, "actionners").error(text).field("file", &position)
            }
            Self::Client { category, .. } => {
                logger.line(level, "init").error(self).field("category", category).field("status", "failure")
            }
            Self::Secret { .. } => logger.line(level, "policy").error(self),
            Self::Cluster(_) => {
                logger.line(level, "init").error(self).field("category", "kubernetes").field("status", "failure")
            }
        };
        line.write();
    }
}

fn hint(wrong: &str) -> String {
    rules::nearest::hint(wrong, notifiers::Notifier::ALL.map(notifiers::Notifier::name))
}

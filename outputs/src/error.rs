//! Why an artifact was not stored.

use std::error::Error;
use std::io;

/// Why an artifact was not stored.
#[derive(Debug, thiserror::Error)]
pub enum OutputError {
    /// The folder that the rule names is not there.
    #[error("folder '{0}' does not exist")]
    NoFolder(String),
    /// The rule names a variable that is not set.
    #[error("the folder '{folder}' names the variable '{variable}', which is not set")]
    NoVariable {
        /// The folder that the rule names.
        folder: String,
        /// What it names.
        variable: String,
    },
    /// The file system refuses.
    #[error("can't write to the folder '{folder}': {error}")]
    File {
        /// The folder that the rule names.
        folder: String,
        /// Why.
        error: io::Error,
    },
    /// The bucket that the rule names is not there.
    #[error("the bucket '{0}' does not exist")]
    NoBucket(String),
    /// The storage does not take it, and will not later.
    #[error("{server} refuses it: {reason}")]
    Refused {
        /// Who.
        server: String,
        /// In its own words.
        reason: String,
    },
    /// The storage can't be reached, or does not take it now.
    #[error("{server} does not take it: {reason}")]
    Unavailable {
        /// Who.
        server: String,
        /// In its own words.
        reason: String,
    },
    /// It is not there as it was sent.
    #[error("what {server} says of the object '{name}' is not what was sent: {difference}")]
    Different {
        /// Who.
        server: String,
        /// Which object.
        name: String,
        /// What is not the same.
        difference: String,
    },
    /// There are that many of one pod and name within a second.
    #[error("the key '{0}' and all others like it are taken")]
    Taken(String),
    /// Its bytes can't be read.
    #[error("the artifact can't be read: {0}")]
    Unreadable(io::Error),
}

impl OutputError {
    /// Whether another attempt may succeed without a change of the rule.
    pub fn is_temporary(&self) -> bool {
        match self {
            // The rule names what nobody has made.
            Self::NoFolder(_) | Self::NoVariable { .. } | Self::NoBucket(_) | Self::Refused { .. } => false,
            // What is forbidden now may be allowed by then: a capture can't be made twice.
            Self::File { .. } | Self::Unavailable { .. } | Self::Different { .. } => true,
            Self::Taken(_) | Self::Unreadable(_) => true,
        }
    }
}

/// An error and what led to it.
pub(crate) fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut texts: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(cause) = next {
        let text = cause.to_string();
        // Many repeat their cause.
        if !texts.iter().any(|before| before.contains(&text)) {
            texts.push(text);
        }
        next = cause.source();
    }
    texts.join(": ")
}

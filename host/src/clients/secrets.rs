//! Secrets of policy and configuration, read where they are.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use policy::{HeaderSource, Secret};
use tokio::task::spawn_blocking;

/// Longer than any token.
const SECRET_BYTES_MAX: u64 = 65_536;

/// What is there now, without the line break at the end of a file.
///
/// # Errors
///
/// What is wrong with the place; never what is there.
pub(super) fn secret(source: &HeaderSource, environment: &impl Fn(&str) -> Option<String>) -> Result<Secret, String> {
    match source {
        HeaderSource::Text(text) => Ok(text.clone()),
        HeaderSource::Env(variable) => environment(variable)
            .filter(|value| !value.is_empty())
            .map(Secret::new)
            .ok_or_else(|| format!("the environment variable {variable} is not set")),
        HeaderSource::File(path) => secret_file(path),
    }
}

fn secret_file(path: &Path) -> Result<Secret, String> {
    let wrong = |reason: &dyn std::fmt::Display| format!("{}: {reason}", path.display());
    let length = std::fs::metadata(path).map_err(|error| wrong(&error))?.len();
    if length > SECRET_BYTES_MAX {
        return Err(wrong(&format!("more than {SECRET_BYTES_MAX} bytes")));
    }
    let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    if text.is_empty() { Err(wrong(&"the file is empty")) } else { Ok(Secret::new(text)) }
}

/// A secret that may change while the host runs: one in a file is read each time, and where it can't be, the last one
/// stays. There need not be one yet.
pub(super) struct Renewed {
    source: HeaderSource,
    // A blocking mutex, because nothing waits while it is held.
    last: Mutex<Option<Secret>>,
}

impl Renewed {
    /// The secret of this place, which must be there unless it is a file.
    ///
    /// # Errors
    ///
    /// What is wrong with the place.
    pub(super) fn new(source: &HeaderSource, environment: &impl Fn(&str) -> Option<String>) -> Result<Self, String> {
        let last = match secret(source, environment) {
            // It may be mounted later than the host starts.
            Err(_) if matches!(source, HeaderSource::File(_)) => None,
            read => Some(trimmed(&read?)),
        };
        Ok(Self { source: source.clone(), last: Mutex::new(last) })
    }

    /// What is there now.
    ///
    /// # Errors
    ///
    /// Why nothing has ever been read there.
    pub(super) async fn now(&self) -> Result<Secret, String> {
        let mut wrong = String::new();
        if let HeaderSource::File(path) = self.source.clone() {
            let read = spawn_blocking(move || secret_file(&path));
            match read.await.unwrap_or_else(|error| Err(error.to_string())) {
                Ok(secret) => *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(trimmed(&secret)),
                Err(reason) => wrong = reason,
            }
        }
        self.last().ok_or(wrong)
    }

    /// What was there when it was last read.
    pub(super) fn last(&self) -> Option<Secret> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn trimmed(secret: &Secret) -> Secret {
    Secret::new(secret.expose().trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_in_a_file_is_read_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let source = HeaderSource::File(path.clone());
        let renewed = Renewed::new(&source, &|_: &str| None).unwrap();
        assert!(renewed.now().await.unwrap_err().contains("token"));
        std::fs::write(&path, " one \n\n").unwrap();
        assert_eq!(renewed.now().await.unwrap().expose(), "one");
        std::fs::write(&path, "two").unwrap();
        assert_eq!(renewed.now().await.unwrap().expose(), "two");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(renewed.now().await.unwrap().expose(), "two", "the last one stays");
    }
}

//! What a request is answered with.

use http::StatusCode;
use serde_json::Value;

/// What a request is answered with.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) code: StatusCode,
    pub(super) body: Value,
    /// Texts for `Warning` headers.
    pub(super) warnings: Vec<String>,
}

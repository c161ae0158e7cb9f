//! One resumable upload: piece after piece, and a piece again that was not answered.

use std::time::Duration;

use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, RANGE};
use reqwest::{Response, StatusCode, Url};
use serde_json::Value;
use tokio::runtime::Handle;
use tokio::time::sleep;

use crate::Source;
use crate::error::with_causes;

/// So often in a row a piece is sent again.
const FAILURES_MAX: u32 = 3;

/// The first pause before that; it doubles with each.
const PAUSE_MIN: Duration = Duration::from_millis(250);

/// How long a piece may take.
const PIECE_MAX: Duration = Duration::from_secs(120);

/// How long it is tried to have the server forget what it has of an upload.
const ABORT_MAX: Duration = Duration::from_secs(10);

/// An upload that has begun. One that is dropped before its end is aborted at the server.
pub(super) struct Session {
    http: reqwest::Client,
    /// Whoever knows it may write: it is never logged.
    location: Url,
    is_over: bool,
}

/// Why a request got no answer. Its address is a secret where it is that of an upload.
pub(super) fn reason(error: reqwest::Error) -> String {
    with_causes(&error.without_url())
}

/// What the server says of an upload.
enum Said {
    /// It has so much of it.
    Has(u64),
    /// How it ended.
    End(StatusCode, Value),
    /// It may be asked again.
    Nothing(String),
}

impl Session {
    pub(super) fn new(http: reqwest::Client, location: Url) -> Self {
        Self { http, location, is_over: false }
    }

    /// Send all of it: how it ended, or why nobody knows.
    pub(super) async fn send(&self, source: &Source) -> Result<(StatusCode, Value), String> {
        let (mut sent, mut failures) = (0, 0);
        loop {
            let piece = source.read(sent, source.part_bytes()).await.map_err(|error| error.to_string())?;
            let (total, end) = (source.bytes, sent + piece.len() as u64);
            let range = format!("bytes {sent}-{}/{total}", end.saturating_sub(1));
            match self.put(&range, piece).await {
                Said::End(status, answer) => return Ok((status, answer)),
                Said::Has(bytes) if bytes > total => return Err("it has more than was sent".to_owned()),
                // Whoever takes nothing of what is sent is not asked for ever.
                Said::Has(bytes) if bytes <= sent && failures >= FAILURES_MAX => {
                    return Err("it takes no more".to_owned());
                }
                Said::Has(bytes) => {
                    failures = if bytes > sent { 0 } else { failures + 1 };
                    sent = bytes;
                }
                Said::Nothing(reason) if failures >= FAILURES_MAX => return Err(reason),
                // It is sent again whole: what the server has of it already, it does not take twice.
                Said::Nothing(_) => {
                    sleep(PAUSE_MIN * 2_u32.pow(failures)).await;
                    failures += 1;
                }
            }
        }
    }

    async fn put(&self, range: &str, piece: impl Into<reqwest::Body>) -> Said {
        let request = self.http.put(self.location.clone()).header(CONTENT_RANGE, range).body(piece);
        match request.timeout(PIECE_MAX).send().await {
            Ok(response) => said(response).await,
            Err(error) => Said::Nothing(reason(error)),
        }
    }

    /// Have the server forget what it has, where it did not become an object.
    pub(super) async fn end(&mut self, is_answered: bool) {
        self.is_over = true;
        if !is_answered {
            abort(&self.http, &self.location).await;
        }
    }
}

async fn said(response: Response) -> Said {
    let status = response.status();
    if status == StatusCode::PERMANENT_REDIRECT {
        // `bytes=0-41`, and none where it has nothing.
        let last = response.headers().get(RANGE).and_then(|range| range.to_str().ok());
        let last = last.and_then(|range| range.rsplit_once('-')).and_then(|(_, last)| last.parse::<u64>().ok());
        return Said::Has(last.map_or(0, |last| last + 1));
    }
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS || status == StatusCode::REQUEST_TIMEOUT {
        return Said::Nothing(format!("the status {}", status.as_u16()));
    }
    match response.text().await {
        Ok(answer) => Said::End(status, serde_json::from_str(&answer).unwrap_or_default()),
        Err(error) => Said::Nothing(reason(error)),
    }
}

/// Where it can't be reached, it forgets it after a week.
async fn abort(http: &reqwest::Client, location: &Url) {
    let request = http.delete(location.clone()).header(CONTENT_LENGTH, 0);
    let _ = request.timeout(ABORT_MAX).send().await;
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        let Ok(runtime) = Handle::try_current() else { return };
        let (http, location) = (self.http.clone(), self.location.clone());
        runtime.spawn(async move { abort(&http, &location).await });
    }
}

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

/// How far an upload is.
struct Progress {
    total: u64,
    /// Where the next piece begins.
    sent: u64,
    /// The most that the server has said to have. It may say less later, but not for ever.
    most: u64,
    /// Since it has said to have more.
    failures: u32,
}

impl Progress {
    /// Which bytes a piece is; none where the server has all of them, and is asked for the end.
    fn range(&self, bytes: usize) -> String {
        let Self { total, sent, .. } = self;
        match bytes as u64 {
            0 => format!("bytes */{total}"),
            bytes => format!("bytes {sent}-{}/{total}", sent + bytes - 1),
        }
    }

    fn has(&mut self, bytes: u64) -> Result<(), String> {
        if bytes > self.total {
            return Err("it has more than was sent".to_owned());
        }
        if bytes > self.most {
            (self.most, self.failures) = (bytes, 0);
        } else if self.failures < FAILURES_MAX {
            self.failures += 1;
        } else {
            return Err("it takes no more".to_owned());
        }
        self.sent = bytes;
        Ok(())
    }

    /// How long it is left alone after no answer; none where it had enough of them.
    fn pause(&mut self) -> Option<Duration> {
        let pause = PAUSE_MIN * 2_u32.pow(self.failures);
        self.failures += 1;
        (self.failures <= FAILURES_MAX).then_some(pause)
    }
}

impl Session {
    pub(super) fn new(http: reqwest::Client, location: Url) -> Self {
        Self { http, location, is_over: false }
    }

    /// Send all of it: how it ended, or why nobody knows.
    pub(super) async fn send(&self, source: &Source) -> Result<(StatusCode, Value), String> {
        let mut progress = Progress { total: source.bytes, sent: 0, most: 0, failures: 0 };
        loop {
            let piece = source.read(progress.sent, source.part_bytes()).await.map_err(|error| error.to_string())?;
            match self.put(&progress.range(piece.len()), piece).await {
                Said::End(status, answer) => return Ok((status, answer)),
                Said::Has(bytes) => progress.has(bytes)?,
                // It is sent again whole: what the server has of it already, it does not take twice.
                Said::Nothing(reason) => sleep(progress.pause().ok_or(reason)?).await,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(sent: u64) -> Progress {
        Progress { total: 10, sent, most: sent, failures: 0 }
    }

    #[test]
    fn a_range_names_bytes_that_are_there_or_none() {
        let check = |sent, bytes, expected| assert_eq!(progress(sent).range(bytes), expected);
        check(0, 4, "bytes 0-3/10");
        check(4, 6, "bytes 4-9/10");
        check(10, 0, "bytes */10");
    }

    #[test]
    fn who_never_has_more_than_before_is_not_asked_for_ever() {
        let check = |said: &[u64], expected| {
            let mut progress = progress(0);
            let taken = said.iter().take_while(|bytes| progress.has(**bytes).is_ok()).count();
            assert_eq!(taken, expected, "{said:?}");
        };
        check(&[2, 4, 6, 8, 10], 5);
        check(&[11], 0);
        check(&[0, 0, 0, 0], 3);
        check(&[10, 10, 10, 10, 10], 4);
        check(&[4, 2, 4, 2, 4, 2, 4], 4);
        check(&[4, 2, 5, 2, 4, 6], 6);
    }

    #[test]
    fn who_gives_no_answer_is_left_alone_for_longer_each_time() {
        let mut progress = progress(0);
        let pauses = [1, 2, 4].map(|times| Some(PAUSE_MIN * times));
        assert_eq!([progress.pause(), progress.pause(), progress.pause()], pauses);
        assert_eq!(progress.pause(), None);
    }
}

//! Reads the body of a request, bounded in bytes and in time.

use axum::body::Body;
use axum::extract::Request;
use bytes::Bytes;
use http::header;
use http_body_util::{BodyExt, Limited};
use tokio::time::{Instant, timeout_at};

use super::refusal::Refusal;
use crate::body;
use crate::config::ServerLimits;

/// What is read of a body that is too large before the answer, so that a client that sends all
/// before it reads sees the answer rather than a broken connection.
const DISCARDED_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The request with all of its body.
pub(super) async fn read_whole(request: Request, limits: ServerLimits) -> Result<http::Request<Bytes>, Refusal> {
    let deadline = Instant::now() + limits.body_timeout;
    let waits_for_go_ahead = request.headers().contains_key(header::EXPECT);
    let (head, mut body) = request.into_parts();
    let read = timeout_at(deadline, body::read(&mut body, limits.body_bytes_max)).await;
    let read = read.map_or(Err(Refusal::SlowBody), |read| read.map_err(Refusal::from));
    // A client that asks before it sends has sent nothing that could be in the way.
    if matches!(read, Err(Refusal::TooLarge { .. })) && !waits_for_go_ahead {
        // How far this came makes no difference to the answer.
        let _ = timeout_at(deadline, discard(body)).await;
    }
    Ok(http::Request::from_parts(head, read?))
}

async fn discard(body: Body) {
    let mut body = Limited::new(body, DISCARDED_BYTES_MAX);
    while let Some(Ok(_)) = body.frame().await {}
}

//! The only table from a storage's answers to what is known of a request.
//!
//! Their texts carry names of accounts, which are for the log.

use std::error::Error;

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};

use super::super::circuit::Reached;
use super::super::end::Failed;
use super::super::error::{Refusal, RequestError, Said};
use super::super::web;

const UNREACHED: &str = "the storage can't be reached, or answers with an error";

/// Nothing was sent, and may be later.
pub(super) fn unreached() -> RequestError {
    RequestError::Unavailable(UNREACHED.to_owned())
}

/// Whether the storage itself was reached.
pub(super) fn reached<T, E: Error + 'static>(answer: &Result<T, SdkError<E>>, server: &str) -> Reached {
    match answer {
        Ok(_) | Err(SdkError::ServiceError(_)) => Reached::Yes,
        Err(error) if web::is_not_connected(error) => Reached::No(words(server, error)),
        Err(_) => Reached::Unclear,
    }
}

pub(super) fn convert_error<E>(error: &SdkError<E>, server: &str) -> Failed
where
    E: Error + ProvideErrorMetadata + 'static,
{
    let refusal = |error_of_ours| Refusal { error: error_of_ours, said: said(server, error) };
    let (Some(service), Some(response)) = (error.as_service_error(), error.raw_response()) else {
        return match error {
            SdkError::ConstructionFailure(_) => {
                Failed::not_sent(refusal(RequestError::Invalid("the storage can't be asked for this".to_owned())))
            }
            error if web::is_not_connected(error) => Failed::not_sent(refusal(unreached())),
            error => lost(server, error),
        };
    };
    let is_no_key = service.code().is_none_or(|code| code != "NoSuchBucket");
    Failed::Refused(refusal(match response.status().as_u16() {
        404 if is_no_key => RequestError::NotFound,
        404 => RequestError::Other("the storage has no such bucket".to_owned()),
        401 | 403 => RequestError::Other("the storage forbids it to the host".to_owned()),
        409 | 412 => RequestError::Conflict("the object was changed meanwhile".to_owned()),
        429 | 503 => unreached(),
        // It, or what is before it, may have failed after it was stored.
        500.. => return lost(server, error),
        _ => RequestError::Invalid("the storage refuses the request".to_owned()),
    }))
}

/// No answer came, or one that says nothing.
pub(super) fn lost(server: &str, error: &(dyn Error + 'static)) -> Failed {
    Failed::Lost { why: UNREACHED.to_owned(), is_late: false, said: said(server, error) }
}

fn words(server: &str, error: &(dyn Error + 'static)) -> String {
    format!("{server}: {}", web::with_causes(error))
}

fn said(server: &str, error: &(dyn Error + 'static)) -> Option<Said> {
    Some(Said { words: words(server, error), is_about_the_object: false })
}

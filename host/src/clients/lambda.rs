//! AWS Lambda: one call of one function.

use aws_sdk_lambda::config::Intercept;
use aws_sdk_lambda::config::interceptors::BeforeDeserializationInterceptorContextMut;
use aws_sdk_lambda::config::{ConfigBag, RuntimeComponents};
use aws_sdk_lambda::error::{BoxError, ProvideErrorMetadata, SdkError};
use aws_sdk_lambda::operation::invoke::{InvokeError, InvokeOutput};
use aws_sdk_lambda::primitives::{Blob, SdkBody};
use aws_sdk_lambda::types::InvocationType;
use http_body_util::{LengthLimitError, Limited};
use tokio::time::timeout_at;

use super::aws::Aws;
use super::circuit::Reached;
use super::end::{End, Failed};
use super::error::{Refusal, RequestError, Said};
use super::meter::Permit;
use super::web;

const UNREACHED: &str = "AWS Lambda can't be reached";

/// What AWS Lambda says where it can't get what the function needs to begin.
const NOT_BEGUN: [&str; 4] = [
    "EC2ThrottledException",
    "ENILimitReachedException",
    "SubnetIPAddressLimitReachedException",
    "ResourceNotReadyException",
];

/// A call of a function. What names it was checked.
pub(crate) struct LambdaCall {
    pub(crate) name: String,
    pub(crate) qualifier: String,
    pub(crate) kind: LambdaKind,
    pub(crate) payload: Vec<u8>,
}

/// Whether the function's own answer is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LambdaKind {
    /// It is.
    Wait,
    /// It is queued.
    Queue,
    /// It is only asked whether the call would be allowed.
    Rehearse,
}

/// What came back.
pub(crate) struct LambdaAnswer {
    pub(crate) status: u16,
    pub(crate) payload: Vec<u8>,
    pub(crate) function_error: Option<String>,
}

impl Aws {
    /// Call a function of Lambda. In a dry run it is only asked whether the call would be allowed.
    pub(crate) async fn invoke(&self, call: LambdaCall, permit: &Permit, bytes_max: usize) -> End<LambdaAnswer> {
        let LambdaCall { name, qualifier, kind, payload } = call;
        let is_rehearsal = permit.is_rehearsal() || kind == LambdaKind::Rehearse;
        let kind = match kind {
            _ if is_rehearsal => InvocationType::DryRun,
            LambdaKind::Queue => InvocationType::Event,
            LambdaKind::Wait | LambdaKind::Rehearse => InvocationType::RequestResponse,
        };
        let request = self.lambda().invoke().function_name(name).qualifier(qualifier).invocation_type(kind);
        let request = request.payload(Blob::new(payload)).customize().interceptor(BytesMax(bytes_max));
        let invoke = async {
            let attempt = permit.enter(self.lambda_circuit());
            let attempt = attempt.ok_or_else(|| Failed::not_sent(RequestError::Unavailable(UNREACHED.to_owned())))?;
            let _place = permit.place().await.map_err(Failed::not_sent)?;
            permit.is_being_sent();
            let sent = timeout_at(permit.end(), request.send()).await;
            let sent = sent.map_err(|_| Failed::late("the function did not answer in time"))?;
            permit.settle(attempt, &reached(&sent, self.lambda_server()));
            sent.map(convert_output).map_err(|error| convert_error(&error, bytes_max, self.lambda_server()))
        };
        End::of(invoke.await, is_rehearsal)
    }
}

/// Cuts an answer off where it passes the limit, before it is held in memory.
#[derive(Debug)]
struct BytesMax(usize);

impl Intercept for BytesMax {
    fn name(&self) -> &'static str {
        "BytesMax"
    }

    fn modify_before_deserialization(
        &self,
        context: &mut BeforeDeserializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let body = context.response_mut().body_mut();
        let whole = std::mem::replace(body, SdkBody::taken());
        *body = SdkBody::from_body_1_x(Limited::new(whole, self.0));
        Ok(())
    }
}

fn convert_output(output: InvokeOutput) -> LambdaAnswer {
    LambdaAnswer {
        status: u16::try_from(output.status_code).unwrap_or_default(),
        function_error: output.function_error,
        payload: output.payload.map(Blob::into_inner).unwrap_or_default(),
    }
}

/// Whether Lambda itself was reached; how long a function takes says nothing of that.
fn reached(sent: &Result<InvokeOutput, SdkError<InvokeError>>, server: &str) -> Reached {
    match sent {
        Ok(_) | Err(SdkError::ServiceError(_)) => Reached::Yes,
        Err(error) if web::is_not_connected(error) => Reached::No(format!("{server}: {}", web::with_causes(error))),
        Err(_) => Reached::Unclear,
    }
}

/// The only table from Lambda's answers to an end. Their texts, which can name the account, are for the log.
fn convert_error(error: &SdkError<InvokeError>, bytes_max: usize, server: &str) -> Failed {
    if web::causes(error).any(<dyn std::error::Error>::is::<LengthLimitError>) {
        return Failed::Unread(RequestError::TooLarge { bytes_max: bytes_max as u64 });
    }
    let words = || format!("{server}: {}", web::with_causes(error));
    let said = || Some(Said { words: words(), is_about_the_object: false });
    let lost = |why: String| Failed::Lost { why, is_late: false, said: said() };
    let refused = |error| Failed::Refused(Refusal { error, said: said() });
    let (Some(service), Some(response)) = (error.as_service_error(), error.raw_response()) else {
        return match error {
            SdkError::ConstructionFailure(_) => {
                Failed::not_sent(RequestError::Invalid("Lambda can't be asked for this".to_owned()))
            }
            error if web::is_not_connected(error) => {
                let error = RequestError::Unavailable(UNREACHED.to_owned());
                Failed::not_sent(Refusal { error, said: said() })
            }
            _ => lost("the connection to AWS Lambda broke".to_owned()),
        };
    };
    let code = service.code().unwrap_or("no reason is given");
    let says = |what: &str| format!("AWS Lambda {what}: {code}");
    refused(match response.status().as_u16() {
        404 => RequestError::NotFound,
        409 => RequestError::Conflict(says("finds it changed")),
        401 | 403 => RequestError::Other(says("forbids it to the host")),
        429 => RequestError::Unavailable(says("is busy")),
        500.. if NOT_BEGUN.contains(&code) => RequestError::Unavailable(says("could not begin")),
        // It, or what is before it, may have failed after the function ran.
        500.. => return lost(says("failed")),
        _ => RequestError::Invalid(says("refuses the request")),
    })
}

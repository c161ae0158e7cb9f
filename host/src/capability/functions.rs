//! `functions`: call functions of clouds, by the host's own credentials.
//!
//! The guest names the function and what to say to it; the host finds its address. In a dry run
//! AWS is asked whether the call would be allowed, and Google where the function is.

use aws_sdk_lambda::config::Intercept;
use aws_sdk_lambda::config::interceptors::BeforeDeserializationInterceptorContextMut;
use aws_sdk_lambda::config::{ConfigBag, RuntimeComponents};
use aws_sdk_lambda::error::{BoxError, ProvideErrorMetadata, SdkError};
use aws_sdk_lambda::operation::invoke::{InvokeError, InvokeOutput};
use aws_sdk_lambda::primitives::{Blob, SdkBody};
use aws_sdk_lambda::types as lambda;
use http_body_util::{LengthLimitError, Limited};
use policy::{FunctionRequest, Request};
use tokio::time::timeout_at;

use super::bindings::falco_talon::actionner::functions::{Answer, Host, InvocationType};
use super::call::{Call, Closed};
use crate::clients::{Aws, Google, RequestError, causes, is_not_connected, with_causes};

/// What AWS Lambda says where it can't get what the function needs to begin.
const NOT_BEGUN: [&str; 4] = [
    "EC2ThrottledException",
    "ENILimitReachedException",
    "SubnetIPAddressLimitReachedException",
    "ResourceNotReadyException",
];

/// As long as an alias can be.
const QUALIFIER_BYTES_MAX: usize = 128;

impl Host for Call {
    async fn invoke_lambda(
        &mut self,
        name: String,
        alias_or_version: String,
        invocation_type: InvocationType,
        timeout_ms: Option<u32>,
        payload: Vec<u8>,
    ) -> Result<Answer, Closed> {
        const CAPABILITY: &str = "functions.invoke-lambda";
        let asked = FunctionRequest::aws(&name).map_err(|error| self.invalid(CAPABILITY, error))?;
        check_qualifier(&alias_or_version).map_err(|reason| self.invalid(CAPABILITY, reason))?;
        let entry = self.gate(CAPABILITY, &[Request::Function(asked)])?;
        let invocation_type = match invocation_type {
            _ if self.dry_run => lambda::InvocationType::DryRun,
            InvocationType::RequestResponse => lambda::InvocationType::RequestResponse,
            InvocationType::Event => lambda::InvocationType::Event,
            InvocationType::DryRun => lambda::InvocationType::DryRun,
        };
        let bytes_max = self.grants.limits.response_bytes_max;
        let invoke = async {
            let request = self.aws()?.lambda().invoke();
            let request = request.function_name(name).qualifier(alias_or_version).invocation_type(invocation_type);
            let request = request.payload(Blob::new(payload)).customize();
            let sent = timeout_at(self.end_of(timeout_ms), request.interceptor(BytesMax(bytes_max)).send()).await;
            match sent.map_err(|_| late())? {
                Ok(output) => Ok(convert_output(output)),
                Err(error) => {
                    self.explain(CAPABILITY, &with_causes(&error));
                    Err(convert_error(&error, bytes_max))
                }
            }
        };
        let result = invoke.await;
        self.close(entry, result)
    }

    async fn invoke_google(
        &mut self,
        name: String,
        location: String,
        timeout_ms: Option<u32>,
        payload: Vec<u8>,
    ) -> Result<Answer, Closed> {
        const CAPABILITY: &str = "functions.invoke-google";
        let asked = FunctionRequest::gcp(&name, &location).map_err(|error| self.invalid(CAPABILITY, error))?;
        let entry = self.gate(CAPABILITY, &[Request::Function(asked)])?;
        let end = self.end_of(timeout_ms);
        let bytes_max = self.grants.limits.response_bytes_max;
        let invoke = async {
            let google = self.google()?;
            let address = timeout_at(end, google.address_of(&name, &location)).await;
            let address = address.map_err(|_| RequestError::Timeout)?;
            let address = address.map_err(|refusal| self.hush(CAPABILITY, refusal))?;
            if self.dry_run {
                return Ok(Answer { status: 200, payload: Vec::new(), function_error: None });
            }
            let called = timeout_at(end, google.call(address, payload, bytes_max)).await;
            let (status, payload) = called.map_err(|_| late())??;
            Ok(Answer { status, payload, function_error: None })
        };
        let result: Result<Answer, RequestError> = invoke.await;
        self.close(entry, result)
    }
}

/// The function was called, and its answer did not come in time.
fn late() -> RequestError {
    RequestError::Unknown("the function did not answer in time".to_owned())
}

impl Call {
    fn aws(&self) -> Result<&Aws, RequestError> {
        let missing = || RequestError::Unavailable("the host has no client for AWS".to_owned());
        self.clients.aws.as_ref().ok_or_else(missing)
    }

    fn google(&self) -> Result<&Google, RequestError> {
        let missing = || RequestError::Unavailable("the host has no client for Google Cloud".to_owned());
        self.clients.google.as_ref().ok_or_else(missing)
    }
}

/// `$LATEST`, a number or an alias.
fn check_qualifier(qualifier: &str) -> Result<(), String> {
    let word = qualifier.strip_prefix('$').unwrap_or(qualifier);
    let fits = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if !fits || word.is_empty() || qualifier.len() > QUALIFIER_BYTES_MAX {
        return Err("a version or an alias is written as `$LATEST`, `7` or `prod`".to_owned());
    }
    Ok(())
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

fn convert_output(output: InvokeOutput) -> Answer {
    Answer {
        status: u16::try_from(output.status_code).unwrap_or_default(),
        function_error: output.function_error,
        payload: output.payload.map(Blob::into_inner).unwrap_or_default(),
    }
}

/// The only table from Lambda's answers to an error of the contract.
fn convert_error(error: &SdkError<InvokeError>, bytes_max: usize) -> RequestError {
    if causes(error).any(<dyn std::error::Error>::is::<LengthLimitError>) {
        return RequestError::TooLarge { bytes_max: bytes_max as u64 };
    }
    let (Some(error), Some(response)) = (error.as_service_error(), error.raw_response()) else {
        return match error {
            SdkError::ConstructionFailure(_) => RequestError::Invalid("Lambda can't be asked for this".to_owned()),
            error if is_not_connected(error) => RequestError::Unavailable("AWS Lambda can't be reached".to_owned()),
            _ => RequestError::Unknown("the connection to AWS Lambda broke".to_owned()),
        };
    };
    // The message can name the account.
    let says = |what: &str| format!("AWS Lambda {what}: {}", error.code().unwrap_or("no reason is given"));
    match response.status().as_u16() {
        404 => RequestError::NotFound,
        409 => RequestError::Conflict(says("finds it changed")),
        401 | 403 => RequestError::Other(says("forbids it to the host")),
        429 => RequestError::Unavailable(says("is busy")),
        500.. if NOT_BEGUN.contains(&error.code().unwrap_or_default()) => {
            RequestError::Unavailable(says("could not begin"))
        }
        // It, or what is before it, may have failed after the function ran.
        500.. => RequestError::Unknown(says("failed")),
        _ => RequestError::Invalid(says("refuses the request")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qualifiers_are_words() {
        for qualifier in ["$LATEST", "7", "prod", "blue_green-1"] {
            assert_eq!(check_qualifier(qualifier), Ok(()), "{qualifier}");
        }
        for qualifier in ["", "$", "a b", "a/b", "..", "a$b"] {
            assert!(check_qualifier(qualifier).is_err(), "{qualifier}");
        }
    }
}

//! `functions`: call functions of clouds, by the host's own credentials.
//!
//! The guest names the function and what to say to it; the host finds its address. In a dry run
//! AWS is asked whether the call would be allowed, and Google where the function is.

use policy::{FunctionRequest, Request};

use super::bindings::falco_talon::actionner::functions::{Answer, Host, InvocationType};
use super::call::{Call, Closed};
use super::catalogue::Capability;
use crate::clients::{GoogleFunction, LambdaAnswer, LambdaCall, LambdaKind, RequestError};

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
        const CAPABILITY: Capability = Capability::InvokeLambda;
        let asked = self.understand(CAPABILITY, || FunctionRequest::aws(&name))?;
        self.understand(CAPABILITY, || check_qualifier(&alias_or_version))?;
        let entry = self.gate(CAPABILITY, &[Request::Function(asked)])?;
        let Some(aws) = &self.clients.aws else {
            return self.close(entry, Err(RequestError::Unavailable("the host has no client for AWS".to_owned())));
        };
        let kind = match invocation_type {
            InvocationType::RequestResponse => LambdaKind::Wait,
            InvocationType::Event => LambdaKind::Queue,
            InvocationType::DryRun => LambdaKind::Rehearse,
        };
        let permit = match self.permit(&entry).await {
            Ok(permit) => permit.until(self.end_of(timeout_ms)),
            Err(error) => return self.close(entry, Err(error)),
        };
        let call = LambdaCall { name, qualifier: alias_or_version, kind, payload };
        let end = aws.invoke(call, &permit, self.grants.limits.response_bytes_max).await;
        let convert = |LambdaAnswer { status, payload, function_error }| Answer { status, payload, function_error };
        self.close_write(entry, end.map(convert))
    }

    async fn invoke_google(
        &mut self,
        name: String,
        location: String,
        timeout_ms: Option<u32>,
        payload: Vec<u8>,
    ) -> Result<Answer, Closed> {
        const CAPABILITY: Capability = Capability::InvokeGoogle;
        let asked = self.understand(CAPABILITY, || FunctionRequest::gcp(&name, &location))?;
        let entry = self.gate(CAPABILITY, &[Request::Function(asked)])?;
        let Some(google) = &self.clients.google else {
            let missing = "the host has no client for Google Cloud".to_owned();
            return self.close(entry, Err(RequestError::Unavailable(missing)));
        };
        let permit = match self.permit(&entry).await {
            Ok(permit) => permit.until(self.end_of(timeout_ms)),
            Err(error) => return self.close(entry, Err(error)),
        };
        let function = GoogleFunction { name: &name, location: &location };
        let end = google.call(function, payload, &permit, self.grants.limits.response_bytes_max).await;
        self.close_write(entry, end.map(|(status, payload)| Answer { status, payload, function_error: None }))
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

//! Requests to call functions of clouds.

use std::fmt;

use super::denial::Decision;
use super::name::{self, NameError};
use crate::grants::{FunctionGrant, FunctionPattern, Grants, Proposal, Provider};

/// A call of a cloud function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FunctionRequest<'a> {
    provider: Provider,
    name: &'a str,
    location: Option<&'a str>,
}

impl<'a> FunctionRequest<'a> {
    /// A call of a function of Lambda.
    ///
    /// # Errors
    ///
    /// Where no function can have the name.
    pub fn aws(name: &'a str) -> Result<Self, NameError> {
        name::check(name, Provider::Aws.check_name(name))?;
        Ok(Self { provider: Provider::Aws, name, location: None })
    }

    /// A call of a function of Google Cloud.
    ///
    /// # Errors
    ///
    /// Where no function can have the name, or no location.
    pub fn gcp(name: &'a str, location: &'a str) -> Result<Self, NameError> {
        name::check(name, Provider::Gcp.check_name(name))?;
        name::check(location, Provider::check_location(location))?;
        Ok(Self { provider: Provider::Gcp, name, location: Some(location) })
    }

    pub(super) fn decide(&self, grants: &Grants) -> Decision {
        let covers = |grant: &FunctionGrant| grant.covers(self.provider, self.name, self.location);
        name::allowed(&grants.granted.functions, covers).unwrap_or_else(|| {
            let exactly = |name: &str| vec![FunctionPattern::Exact(name.to_owned())];
            let line = FunctionGrant {
                provider: self.provider,
                names: exactly(self.name),
                locations: self.location.map(exactly).unwrap_or_default(),
            };
            name::not_granted(grants, self, Proposal::functions(&line))
        })
    }
}

/// `call the function respond of aws`.
impl fmt::Display for FunctionRequest<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FunctionRequest { provider, name, location } = self;
        write!(formatter, "call the function {name} of {provider}")?;
        location.map_or(Ok(()), |location| write!(formatter, " in {location}"))
    }
}

#[cfg(test)]
mod tests;

//! The interfaces of the contract, linked to what serves them.

use policy::{Denial, Interface};
use wasmtime::component::{HasData, Linker};

use super::bindings::falco_talon::actionner as wit;
use super::call::{Call, Closed};
use super::error::{CapabilityError, Stop};
use crate::clients::RequestError;

/// Link one interface.
///
/// # Errors
///
/// Where the engine refuses a definition, which would be a mistake in the bindings.
pub(crate) fn link<T: Send + 'static>(
    linker: &mut Linker<T>,
    interface: Interface,
    call: fn(&mut T) -> &mut Call,
) -> wasmtime::Result<()> {
    match interface {
        Interface::Types => wit::types::add_to_linker::<T, Call>(linker, call),
        Interface::Log => wit::log::add_to_linker::<T, Call>(linker, call),
        Interface::Clock => wit::clock::add_to_linker::<T, Call>(linker, call),
        Interface::KubernetesRead => wit::kubernetes_read::add_to_linker::<T, Call>(linker, call),
        Interface::KubernetesWrite => wit::kubernetes_write::add_to_linker::<T, Call>(linker, call),
        Interface::KubernetesExec => wit::kubernetes_exec::add_to_linker::<T, Call>(linker, call),
        Interface::Artifacts => wit::artifacts::add_to_linker::<T, Call>(linker, call),
        Interface::Functions => wit::functions::add_to_linker::<T, Call>(linker, call),
        Interface::Http => wit::http::add_to_linker::<T, Call>(linker, call),
        Interface::Objects => wit::objects::add_to_linker::<T, Call>(linker, call),
    }
}

impl HasData for Call {
    type Data<'a> = &'a mut Self;
}

impl wit::types::Host for Call {
    fn convert_error(&mut self, error: Closed) -> wasmtime::Result<wit::types::Error> {
        error.into_error().map(answer).map_err(|stop| match stop {
            Stop::Exhausted(exhausted) => wasmtime::Error::new(exhausted),
            Stop::Busy => wasmtime::Error::new(stop),
        })
    }
}

/// The end of one part of a call that has several, each with an answer of its own.
///
/// # Errors
///
/// Where the guest gets no answer at all.
pub(super) fn answered<T>(result: Result<T, Closed>) -> Result<Result<T, wit::types::Error>, Stop> {
    result.map(Ok).or_else(|closed| closed.into_error().map(answer).map(Err))
}

/// What the guest learns of an error.
fn answer(error: CapabilityError) -> wit::types::Error {
    use wit::types::Error;
    match error {
        CapabilityError::Denied(denials) => {
            Error::Denied(denials.iter().map(Denial::for_guest).collect::<Vec<_>>().join("\n"))
        }
        CapabilityError::Request(error) => match error {
            RequestError::NotFound => Error::NotFound,
            RequestError::Conflict(text) => Error::Conflict(text),
            RequestError::Invalid(text) => Error::Invalid(text),
            RequestError::TooLarge { .. } => Error::TooLarge,
            RequestError::Timeout => Error::Timeout,
            RequestError::Unknown(text) => Error::Unknown(text),
            RequestError::Unavailable(text) => Error::Unavailable(text),
            // Closed as an end of the whole call, of which the guest hears nothing.
            RequestError::Exhausted(exhausted) => Error::Other(exhausted.to_string()),
            RequestError::Other(text) => Error::Other(text),
        },
    }
}

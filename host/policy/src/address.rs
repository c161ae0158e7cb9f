//! Addresses of what actionners reach, every part checked before anything is made of it.
//!
//! An address that could be read in two ways is refused here, so that what is decided on is what
//! is dialled. Knows neither grants nor requests.

mod name;
mod resource;

mod id;
mod object;

mod place;
mod web;

pub use id::ObjectId;
pub use name::AddressError;
pub(crate) use name::{NAMESPACE_BYTES_MAX, SHOWN_CHARS_MAX, check_name, check_namespace, shown};
pub use object::Address;
pub use place::Place;
pub use resource::ResourceName;
pub(crate) use resource::{check_place, check_resource};
pub(crate) use resource::{is_own_group, known, known_by_kind, known_by_plural, may_own_pods, write_address};
pub use web::{WebAddress, WebAddressError};

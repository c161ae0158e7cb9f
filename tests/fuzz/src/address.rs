//! Addresses of objects, of the web, and keys of buckets: each is one place, however it is read.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use policy::{Address, FieldPath, Pattern, ResourceName, WebAddress, check_key, check_label};
use url::Url;

/// A part that was accepted leads nowhere but to what it names.
///
/// The lines are the parts of an object's address: group, version, resource, namespace, name. Each is tried as a text
/// of every other kind too.
pub fn address(data: &[u8]) {
    let Some(parts) = crate::lines::<5>(data) else { return };
    object(parts);
    for part in parts {
        printed::<ResourceName>(part);
        printed::<FieldPath>(part);
        printed::<Pattern>(part);
        key(part);
    }
    let addresses = parts.map(|part| WebAddress::parse(part).ok());
    for address in addresses.iter().flatten() {
        web(address);
        for other in addresses.iter().flatten().filter(|other| address.covers(other)) {
            check_covered(address, other);
        }
    }
}

/// What an address's path is made of can be read back from it.
fn object([group, version, resource, namespace, name]: [&str; 5]) {
    let some = |text| Some(text).filter(|text: &&str| !text.is_empty());
    let Ok(address) = Address::new(group, version, resource, some(namespace), some(name)) else { return };
    let path = address.path();
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"/.-".contains(&byte);
    assert!(path.bytes().all(fits) && !path.contains("..") && !path.contains("//"), "{path}");
    assert_eq!(Url::parse(&format!("https://a{path}")).expect("a path").path(), path);
    let mut steps = path.split('/').skip(1);
    let mut next = || steps.next().unwrap_or_default();
    match group {
        "" => assert_eq!([next(), next()], ["api", version]),
        group => assert_eq!([next(), next(), next()], ["apis", group, version]),
    }
    if !namespace.is_empty() {
        assert_eq!([next(), next()], ["namespaces", namespace]);
    }
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    assert_eq!(next(), resource);
    for part in [name, subresource].into_iter().filter(|part| !part.is_empty()) {
        assert_eq!(next(), part);
    }
    assert_eq!(steps.next(), None, "{path}");
}

/// What is printed is read as the same.
fn printed<T: FromStr + Display + PartialEq + Debug>(text: &str) {
    let Ok(value) = text.parse::<T>() else { return };
    let again = value.to_string().parse::<T>();
    assert_eq!(again.ok().as_ref(), Some(&value), "{text}");
}

fn key(text: &str) {
    if check_label(text).is_ok() {
        assert!(check_key(text).is_ok(), "{text}");
    }
    if check_key(text).is_err() {
        return;
    }
    let mut url = Url::parse("https://a/bucket/prefix").expect("an address");
    url.path_segments_mut().expect("it has a path").extend(text.split('/'));
    let steps: Vec<&str> = url.path_segments().expect("it has a path").collect();
    assert_eq!(steps.len(), 2 + text.split('/').count(), "{url}");
    assert_eq!(steps[..2], ["bucket", "prefix"], "{url}");
}

fn web(address: &WebAddress) {
    let url = address.url();
    assert_eq!(WebAddress::parse(&address.to_string()).as_ref(), Ok(address));
    assert!(matches!(url.scheme(), "http" | "https") && url.has_host(), "{url}");
    assert!(url.username().is_empty() && url.password().is_none() && url.fragment().is_none(), "{url}");
    let path = url.path().to_ascii_lowercase();
    for hidden in ["%2e", "%2f", "%5c", "%25", "%00", "\\", "#", "?"] {
        assert!(!path.contains(hidden), "{url}");
    }
    // A server may cut what follows a `;` before it looks for dots.
    let steps = path.split('/').filter_map(|step| step.split(';').next());
    assert!(steps.into_iter().all(|step| step != "." && step != ".."), "{url}");
    assert!(address.covers(address) && address.covers(&address.without_query()), "{url}");
}

/// An address that covers another is what that one begins with.
fn check_covered(prefix: &WebAddress, other: &WebAddress) {
    let (prefix, other) = (prefix.without_query().to_string(), other.without_query().to_string());
    let rest = other.strip_prefix(&prefix).unwrap_or_else(|| panic!("{prefix} covers {other}"));
    assert!(rest.is_empty() || prefix.ends_with('/') || rest.starts_with('/'), "{prefix} covers {other}");
}

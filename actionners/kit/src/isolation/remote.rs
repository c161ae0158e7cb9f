//! The address at the other end of an event's connection.
//!
//! Does not know which side opened the connection: `fd.sip` is the address of the server, which
//! is the pod's own for a connection that came in, so `fd.rip` goes before it.

use std::net::IpAddr;

use falco_talon_sdk::{Event, Failure};
use serde_json::Value;

/// The sets of output fields of which a policy against a remote address needs one, for a
/// description's `required_fields`: those of a pod, and an address.
pub const REMOTE_FIELDS: &[&[&str]] = &[
    &["k8s.pod.name", "k8s.ns.name", "fd.rip"],
    &["k8s.pod.name", "k8s.ns.name", "fd.sip"],
    &["ka.target.pod.name", "ka.target.namespace", "fd.rip"],
    &["ka.target.pod.name", "ka.target.namespace", "fd.sip"],
    &["ka.target.name", "ka.target.namespace", "fd.rip"],
    &["ka.target.name", "ka.target.namespace", "fd.sip"],
];

/// The output fields that such a policy depends on beyond the pod, for a description's `reads`.
pub const REMOTE_READS: &[&str] = &["fd.rip", "fd.sip"];

/// The remote address as a range of one: `203.0.113.7/32`, `2001:db8::7/128`.
///
/// Each field that is there must be an address, also the one that is not used: where Falco says
/// something else, it is not known what the other means.
pub fn remote_cidr(event: &Event) -> Result<String, Failure> {
    let server = address(event, "fd.sip")?;
    let remote = address(event, "fd.rip")?;
    match remote.or(server).map(|address| address.to_canonical()) {
        Some(IpAddr::V4(address)) => Ok(format!("{address}/32")),
        Some(IpAddr::V6(address)) => Ok(format!("{address}/128")),
        None => Err(Failure::rejected("missing IP field(s) (fd.sip or fd.rip)")),
    }
}

fn address(event: &Event, field: &str) -> Result<Option<IpAddr>, Failure> {
    let wrong = || Failure::rejected(format!("wrong value for {field}"));
    match event.output_fields.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(_)) => match event.text(field) {
            // Falco's ways to say that there is none.
            None => Ok(None),
            Some(text) => text.parse().map(Some).map_err(|_| wrong()),
        },
        Some(_) => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_remote_address_is_a_range_of_one() {
        fn check(fields: &Value, expected: Result<&str, &str>) {
            let event = Event::from_json(&json!({ "output_fields": fields }).to_string()).unwrap();
            let found = remote_cidr(&event).map_err(|failure| failure.message);
            assert_eq!(found, expected.map(str::to_owned).map_err(str::to_owned), "{fields}");
        }
        check(&json!({"fd.rip": "203.0.113.7"}), Ok("203.0.113.7/32"));
        check(&json!({"fd.sip": "203.0.113.7"}), Ok("203.0.113.7/32"));
        check(&json!({"fd.rip": "203.0.113.7", "fd.sip": "10.0.0.1"}), Ok("203.0.113.7/32"));
        check(&json!({"fd.rip": "2001:DB8:0::7"}), Ok("2001:db8::7/128"));
        // An IPv4 peer of an IPv6 socket.
        check(&json!({"fd.rip": "::ffff:203.0.113.7"}), Ok("203.0.113.7/32"));
        check(&json!({"fd.rip": null, "fd.sip": "10.0.0.1"}), Ok("10.0.0.1/32"));
        check(&json!({"fd.rip": "<NA>", "fd.sip": "10.0.0.1"}), Ok("10.0.0.1/32"));
        check(&json!({"fd.rip": ""}), Err("missing IP field(s) (fd.sip or fd.rip)"));
        check(&json!({}), Err("missing IP field(s) (fd.sip or fd.rip)"));
        check(&json!({"fd.rip": "example.com"}), Err("wrong value for fd.rip"));
        check(&json!({"fd.rip": "203.0.113.7/0"}), Err("wrong value for fd.rip"));
        check(&json!({"fd.rip": 7}), Err("wrong value for fd.rip"));
        check(&json!({"fd.rip": "203.0.113.7", "fd.sip": "x"}), Err("wrong value for fd.sip"));
        check(&json!({"fd.rip": "x", "fd.sip": "x"}), Err("wrong value for fd.sip"));
    }
}

//! Who makes room for a new connection, and whose address it counts for.

use super::*;

#[test]
fn an_address_is_its_owners() {
    let check = |address: &str, expected: &str| {
        assert_eq!(peer_of(address.parse().unwrap()).to_string(), expected);
    };
    check("203.0.113.7", "203.0.113.7");
    check("::ffff:203.0.113.7", "203.0.113.7");
    check("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::");
    check("::1", "::");
}

#[test]
fn some_connections_are_for_what_is_no_event() {
    let limits = |connections_max| ServerLimits {
        body_bytes_max: 1,
        connections_max,
        connections_per_peer_max: connections_max,
        header_timeout: std::time::Duration::ZERO,
        body_timeout: std::time::Duration::ZERO,
        idle_timeout: std::time::Duration::ZERO,
    };
    let check = |connections_max, expected| {
        assert_eq!(Places::new(limits(connections_max)).events_max, expected);
    };
    check(1, 1);
    check(2, 1);
    check(8, 7);
    check(1024, 896);
}

//! Addresses of the network that nobody may be led to by a name: this machine, its link, and
//! the metadata of a cloud, credentials among it.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Where clouds answer their machines, beside the link-local addresses that most of them use.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(192, 0, 0, 192)];
const METADATA_V6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)];

/// Why an address is out of reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The machine that the host runs on.
    ThisMachine,
    /// The link that it is on, where clouds answer, too.
    Link,
    /// A cloud's metadata.
    Metadata,
    /// Many machines at once.
    Multicast,
    /// An IPv4 address in a form that hides it.
    Disguised,
}

impl Place {
    /// What an address is, if it is one of those; none for all others, private networks among
    /// them: that is where an operator's own services are.
    pub fn of(address: IpAddr) -> Option<Place> {
        match address {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => of_v6(address),
        }
    }
}

fn of_v4(address: Ipv4Addr) -> Option<Place> {
    if address.is_loopback() || address.octets()[0] == 0 {
        Some(Place::ThisMachine)
    } else if METADATA_V4.contains(&address) || address == Ipv4Addr::new(169, 254, 169, 254) {
        Some(Place::Metadata)
    } else if address.is_link_local() {
        Some(Place::Link)
    } else if address.is_multicast() || address.is_broadcast() {
        Some(Place::Multicast)
    } else {
        None
    }
}

fn of_v6(address: Ipv6Addr) -> Option<Place> {
    if address.is_loopback() || address.is_unspecified() {
        return Some(Place::ThisMachine);
    }
    if METADATA_V6.contains(&address) {
        return Some(Place::Metadata);
    }
    if address.is_unicast_link_local() {
        return Some(Place::Link);
    }
    if address.is_multicast() {
        return Some(Place::Multicast);
    }
    // IPv4-mapped and -compatible, both prefixes of NAT64, 6to4 and Teredo: no name of an
    // honest service leads to one of them, and each would have to be looked into.
    let disguised = match address.segments() {
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => true,
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => of_v4(embedded(high, low)).is_some(),
        [0x64, 0xff9b, 1, ..] | [0x2002, ..] | [0x2001, 0, ..] => true,
        _ => false,
    };
    disguised.then_some(Place::Disguised)
}

fn embedded(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(high) << 16 | u32::from(low))
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Place::ThisMachine => "an address of this machine",
            Place::Link => "an address of the local link",
            Place::Metadata => "where a cloud tells its machines their credentials",
            Place::Multicast => "an address of many machines",
            Place::Disguised => "an IPv4 address in disguise",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(addresses: &[&str], expected: Option<Place>) {
        for address in addresses {
            assert_eq!(Place::of(address.parse().unwrap()), expected, "{address}");
        }
    }

    #[test]
    fn addresses_are_distinguished() {
        check(&["203.0.113.7", "10.0.0.1", "192.168.1.1", "172.16.0.1", "100.64.0.1"], None);
        check(&["2001:db8::1", "fd12:3456::1", "64:ff9b::cb00:7107"], None);
        check(&["127.0.0.1", "127.9.9.9", "0.0.0.0", "0.1.2.3", "::1", "::"], Some(Place::ThisMachine));
        check(&["169.254.1.1", "fe80::1", "febf::1"], Some(Place::Link));
        check(&["169.254.169.254", "168.63.129.16", "100.100.100.200", "fd00:ec2::254"], Some(Place::Metadata));
        check(&["224.0.0.1", "239.1.1.1", "255.255.255.255", "ff02::1"], Some(Place::Multicast));
    }

    #[test]
    fn no_form_of_an_ipv4_address_is_missed() {
        let mapped = ["::ffff:169.254.169.254", "::ffff:127.0.0.1", "::ffff:0:127.0.0.1", "::ffff:10.0.0.1"];
        check(&mapped, Some(Place::Disguised));
        check(&["::127.0.0.1", "::169.254.169.254"], Some(Place::Disguised));
        check(&["64:ff9b::a9fe:a9fe", "64:ff9b::127.0.0.1", "64:ff9b:1::7f00:1"], Some(Place::Disguised));
        check(&["2002:a9fe:a9fe::1", "2002:7f00:1::", "2001::1"], Some(Place::Disguised));
    }
}

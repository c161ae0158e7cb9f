//! Whether what stays allowed is written as a network policy needs it.
//!
//! The schemas say the same as patterns; this is for rules that were not checked against them.

use std::net::IpAddr;

use falco_talon_sdk::Failure;

use crate::names;

/// Refuses what is no range of addresses.
pub fn check_cidrs(cidrs: &[String]) -> Result<(), Failure> {
    match cidrs.iter().find(|cidr| !is_cidr(cidr)) {
        Some(wrong) => Err(Failure::rejected(format!("wrong CIDR '{wrong}'"))),
        None => Ok(()),
    }
}

/// Refuses what is no name of a namespace.
pub fn check_namespaces(namespaces: &[String]) -> Result<(), Failure> {
    match namespaces.iter().find(|namespace| !names::is_dns_label(namespace)) {
        Some(wrong) => Err(Failure::rejected(format!("wrong namespace '{wrong}'"))),
        None => Ok(()),
    }
}

fn is_cidr(text: &str) -> bool {
    let Some((address, length)) = text.split_once('/') else {
        return false;
    };
    let bits_max = match address.parse() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    // The standard library's parser lets a sign and zeros pass.
    let is_plain = length.bytes().all(|byte| byte.is_ascii_digit()) && (length == "0" || !length.starts_with('0'));
    is_plain && length.parse::<u8>().is_ok_and(|length| length <= bits_max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_addresses() {
        fn check(cidr: &str, expected: Result<(), &str>) {
            let found = check_cidrs(&["10.0.0.0/8".to_owned(), cidr.to_owned()]);
            assert_eq!(found, expected.map_err(Failure::rejected));
        }
        check("0.0.0.0/0", Ok(()));
        check("10.0.0.1/32", Ok(()));
        check("2001:db8::/32", Ok(()));
        check("::/128", Ok(()));
        check("10.0.0.0", Err("wrong CIDR '10.0.0.0'"));
        check("10.0.0.0/33", Err("wrong CIDR '10.0.0.0/33'"));
        check("::/129", Err("wrong CIDR '::/129'"));
        check("::/999", Err("wrong CIDR '::/999'"));
        check("300.0.0.0/8", Err("wrong CIDR '300.0.0.0/8'"));
        check("10.0.0.0/+8", Err("wrong CIDR '10.0.0.0/+8'"));
        check("10.0.0.0/08", Err("wrong CIDR '10.0.0.0/08'"));
        check("10.0.0.0/", Err("wrong CIDR '10.0.0.0/'"));
        check("", Err("wrong CIDR ''"));
    }

    #[test]
    fn namespaces() {
        fn check(namespace: &str, expected: Result<(), &str>) {
            assert_eq!(check_namespaces(&[namespace.to_owned()]), expected.map_err(Failure::rejected));
        }
        check("green-ns", Ok(()));
        check("Green", Err("wrong namespace 'Green'"));
        check("", Err("wrong namespace ''"));
        check("a' , 'b", Err("wrong namespace 'a' , 'b'"));
    }
}

//! Which headers of a guest are sent.

use super::*;

#[track_caller]
fn check(name: &str, value: &str, expected: Result<(), &str>) {
    let checked = check_headers(vec![(name.to_owned(), value.to_owned())]);
    match expected {
        Ok(()) => assert_eq!(checked.unwrap()[name], value),
        Err(part) => {
            let error = checked.unwrap_err();
            assert!(error.contains(part), "{error}");
        }
    }
}

#[test]
fn headers_of_the_request_are_sent_and_those_of_the_connection_are_not() {
    check("X-Team", "shop", Ok(()));
    check("Authorization", "Bearer x", Ok(()));
    for name in ["host", "Host", "Connection", "keep-alive", "TE", "Trailer", "Transfer-Encoding", "Upgrade"] {
        check(name, "x", Err("belongs to the connection"));
    }
    check("Content-Length", "0", Err("belongs to the connection"));
    check("Proxy-Connection", "x", Err("belongs to the connection"));
}

#[test]
fn a_header_is_one_line() {
    check("X-Team", "a\r\nHost: evil.example", Err("control characters"));
    check("X-Team\r\nHost", "a", Err("a word of ASCII"));
    check("", "a", Err("a word of ASCII"));
    check("X Team", "a", Err("a word of ASCII"));
}

#[test]
fn the_same_header_can_come_twice() {
    let headers = vec![("X-A".to_owned(), "1".to_owned()), ("x-a".to_owned(), "2".to_owned())];
    assert_eq!(check_headers(headers).unwrap().get_all("x-a").iter().count(), 2);
}

#[test]
fn headers_have_an_end() {
    let headers = |count| check_headers(vec![("x-a".to_owned(), "1".to_owned()); count]);
    assert!(headers(HEADERS_MAX).is_ok());
    assert_eq!(headers(101).unwrap_err(), "101 headers are more than the 100 that a request may have");
}

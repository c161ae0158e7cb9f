//! Which addresses are one, and which requests a granted one covers.

use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(text: &str, expected: Result<&str, &str>) {
    let parsed = WebAddress::parse(text).map(|it| it.to_string()).map_err(|error| error.to_string());
    match (&parsed, expected) {
        (Ok(parsed), Ok(expected)) => assert_eq!(parsed, expected),
        (Err(error), Err(part)) => assert!(error.contains(part), "{text}: {error}"),
        _ => panic!("{text}: {parsed:?} instead of {expected:?}"),
    }
}

#[test]
fn an_address_has_one_form() {
    check("https://Hooks.ACME.example:443", Ok("https://hooks.acme.example/"));
    check("HTTP://acme.example:80/a/b?c=%2e%2e/..#".trim_end_matches('#'), Ok("http://acme.example/a/b?c=%2e%2e/.."));
    check("https://acme.example:8443/a%20b//c", Ok("https://acme.example:8443/a%20b//c"));
    check("http://2130706433/", Ok("http://127.0.0.1/"));
    check("http://0x7f.1/", Ok("http://127.0.0.1/"));
    check("http://[::FFFF:127.0.0.1]/", Ok("http://[::ffff:7f00:1]/"));
}

#[test]
fn what_can_be_read_in_two_ways_is_refused() {
    for text in ["", "acme.example", "/a", "//acme.example/", "ftp://acme.example/", "file:///etc/passwd", "http://"] {
        check(text, Err("not an absolute address"));
    }
    for text in
        ["http:///acme.example/", "http://?a", "http://acme.example:99999/", "http://a b/".trim_start_matches(' ')]
    {
        assert!(WebAddress::parse(text).is_err(), "{text}");
    }
    for text in
        ["http://acme.example\\@evil/", "http://acme.example/a\tb", "http://acme.example/\n", "http://аcme.example/"]
    {
        check(text, Err("must be percent-encoded"));
    }
    for text in ["http://user@acme.example/", "http://a:b@acme.example/", "http://acme.example@evil.example/"] {
        check(text, Err("user"));
    }
    check("http://acme.example/a#b", Err("fragment"));
    for path in [
        "/a/../b",
        "/..",
        "/./a",
        "/a/.",
        "/%2e%2e/a",
        "/%2E./a",
        "/a%2fb",
        "/a%5cb",
        "/a%2eb",
        "/%252e%252e/a",
        "/a%00b",
        "/a%",
        "/a%zz",
        "/a/..;/b",
        "/a/.;x=y",
        "/a\"b",
        "/<a>",
    ] {
        check(&format!("http://acme.example{path}"), Err("more than one way"));
    }
    check(&format!("http://acme.example/{}", "a".repeat(9_000)), Err("bytes"));
}

#[track_caller]
fn check_covers(granted: &str, asked: &str, expected: bool) {
    let (granted, asked) = (WebAddress::parse(granted).unwrap(), WebAddress::parse(asked).unwrap());
    assert_eq!(granted.covers(&asked), expected, "{granted} and {asked}");
}

#[test]
fn a_prefix_ends_at_a_segment() {
    let granted = "https://hooks.acme.example/falco/";
    check_covers(granted, "https://hooks.acme.example/falco/", true);
    check_covers(granted, "https://hooks.acme.example/falco/a/b?c=d", true);
    check_covers(granted, "https://HOOKS.acme.example:443/falco/a", true);
    check_covers(granted, "https://hooks.acme.example/falco", false);
    check_covers(granted, "https://hooks.acme.example/falcon", false);
    check_covers("https://acme.example/falco", "https://acme.example/falco", true);
    check_covers("https://acme.example/falco", "https://acme.example/falco/a", true);
    check_covers("https://acme.example/falco", "https://acme.example/falcon/a", false);
    check_covers("https://acme.example/falco", "https://acme.example/Falco", false);
    check_covers("https://acme.example", "https://acme.example/anything", true);
}

#[test]
fn an_origin_is_scheme_host_and_port() {
    check_covers("https://acme.example/", "http://acme.example/", false);
    check_covers("https://acme.example/", "https://acme.example:8443/", false);
    check_covers("http://acme.example/", "http://acme.example:80/", true);
    check_covers("https://acme.example/", "https://acme.example.evil.example/", false);
    check_covers("https://acme.example/", "https://evil.acme.example/", false);
    check_covers("https://acme.example/", "https://acme.example./", false);
    check_covers("http://127.0.0.1:8080/", "http://2130706433:8080/a", true);
    check_covers("http://127.0.0.1:8080/", "http://[::1]:8080/a", false);
}

#[track_caller]
fn check_reach(text: &str, expected: Option<Place>) {
    assert_eq!(WebAddress::parse(text).unwrap().out_of_reach(), expected, "{text}");
}

#[test]
fn this_machine_is_named_by_its_address_and_metadata_never() {
    check_reach("http://127.0.0.1:1/", None);
    check_reach("http://[::1]/", None);
    check_reach("http://10.0.0.1/", None);
    check_reach("http://localhost/", Some(Place::ThisMachine));
    check_reach("http://a.localhost./", Some(Place::ThisMachine));
    check_reach("http://0/", Some(Place::ThisMachine));
    check_reach("http://169.254.169.254/latest/", Some(Place::Metadata));
    check_reach("http://0xa9fea9fe/", Some(Place::Metadata));
    check_reach("http://[fd00:ec2::254]/", Some(Place::Metadata));
    check_reach("http://[::ffff:169.254.169.254]/", Some(Place::Disguised));
    check_reach("http://[::ffff:127.0.0.1]/", Some(Place::Disguised));
    check_reach("http://[fe80::1]/", Some(Place::Link));
}

/// Parts that make an address come near to another one.
fn near() -> impl Strategy<Value = String> {
    let part = prop::sample::select(vec![
        "falco",
        "..",
        ".",
        "/",
        "//",
        "%2e",
        "%2f",
        "%5c",
        "%25",
        "%",
        "\\",
        ";",
        "?",
        "#",
        "@",
        ":",
        "a",
        "A",
        ".:",
        "\t",
        "..;",
        "acme.example",
        "evil.example",
        "[",
        "]",
        ":443",
        ":80",
    ]);
    prop::collection::vec(part, 0..10).prop_map(|parts| parts.concat())
}

/// As a careless server reads a path: decoded as often as it goes, backslashes as slashes,
/// parameters cut off, and dots resolved.
fn carelessly(path: &str) -> String {
    let mut path = path.to_owned();
    for _ in 0..3 {
        for (code, plain) in [("%2e", "."), ("%2f", "/"), ("%5c", "\\"), ("%25", "%")] {
            path = path.replace(code, plain).replace(&code.to_uppercase(), plain);
        }
    }
    let mut segments: Vec<&str> = Vec::new();
    let path = path.replace('\\', "/");
    for segment in path.split('/').map(|segment| segment.split(';').next().unwrap_or_default()) {
        match segment {
            ".." => drop(segments.pop()),
            "." | "" => {}
            segment => segments.push(segment),
        }
    }
    format!("/{}/", segments.join("/"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_covered_leads_elsewhere(tail in near()) {
        let granted = WebAddress::parse("https://acme.example/falco/").unwrap();
        for text in [format!("https://acme.example{tail}"), format!("https://acme.example/falco/{tail}"), format!("https://{tail}")] {
            let Ok(asked) = WebAddress::parse(&text) else { continue };
            if granted.covers(&asked) {
                let url = asked.url();
                prop_assert_eq!((url.scheme(), url.host_str(), url.port()), ("https", Some("acme.example"), None));
                prop_assert!(carelessly(url.path()).starts_with("/falco/"), "{}", text);
                prop_assert!(url.username().is_empty() && url.password().is_none() && url.fragment().is_none());
            }
        }
    }

    #[test]
    fn what_is_an_address_stays_the_same(text in prop_oneof![near().prop_map(|tail| format!("http://a/{tail}")), ".*"]) {
        if let Ok(address) = WebAddress::parse(&text) {
            prop_assert_eq!(WebAddress::parse(&address.to_string()), Ok(address));
        }
    }
}

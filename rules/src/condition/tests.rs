//! Conditions in tables, and as properties: what is printed reads back, and nothing is true by mistake.

use expect_test::{Expect, expect};
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn parse(text: &str) -> Vec<Condition> {
    Condition::parse_group(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn check(text: &str, fields: &Value, expected: bool) {
    let Value::Object(fields) = fields else {
        panic!("fields are an object");
    };
    let holds = parse(text).iter().all(|condition| condition.matches(fields));
    assert_eq!(holds, expected, "{text} on {fields:?}");
}

#[test]
fn equality_compares_texts() {
    let event = json!({"k8s.ns.name": "shop", "proc.cmdline": "sh -c A=1", "empty": "", "spaced": "bash "});
    check("k8s.ns.name=shop", &event, true);
    check("k8s.ns.name = shop", &event, true);
    check("k8s.ns.name==shop", &event, true);
    check("k8s.ns.name=Shop", &event, false);
    check("k8s.ns.name!=shop", &event, false);
    check("k8s.ns.name!=kube-system, k8s.ns.name!=falco", &event, true);
    check("k8s.ns.name!=kube-system,k8s.ns.name=falco", &event, false);
    check("empty=", &event, true);
    check("empty=\"\"", &event, true);
    check("k8s.ns.name=", &event, false);
    check("spaced=bash ", &event, true);
    check("spaced = bash ", &event, false);
    check("spaced = 'bash '", &event, true);
}

#[test]
fn signs_in_values_are_text() {
    let event =
        json!({"a": "b=c", "b": "b!c", "c": "x, y", "d": "say \"hi\"", "e": "it's", "f": "C:\\dir", "g": "a=b!=c"});
    check("a=b=c", &event, true);
    check("a!=b=c", &event, false);
    check("b!=b!c", &event, false);
    check("b=b!c", &event, true);
    check("a=\"b=c\",b=\"b!c\",c=\"x, y\"", &event, true);
    check("c='x, y'", &event, true);
    check("c=\"x, z\"", &event, false);
    check("d='say \"hi\"'", &event, true);
    check("d=\"say \\\"hi\\\"\"", &event, true);
    check("e=it's", &event, true);
    check("f=C:\\dir", &event, true);
    check("f=\"C:\\dir\"", &event, true);
    check("g=a=b!=c", &event, true);
    check("c=x\", \"y", &event, true);
}

#[test]
fn real_field_names_work() {
    let event = json!({
        "proc.is_exe_upper_layer": true, "json.value[/x]": "1", "ka.uri.param[command]": "sh",
        "k8s.pod.label[app.kubernetes.io/name]": "web", "ebpf/enabled": "1", "gcp.userAgent ": "x",
        "n drops/buffer?clone{fork]enter": "0", "a[b=c, d]": "y"
    });
    check("proc.is_exe_upper_layer=true", &event, true);
    check("json.value[/x]=1", &event, true);
    check("ka.uri.param[command]=sh", &event, true);
    check("k8s.pod.label[app.kubernetes.io/name]=web", &event, true);
    check("ebpf/enabled=1", &event, true);
    check("\"gcp.userAgent \"=x", &event, true);
    check("\"n drops/buffer?clone{fork]enter\" = 0", &event, true);
    check("a[b=c, d]=y", &event, true);
}

#[test]
fn only_inequality_holds_without_the_field() {
    check("x!=1", &json!({}), true);
    for text in [
        "x=1",
        "x=<NA>",
        "x<1",
        "x<=1",
        "x>1",
        "x>=1",
        "x startswith a",
        "x endswith a",
        "x contains a",
        "x glob *",
        "x regex .*",
        "x cidr 0.0.0.0/0",
        "x in (1)",
        "x intersects (1)",
        "x exists",
    ] {
        check(text, &json!({}), false);
    }
}

#[test]
fn numbers_compare_as_numbers() {
    let event = json!({"fd.rport": 443, "big": 1_725_538_330_819_462_123_u64, "text": "443", "f": 2576.0, "m": 1_000_000, "neg": -1});
    check("fd.rport=443", &event, true);
    check("fd.rport=\"443\"", &event, true);
    check("fd.rport=443.0", &event, true);
    check("fd.rport>442, fd.rport<444, fd.rport>=443, fd.rport<=443", &event, true);
    check("fd.rport>1024", &event, false);
    check("text>442.5", &event, true);
    check("text=443.0", &event, false);
    check("big=1725538330819462123", &event, true);
    check("big=1725538330819462124", &event, false);
    check("big>1725538330819462122", &event, true);
    check("m=1e+06, m=1000000, f=2576", &event, true);
    check("neg<0", &event, true);
    check("fd.rport=https", &event, false);
    check("fd.rport!=https", &event, true);
    check("fd.rport startswith 4", &event, true);
}

#[test]
fn booleans_and_null_have_a_text() {
    let event = json!({"yes": true, "no": false, "null": null});
    check("yes=true, no=false, yes!=false", &event, true);
    check("yes=True", &event, false);
    check("null=<nil>, null=<NA>", &event, true);
    check("null!=<NA>", &event, false);
    check("null!=web", &event, true);
    check("null exists", &event, false);
    check("yes exists", &event, true);
    check("null contains i", &event, false);
    check("null<1", &event, false);
}

#[test]
fn arrays_hold_where_an_element_holds() {
    let event =
        json!({"images": ["nginx:1", "redis"], "ports": [80, 443], "none": [], "deep": [["x"]], "object": {"a": 1}});
    check("images=redis", &event, true);
    check("images!=redis", &event, false);
    check("images!=mysql", &event, true);
    check("images startswith nginx", &event, true);
    check("ports>=443", &event, true);
    check("images in (redis, nginx:1, mysql)", &event, true);
    check("images in (redis)", &event, false);
    check("images intersects (redis, mysql)", &event, true);
    check("none in (a)", &event, false);
    check("none!=a", &event, true);
    check("none exists, object exists", &event, true);
    check("deep=x", &event, false);
    check("object=1", &event, false);
    check("object!=1", &event, true);
}

#[test]
fn words_test_texts() {
    let event = json!({"proc.name": "bash", "fd.name": "/etc/shadow", "fd.rip": "10.1.2.3", "six": "::ffff:10.1.2.3", "v6": "fd00::1"});
    check("proc.name in (sh, bash)", &event, true);
    check("proc.name in(sh,'bash')", &event, true);
    check("proc.name in (sh, zsh), fd.name exists", &event, false);
    check("fd.name startswith /etc/, fd.name endswith shadow", &event, true);
    check("fd.name contains \"/sha\"", &event, true);
    check("fd.name glob /etc/*", &event, true);
    check("fd.name glob /e?c/s*w", &event, true);
    check("fd.name glob shadow", &event, false);
    check("fd.name glob \"/{etc,a{b,c}}/*\"", &event, true);
    check("fd.name regex /etc/.*", &event, true);
    check("fd.name regex shadow", &event, false);
    check("fd.name regex '/etc/(shadow|passwd)'", &event, true);
    check("fd.name regex \"/etc/[a-z]{4,6}\"", &event, true);
    check("fd.rip cidr 10.0.0.0/8, six cidr 10.0.0.0/8, v6 cidr fd00::/8", &event, true);
    check("fd.rip cidr 10.1.2.3", &event, true);
    check("fd.rip cidr 192.168.0.0/16", &event, false);
    check("fd.name cidr 0.0.0.0/0", &event, false);
}

fn check_error(text: &str, expected: &Expect) {
    let error = Condition::parse_group(text).expect_err(text);
    expected.assert_eq(&format!("{}: {error}", error.chars_before()));
}

#[test]
fn no_glob_is_too_deep_to_be_read() {
    let deep = |levels: usize| format!("a glob {}x{}", "{".repeat(levels), "}".repeat(levels));
    check(&deep(64), &json!({"a": "x"}), true);
    check(&format!("a glob \"{}\"", "\\\\{".repeat(100)), &json!({"a": "{".repeat(100)}), true);
    for levels in [65, 50_000] {
        let error = Condition::parse_group(&deep(levels)).unwrap_err().to_string();
        assert!(error.ends_with("'{…}' within each other are read 64 deep at most"), "{error}");
    }
}

#[test]
fn what_is_not_understood_is_an_error() {
    check_error(
        "",
        &expect![
            "0: incorrect output field key '': the name of a field is expected here (a value with a comma needs quotes, a field with other signs too)"
        ],
    );
    check_error(
        "=b",
        &expect![
            "0: incorrect output field key '=b': the name of a field is expected here (a value with a comma needs quotes, a field with other signs too)"
        ],
    );
    check_error(
        "proc.cmdline=tar c,f",
        &expect![
            "20: incorrect output field key 'f': an operator is expected here, one of: == != <= >= = < > startswith endswith contains glob regex cidr in intersects exists"
        ],
    );
    check_error(
        "a=b,",
        &expect![
            "4: incorrect output field key '': the name of a field is expected here (a value with a comma needs quotes, a field with other signs too)"
        ],
    );
    check_error(
        "proc.name~=x",
        &expect![
            "9: incorrect output field key 'proc.name~=x': an operator is expected here, one of: == != <= >= = < > startswith endswith contains glob regex cidr in intersects exists"
        ],
    );
    check_error(
        "fd.rport>high",
        &expect!["9: incorrect output field key 'fd.rport>high': '>' needs a number, not 'high'"],
    );
    check_error(
        "a startwith b",
        &expect![
            "2: incorrect output field key 'a startwith b': unknown operator 'startwith'; did you mean 'startswith'?"
        ],
    );
    check_error(
        "a startswith",
        &expect!["12: incorrect output field key 'a startswith': 'startswith' needs a value; 'exists' asks for any"],
    );
    check_error("a in b", &expect!["5: incorrect output field key 'a in b': 'in' needs a list such as (a, b)"]);
    check_error("a in (b", &expect!["7: incorrect output field key 'a in (b': this list is not closed by ')'"]);
    check_error(
        "a in ()",
        &expect![[r#"6: incorrect output field key 'a in ()': a value is expected here; the empty text is """#]],
    );
    check_error("a=\"b", &expect![[r#"2: incorrect output field key 'a="b': this quote is not closed"#]]);
    check_error("a='b' c", &expect!["6: incorrect output field key 'a='b' c': a comma is expected after the quote"]);
    check_error("a[b=c", &expect!["1: incorrect output field key 'a[b=c': this '[' is not closed"]);
    check_error(
        "a regex (b",
        &expect!["8: incorrect output field key 'a regex (b': regex parse error:     (b     ^ error: unclosed group"],
    );
    check_error(
        "a cidr 10.0.0.0/33",
        &expect![
            "7: incorrect output field key 'a cidr 10.0.0.0/33': '10.0.0.0/33' is not a network such as 10.0.0.0/8"
        ],
    );
    check_error(
        "k8s.ns.name!=a and k8s.ns.name!=b",
        &expect![
            "13: incorrect output field key 'k8s.ns.name!=a and k8s.ns.name!=b': 'and' joins no conditions here: write a comma, or quote the value"
        ],
    );
    check_error("a exists b", &expect!["9: incorrect output field key 'a exists b': a comma is expected here"]);
    check_error(
        "a",
        &expect![
            "1: incorrect output field key 'a': an operator is expected here, one of: == != <= >= = < > startswith endswith contains glob regex cidr in intersects exists"
        ],
    );
    check_error(
        "näme=x",
        &expect![
            "1: incorrect output field key 'näme=x': an operator is expected here, one of: == != <= >= = < > startswith endswith contains glob regex cidr in intersects exists"
        ],
    );
}

fn any_condition() -> impl Strategy<Value = String> {
    let field = prop_oneof!["[a-z.]{1,8}", "[a-z]{1,4}\\[[^\\]]{0,5}\\]", "\"[^\"\\\\]{0,6}\""];
    let quoted = any::<String>().prop_map(|text| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")));
    let value = prop_oneof!["[a-zA-Z0-9 =!<>.*/-]{1,12}", quoted.clone()];
    let test = prop_oneof![
        (prop_oneof![Just("="), Just("!="), Just(" = "), Just(" != ")], value)
            .prop_map(|(sign, value)| format!("{sign}{value}")),
        (prop_oneof![Just("<"), Just(" >= ")], any::<i64>()).prop_map(|(sign, value)| format!("{sign}{value}")),
        any::<f64>().prop_filter("finite", |float| float.is_finite()).prop_map(|float| format!("<={float:e}")),
        (prop_oneof![Just("startswith"), Just("endswith"), Just("contains")], "[a-z,]{1,5}")
            .prop_map(|(word, value)| format!(" {word} '{value}'")),
        "[a-z*?]{1,6}".prop_map(|glob| format!(" glob {glob}")),
        "[a-z.*]{1,3}".prop_map(|regex| format!(" regex x{regex}")),
        proptest::collection::vec(quoted, 1..4).prop_map(|values| format!(" in ({})", values.join(","))),
        Just(" exists".to_owned()),
        Just(" cidr 10.0.0.0/8".to_owned()),
    ];
    (field, test).prop_map(|(field, test)| format!("{field}{test}"))
}

proptest! {
    #[test]
    fn what_is_printed_reads_back(text in any_condition()) {
        // Some of what is made up is not a condition, e.g. a value that begins with a quote.
        if let Ok(conditions) = Condition::parse_group(&text) {
            for condition in conditions {
                let printed = condition.to_string();
                let again = parse(&printed);
                prop_assert_eq!(again.len(), 1);
                prop_assert_eq!(format!("{:?}", again[0]), format!("{condition:?}"));
                prop_assert_eq!(again[0].to_string(), printed);
            }
        }
    }

    #[test]
    fn no_text_panics_and_all_fail_closed(text in "\\PC{0,40}", field in "[a-z]{1,3}") {
        for text in [text.clone(), format!("{field} {text}"), format!("{field}={text}")] {
            if let Ok(conditions) = Condition::parse_group(&text) {
                prop_assert!(!conditions.is_empty());
                for condition in conditions {
                    prop_assert_eq!(condition.matches(&Map::new()), matches!(condition.test, Test::NotEqual(_)));
                }
            }
        }
    }

    #[test]
    fn inequality_is_the_opposite_of_equality(value in "[a-z0-9.]{0,4}", field in prop_oneof![
        "[a-z0-9.]{0,4}".prop_map(Value::from), any::<i64>().prop_map(Value::from), any::<bool>().prop_map(Value::from),
        proptest::collection::vec(0..5, 0..3).prop_map(Value::from),
    ]) {
        let fields = Map::from_iter([("x".to_owned(), field)]);
        let holds = |text: String| parse(&text)[0].matches(&fields);
        prop_assert_ne!(holds(format!("x=\"{value}\"")), holds(format!("x!=\"{value}\"")));
    }
}

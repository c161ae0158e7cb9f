//! What the reader of trees says about keys, kinds and places.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

fn render(node: &Node) -> String {
    match &node.content {
        Content::Scalar(scalar) => format!("{:?}:{}", scalar.text, scalar.kind.name()),
        Content::List(items) => {
            let items: Vec<String> = items.iter().map(render).collect();
            format!("[{}]", items.join(", "))
        }
        Content::Map(entries) => {
            let line = |entry: &Entry| format!("{}@{}: {}", entry.key, entry.at.line, render(&entry.value));
            let entries: Vec<String> = entries.iter().map(line).collect();
            format!("{{{}}}", entries.join(", "))
        }
    }
}

fn check(text: &str, expected: &Expect) {
    let (documents, errors) = documents("r.yaml", text);
    let mut lines: Vec<String> = documents.iter().flatten().map(render).collect();
    lines.extend(errors.iter().map(ToString::to_string));
    expected.assert_eq(&lines.join("\n"));
}

#[test]
fn nodes_know_their_line_and_kind() {
    check(
        "- a: 1\n  b: '1'\n- [true, ~, x]\n",
        &expect![[r#"[{a@1: "1":integer, b@2: "1":string}, ["true":boolean, "~":null, "x":string]]"#]],
    );
}

#[test]
fn all_documents_are_read() {
    check(
        "- a\n---\n- b\n",
        &expect![[r#"
        ["a":string]
        ["b":string]"#]],
    );
    check("# nothing\n", &expect![""]);
}

#[test]
fn merge_keys_add_what_is_not_there() {
    check(
        "- &p {a: 1, b: 2}\n- <<: *p\n  b: 3\n- <<: [{c: 4}, *p]\n",
        &expect![[
            r#"[{a@1: "1":integer, b@1: "2":integer}, {b@3: "3":integer, a@1: "1":integer}, {c@4: "4":integer, a@1: "1":integer, b@1: "2":integer}]"#
        ]],
    );
}

#[test]
fn mistakes_have_positions_and_do_not_hide_each_other() {
    check(
        "a: 1\na: 2\nb: !foo 3\n? [x]\n: 4\n",
        &expect![[r#"
        {a@1: "1":integer, b@3: "3":string}
        r.yaml:2:1: the key 'a' is there twice, first at r.yaml:1:1
        r.yaml:3:9: this tag is not supported; a text that begins with '!' stands in quotes
        r.yaml:4:3: a key must be a text"#]],
    );
    check("a: [1\n", &expect!["r.yaml:1:4: unclosed bracket '['"]);
    check("a: *b\n", &expect!["r.yaml:1:4: while parsing node, found unknown anchor"]);
    check("a: &a [*a]\n", &expect!["r.yaml:1:8: an alias within what it stands for"]);
    check("a:\n\t- b\n", &expect!["r.yaml:2:2: tabs disallowed within this context (block indentation)"]);
}

#[test]
fn an_alias_is_where_it_stands_and_what_lies_in_it_where_it_was_written() {
    let (node, errors) = document("r.yaml", "a: &a [x]\nb: *a\nc: &c y\nd: *c\n");
    assert_eq!(errors, []);
    let Some(Node { content: Content::Map(entries), .. }) = node else { panic!("a map") };
    let places = |entry: &Entry| match &entry.value.content {
        Content::List(items) => format!("{} of {}", items[0].at, entry.value.at),
        Content::Scalar(scalar) => format!("{:?} at {}", scalar.inset, entry.value.at),
        Content::Map(_) => String::new(),
    };
    let places: Vec<String> = entries.iter().map(places).collect();
    assert_eq!(
        places,
        ["r.yaml:1:8 of r.yaml:1:7", "r.yaml:1:8 of r.yaml:2:4", "Some(0) at r.yaml:3:7", "None at r.yaml:4:4"]
    );
}

#[test]
fn one_document_is_one() {
    let check = |text: &str, expected: &Expect| {
        let (node, errors) = document("r.yaml", text);
        let lines: Vec<String> = node.iter().map(render).chain(errors.iter().map(ToString::to_string)).collect();
        expected.assert_eq(&lines.join("\n"));
    };
    check("", &expect![[r#""":null"#]]);
    check("---\na: 1\n...\n", &expect![[r#"{a@2: "1":integer}"#]]);
    check(
        "a: 1\n---\nb: 2\n",
        &expect![[r#"
        {a@1: "1":integer}
        r.yaml:3:1: a second document begins here, and this file can hold one only"#]],
    );
    check(
        "a: 1\na: 2\n---\n",
        &expect![[r#"
        {a@1: "1":integer}
        r.yaml:2:1: the key 'a' is there twice, first at r.yaml:1:1
        r.yaml:3:4: a second document begins here, and this file can hold one only"#]],
    );
}

#[test]
fn json_is_yaml_with_tabs_and_a_mark_of_byte_order() {
    check("\u{feff}a: 1\n", &expect![[r#"{a@1: "1":integer}"#]]);
    check(
        "{\n\t\"a\": [1e3, true, null,\n\t\t\"\\ud83d\\ude00\\/\"],\n\t\"b\":\t{}\n}\n",
        &expect![[r#"{a@2: ["1e3":number, "true":boolean, "null":null, "😀/":string], b@4: {}}"#]],
    );
    check("a:\r\n  b: 1\r\n", &expect![[r#"{a@1: {b@2: "1":integer}}"#]]);
}

#[test]
fn bombs_do_not_unfold() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let below = format!("*a{},", level - 1).repeat(9);
        text.push_str(&format!("a{level}: &a{level} [{below}]\n"));
    }
    check(&text, &expect!["r.yaml:5:9: the aliases of this file unfold to too much"]);
    check(&"[".repeat(100_000), &expect!["r.yaml:1:256: recursion limit exceeded"]);
    check(&"- ".repeat(200), &expect!["r.yaml:1:131: more than 64 levels of lists and maps"]);
    // What is kept for aliases that never come counts too.
    let kept: String = (0..60).map(|level| format!("&a{level} [")).collect();
    let kept = format!("{kept}{}{}", "x,".repeat(20_000), "]".repeat(60));
    check(&kept, &expect!["r.yaml:1:314: the aliases of this file unfold to too much"]);
    // Nothing is searched for among all that is there.
    let keys = |name: &str| -> String { (0..50_000).map(|number| format!("{name}{number}: ,")).collect() };
    let (node, errors) = document("r.yaml", &format!("{{{}<<: {{{}}}}}", keys("a"), keys("b")));
    let Some(Node { content: Content::Map(entries), .. }) = node else { panic!("{errors:?}") };
    assert_eq!(entries.len(), 100_000);
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in any::<String>()) {
        let _ = documents("r.yaml", &text);
    }

    #[test]
    fn no_order_of_what_yaml_is_made_of_makes_the_reader_panic(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "a", "é", "1.5", "~", "'", "\"", "\\", "- ", ": ", "? ", "[", "]", "{", "}", ", ", "&a ", "*a", "<<: ",
                "!!str ", "!x ", "|", ">-", "# ", "---\n", "...\n", "%YAML 1.2\n", "\n", "\n  ", "\t", "\r", "\u{feff}",
                "\u{0}", "\u{2028}",
            ]),
            0..40,
        )
    ) {
        let text = parts.concat();
        let (documents, errors) = documents("r.yaml", &text);
        prop_assert!(documents.is_some() || !errors.is_empty());
        prop_assert!(errors.iter().all(|error| error.at.line > 0 && error.at.column > 0));
    }
}

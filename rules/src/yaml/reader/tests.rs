//! What the reader of trees says about keys, kinds and places.

use expect_test::{Expect, expect};

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
    let source = Source { path: "r.yaml".to_owned(), text: text.to_owned() };
    let mut findings = Findings::default();
    let documents = read(&source, &mut findings);
    let mut lines: Vec<String> = documents.iter().flatten().map(render).collect();
    lines.extend(findings.into_list().iter().map(ToString::to_string));
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
        r.yaml:2:1: wrong syntax for the rule file 'r.yaml': the key 'a' is there twice, first at r.yaml:1:1
        r.yaml:3:9: wrong syntax for the rule file 'r.yaml': the tag '!foo' is not supported
        r.yaml:4:3: wrong syntax for the rule file 'r.yaml': a key must be a text"#]],
    );
    check("a: [1\n", &expect!["r.yaml:1:4: wrong syntax for the rule file 'r.yaml': unclosed bracket '['"]);
    check(
        "a: *b\n",
        &expect!["r.yaml:1:4: wrong syntax for the rule file 'r.yaml': while parsing node, found unknown anchor"],
    );
    check(
        "a: &a [*a]\n",
        &expect!["r.yaml:1:8: wrong syntax for the rule file 'r.yaml': an alias within what it stands for"],
    );
    check(
        "a:\n\t- b\n",
        &expect![
            "r.yaml:2:2: wrong syntax for the rule file 'r.yaml': tabs disallowed within this context (block indentation)"
        ],
    );
}

#[test]
fn bombs_do_not_unfold() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let below = format!("*a{},", level - 1).repeat(9);
        text.push_str(&format!("a{level}: &a{level} [{below}]\n"));
    }
    check(
        &text,
        &expect!["r.yaml:6:10: wrong syntax for the rule file 'r.yaml': the aliases of this file unfold to too much"],
    );
    check(
        &"[".repeat(100_000),
        &expect!["r.yaml:1:256: wrong syntax for the rule file 'r.yaml': recursion limit exceeded"],
    );
    check(
        &"- ".repeat(200),
        &expect!["r.yaml:1:131: wrong syntax for the rule file 'r.yaml': more than 64 levels of lists and maps"],
    );
}

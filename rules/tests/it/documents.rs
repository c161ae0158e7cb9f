//! Rule files: how they merge, and how they print.

use std::num::NonZero;
use std::time::Duration;

use expect_test::{Expect, expect};
use rules::{Diagnostic, Document, Retry, Rule, Source};
use serde_json::json;

use crate::catalogue::catalogue;

pub(crate) fn sources(files: &[&str]) -> Vec<Source> {
    let name = |index| {
        if index == 0 { "rules.yaml".to_owned() } else { format!("override{index}.yaml") }
    };
    let source = |(index, text): (usize, &&str)| Source { path: name(index), text: (*text).to_owned() };
    files.iter().enumerate().map(source).collect()
}

pub(crate) fn lines(findings: &[Diagnostic]) -> String {
    findings.iter().map(|finding| format!("{finding}\n")).collect()
}

/// What `rules print` shows, after the warnings; or the findings.
fn check_print(files: &[&str], expected: &Expect) {
    let text = match Document::parse(&sources(files)) {
        Ok(document) => {
            let printed = document.to_yaml();
            let again =
                Document::parse(&sources(&[&printed])).unwrap_or_else(|findings| panic!("{}", lines(&findings)));
            assert_eq!(again.to_yaml(), printed);
            format!("{}{printed}", lines(document.warnings()))
        }
        Err(findings) => lines(&findings),
    };
    expected.assert_eq(&text);
}

pub(crate) fn checked(files: &[&str]) -> Result<(Vec<Rule>, Vec<Diagnostic>), Vec<Diagnostic>> {
    Document::parse(&sources(files))?.check(&catalogue())
}

pub(crate) const LABEL: &str = "\
- action: Label Pod
  description: adds a label
  actionner: kubernetes:label
  parameters:
    level: pod
    labels: {suspicious: 'true', team: a}
  continue: false
  additional_contexts: [aws]
- rule: Shell
  match:
    rules: [Terminal shell in container]
    output_fields:
      - k8s.ns.name!=kube-system, k8s.ns.name!=falco
    priority: '>=Warning'
    source: syscall
  actions:
    - action: Label Pod
";

#[test]
fn print_has_the_layout_of_the_original() {
    check_print(
        &[LABEL],
        &expect![[r#"
        ---
        - rule: Shell
          actions:
            - parameters:
                labels:
                    suspicious: "true"
                    team: a
                level: pod
              action: Label Pod
              description: adds a label
              actionner: kubernetes:label
              continue: "false"
              additional_contexts:
                - aws
          match:
            output_fields:
                - k8s.ns.name!=kube-system, k8s.ns.name!=falco
            priority: '>=Warning'
            source: syscall
            rules:
                - Terminal shell in container
    "#]],
    );
    check_print(
        &["# nothing\n"],
        &expect![[r#"
        ---
        []
    "#]],
    );
}

#[test]
fn a_later_block_overrides_what_it_says_and_nothing_else() {
    let later = "\
- rule: Shell
  description: changed
  dry_run: true
  match: {rules: [Other], tags: ['a, b']}
  actions:
    - action: Label Pod
      ignore_errors: true
    - action: Stop
      actionner: kubernetes:terminate
- action: Label Pod
  parameters: {labels: {team: b}, level: node}
  additional_contexts: [k8snode, aws]
";
    check_print(
        &[LABEL, later],
        &expect![[r#"
        ---
        - rule: Shell
          description: changed
          dry_run: "true"
          actions:
            - parameters:
                labels:
                    suspicious: "true"
                    team: b
                level: node
              action: Label Pod
              description: adds a label
              actionner: kubernetes:label
              continue: "false"
              ignore_errors: "true"
              additional_contexts:
                - aws
                - k8snode
            - action: Stop
              actionner: kubernetes:terminate
          match:
            output_fields:
                - k8s.ns.name!=kube-system, k8s.ns.name!=falco
            priority: '>=Warning'
            source: syscall
            rules:
                - Terminal shell in container
                - Other
            tags:
                - a, b
    "#]],
    );
}

#[test]
fn an_entry_beats_its_block() {
    let file = "\
- action: A
  actionner: kubernetes:networkpolicy
  parameters: {allow_cidr: [10.0.0.0/8], labels: {a: block, b: block}, n: 1, kept: x, nothing: ~}
  continue: false
  additional_contexts: [aws]
  output: {target: aws:s3, parameters: {bucket: b, prefix: p}}
- rule: R
  actions:
    - action: A
      parameters: {ALLOW_CIDR: [10.1.0.0/16], labels: {a: entry}, n: 2, kept: ~}
      continue: true
      additional_contexts: [k8snode]
      output: {parameters: {prefix: q}}
";
    check_print(
        &[file],
        &expect![[r#"
        ---
        - rule: R
          actions:
            - parameters:
                allow_cidr:
                    - 10.0.0.0/8
                    - 10.1.0.0/16
                kept: x
                labels:
                    a: entry
                    b: block
                "n": 2
                nothing: null
              output:
                parameters:
                    bucket: b
                    prefix: q
                target: aws:s3
              action: A
              actionner: kubernetes:networkpolicy
              continue: "true"
              additional_contexts:
                - k8snode
          match: {}
    "#]],
    );
}

#[test]
fn an_output_of_another_target_brings_its_own_parameters() {
    let base = "\
- action: A
  actionner: kubernetes:log
  output: {target: aws:s3, parameters: {bucket: b}}
- rule: R
  match: {rules: [X]}
  actions: [{action: A}]
";
    let output = |rules: &[Rule]| {
        let output = rules[0].actions[0].output.as_ref().expect("an output");
        (output.target.clone(), output.parameters.clone())
    };
    let local = "- action: A\n  output: {target: local:file, parameters: {destination: /tmp}}\n";
    let (rules, _) = checked(&[base, local]).expect("valid");
    assert_eq!(output(&rules), ("local:file".to_owned(), json!({"destination": "/tmp"})));
    let minio = "- action: A\n  output: {target: minio:s3}\n";
    let (rules, _) = checked(&[base, minio]).expect("valid");
    assert_eq!(output(&rules), ("minio:s3".to_owned(), json!({"bucket": "b"})));
}

#[test]
fn attempts_and_ages_are_taken_one_by_one() {
    let base = "\
- action: A
  actionner: kubernetes:log
  retry: {attempts: 3, within: 600s}
- rule: R
  max_age: 6h
  match: {rules: [X]}
  actions: [{action: A}, {action: B, actionner: kubernetes:log}]
";
    let later = "\
- action: A
  retry: {within: 90s}
- rule: R
  max_age: 1d
  actions: [{action: A, retry: {attempts: 5}}]
- rule: R
  max_age:
  actions: [{action: A, retry: {attempts: }}]
";
    check_print(
        &[base, later],
        &expect![[r#"
            ---
            - rule: R
              max_age: 1d
              actions:
                - action: A
                  actionner: kubernetes:log
                  retry:
                    attempts: 5
                    within: 90s
                - action: B
                  actionner: kubernetes:log
              match:
                rules:
                    - X
        "#]],
    );
    let (rules, _) = checked(&[base, later]).expect("valid");
    assert_eq!(rules[0].max_age, Some(Duration::from_secs(86_400)));
    let retry = Retry { attempts: NonZero::new(5), within: Some(Duration::from_secs(90)) };
    assert_eq!((rules[0].actions[0].retry, rules[0].actions[1].retry), (retry, Retry::default()));
}

#[test]
fn naming_an_action_again_overrides_its_run() {
    let twice = "\
- rule: R
  actions:
    - {action: Exec, actionner: kubernetes:exec, parameters: {command: one}}
    - {action: Exec, actionner: kubernetes:exec, parameters: {command: two}}
- rule: R
  actions:
    - {action: Exec, parameters: {shell: sh}}
    - {action: Exec, parameters: {command: three}}
    - {action: Exec, actionner: kubernetes:exec, parameters: {command: four}}
";
    check_print(
        &[twice],
        &expect![[r#"
        ---
        - rule: R
          actions:
            - parameters:
                command: one
                shell: sh
              action: Exec
              actionner: kubernetes:exec
            - parameters:
                command: three
              action: Exec
              actionner: kubernetes:exec
            - parameters:
                command: four
              action: Exec
              actionner: kubernetes:exec
          match: {}
    "#]],
    );
}

#[test]
fn kinds_that_do_not_fit_are_reported() {
    let file = "\
- action: A
  actionner: kubernetes:networkpolicy
  parameters: {allow_cidr: 10.0.0.0/8}
- rule: R
  actions:
    - action: A
      parameters: {allow_cidr: [10.0.0.0/8]}
";
    check_print(
        &[file],
        &expect![[r#"
            rules.yaml:7:32: warning: mismatch of type for a parameter; this value replaces that of the block rule="R" action="A"
            ---
            - rule: R
              actions:
                - parameters:
                    allow_cidr:
                        - 10.0.0.0/8
                  action: A
                  actionner: kubernetes:networkpolicy
              match: {}
        "#]],
    );
}

#[test]
fn lists_of_a_later_block_are_not_wrapped() {
    let base = "- action: A\n  actionner: kubernetes:networkpolicy\n- rule: R\n  match: {rules: [X]}\n  actions: [{action: A}]\n";
    let later = "- action: A\n  parameters: {allow_namespaces: [ns1]}\n";
    let (rules, _) = checked(&[base, later]).expect("valid");
    assert_eq!(rules[0].actions[0].parameters, json!({"allow_namespaces": ["ns1"]}));
}

#[test]
fn a_checked_rule_has_the_defaults() {
    let (rules, warnings) = checked(&[LABEL]).expect("valid");
    let rule = &rules[0];
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!(
        (rule.continues, rule.continue_as_written, rule.dry_run, rule.dry_run_as_written),
        (true, None, false, None)
    );
    assert_eq!(rule.position.to_string(), "rules.yaml:9:9");
    let action = &rule.actions[0];
    assert_eq!((action.continues, action.continue_as_written), (false, Some(false)));
    assert_eq!((action.ignore_errors, action.ignore_errors_as_written), (false, None));
    assert_eq!(action.parameters, json!({"labels": {"suspicious": "true", "team": "a"}, "level": "pod"}));
    let stop = "- rule: R\n  match: {rules: [X]}\n  actions: [{action: S, actionner: kubernetes:terminate}]\n";
    let (rules, _) = checked(&[stop]).expect("valid");
    assert!(!rules[0].actions[0].continues);
    assert_eq!(rules[0].actions[0].parameters["ignore_daemonsets"], json!(false));
}

#[test]
fn the_actionners_in_use_are_known_before_the_check() {
    let document = Document::parse(&sources(&[LABEL, "- action: Unused\n  actionner: a:b\n"])).expect("valid");
    assert_eq!(document.actionners(), ["kubernetes:label".parse().unwrap()].into());
}

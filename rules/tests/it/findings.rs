//! What is found wrong with rule files, and where.

use expect_test::{Expect, expect};
use rules::Document;

use crate::documents::{LABEL, checked, lines, sources};

/// What `rules check` finds.
fn check(file: &str, expected: &Expect) {
    let text = match checked(&[file]) {
        Ok((rules, warnings)) => format!("{}{} rules", lines(&warnings), rules.len()),
        Err(findings) => lines(&findings),
    };
    expected.assert_eq(&text);
}

#[test]
fn the_rule_of_the_announcement_is_reported_in_its_words() {
    let file = LABEL.replace("kubernetes:label", "foor:bar");
    check(
        &file,
        &expect![[r#"
        rules.yaml:3:14: unknown actionner rule="Shell" action="Label Pod" actionner="foor:bar"
    "#]],
    );
}

#[test]
fn every_mistake_of_the_first_phase_is_found() {
    check(
        "\
- rule: First
  continue: yes
  dry_run: True
  notifier: [slack]
  match:
    priority: high
    tags: ['a b, c!', '']
    output_fields:
      - fd.rport>x
      - \"proc.cmdline=tar c,f\"
    rule: [x]
- rule: Second
  actions:
    - actionner: kubernetes:label
    - action: A
    - action: B
      actionner: Kubernetes
      ignore_errors: 1
      labels: {a: b}
      match: {rules: [x]}
    - action: C
      actionner: kubernetes:log
      output: {target: aws:s3}
    - action: D
      actionner: kubernetes:log
      output: {parameters: {bucket: b}}
- rule: ''
- action: AA
  contexts: [aws]
  output: {tarjet: x}
",
        &expect![[r#"
            rules.yaml:2:13: 'continue' setting can be 'true' or 'false' only rule="First"
            rules.yaml:3:12: 'dry_run' setting can be 'true' or 'false' only rule="First"
            rules.yaml:4:3: unknown key 'notifier' in a rule block; did you mean 'notifiers'? rule="First"
            rules.yaml:6:15: incorrect priority 'high'; it is one of Debug, Informational, Notice, Warning, Error, Critical, Alert, Emergency, with <, <=, > or >= before it or not rule="First"
            rules.yaml:7:12: incorrect tag 'c!'; a tag is made of letters, digits, '_', '.', '-' and '/' rule="First"
            rules.yaml:7:23: incorrect tag ''; a tag is made of letters, digits, '_', '.', '-' and '/' rule="First"
            rules.yaml:9:18: incorrect output field key 'fd.rport>x': '>' needs a number, not 'x' rule="First"
            rules.yaml:10:30: incorrect output field key 'f': an operator is expected here, one of: == != <= >= = < > startswith endswith contains glob regex cidr in intersects exists rule="First"
            rules.yaml:11:5: unknown key 'rule' in 'match'; did you mean 'rules'? rule="First"
            rules.yaml:14:7: action without a name rule="Second"
            rules.yaml:18:22: 'ignore_errors' setting can be 'true' or 'false' only rule="Second" action="B" actionner="Kubernetes"
            rules.yaml:19:7: unknown key 'labels' in an action block; what the actionner takes is indented under 'parameters:' rule="Second" action="B" actionner="Kubernetes"
            rules.yaml:20:7: unknown key 'match' in an action block; it belongs to a rule block rule="Second" action="B" actionner="Kubernetes"
            rules.yaml:27:3: all rules must have a name
            rules.yaml:29:3: unknown key 'contexts' in an action block; did you mean 'additional_contexts'? action="AA"
            rules.yaml:30:12: unknown key 'tarjet' in 'output'; did you mean 'target'? action="AA"
            rules.yaml:1:9: no action specified rule="First"
            rules.yaml:15:15: missing actionner; no action block has this name; did you mean 'AA'? rule="Second" action="A"
            rules.yaml:17:18: incorrect actionner; it is written 'category:name', such as 'kubernetes:label': both begin with a small letter and go on with small letters, digits, '-' and '_', 64 characters at most together rule="Second" action="B" actionner="Kubernetes"
            rules.yaml:23:24: missing 'parameters' for the output rule="Second" action="C" actionner="kubernetes:log" output_target="aws:s3"
            rules.yaml:26:15: missing 'target' for the output rule="Second" action="D" actionner="kubernetes:log"
        "#]],
    );
}

#[test]
fn every_mistake_of_the_second_phase_is_found() {
    check(
        "\
- rule: First
  notifiers: [slak]
  match:
    output_fields: [k8s.ns.name!=kube-system]
  actions:
    - action: A
      actionner: kubernetes:labelize
    - action: B
      actionner: kubernetes:label
      additional_contexts: [k8s]
      parameters: {label: {a: b}}
    - action: C
      actionner: kubernetes:tcpdump
    - action: D
      actionner: kubernetes:tcpdump
      output: {target: aws:s4, parameters: {bucket: b}}
    - action: E
      actionner: kubernetes:terminate
      parameters: {grace_period_seconds: '5', ignoreDaemonsets: true}
      output: {target: aws:s3, parameters: {bucket: b}}
    - action: F
      actionner: kubernetes:log
      output: {target: aws:s3, parameters: {buckt: b}}
- rule: Second
  actions:
    - {action: S, actionner: kubernetes:cordon, parameters: {x: 1}}
",
        &expect![[r#"
            rules.yaml:2:15: unknown notifier 'slak'; did you mean 'slack'? rule="First"
            rules.yaml:4:21: warning: '!=' is true for events without the field too, and nothing else here narrows down the events; add 'exists', or name rules, tags or a source rule="First"
            rules.yaml:7:18: unknown actionner; did you mean 'kubernetes:label'? rule="First" action="A" actionner="kubernetes:labelize"
            rules.yaml:10:29: unknown context 'k8s'; did you mean 'k8snode'? rule="First" action="B" actionner="kubernetes:label"
            rules.yaml:11:19: missing parameter 'labels' rule="First" action="B" actionner="kubernetes:label"
            rules.yaml:11:20: unknown parameter 'label'; did you mean 'labels'? rule="First" action="B" actionner="kubernetes:label"
            rules.yaml:12:15: an output is required; valid targets: aws:s3, gcp:gcs, local:file, minio:s3 rule="First" action="C" actionner="kubernetes:tcpdump"
            rules.yaml:16:24: unknown target; did you mean 'aws:s3'? rule="First" action="D" output_target="aws:s4"
            rules.yaml:19:20: error decoding parameters: 'grace_period_seconds' expected type 'integer', got type 'string'; write it without quotes rule="First" action="E" actionner="kubernetes:terminate"
            rules.yaml:19:47: unknown parameter 'ignoreDaemonsets'; did you mean 'ignore_daemonsets'? rule="First" action="E" actionner="kubernetes:terminate"
            rules.yaml:20:15: this actionner yields nothing that an output could take rule="First" action="E" actionner="kubernetes:terminate"
            rules.yaml:23:44: missing parameter 'bucket' rule="First" action="F" output_target="aws:s3"
            rules.yaml:23:45: unknown parameter 'buckt'; did you mean 'bucket'? rule="First" action="F" output_target="aws:s3"
            rules.yaml:24:9: warning: this rule matches every event, as it has no 'match' rule="Second"
            rules.yaml:26:62: unknown parameter 'x'; it takes no parameters rule="Second" action="S" actionner="kubernetes:cordon"
        "#]],
    );
}

#[test]
fn attempts_and_ages_are_checked() {
    let valid = "\
- rule: R
  max_age: 90d
  match: {rules: [x]}
  actions:
    - {action: A, actionner: kubernetes:cordon, retry: {attempts: '1', within: 1m30s}}
    - {action: B, actionner: kubernetes:cordon, retry: {attempts: 100}}
    - {action: C, actionner: kubernetes:cordon, retry: {within: }}
    - {action: D, actionner: kubernetes:cordon, retry: }
";
    check(valid, &expect!["1 rules"]);
    check(
        "\
- rule: Times
  max_age: 0
  retry: {attempts: 2}
  attempts: 2
  tags: [a]
  actions:
    - {action: A, actionner: kubernetes:cordon, retry: {attempts: 0, within: 600}}
    - {action: B, actionner: kubernetes:cordon, retry: {attempts: -1, within: -10m}}
    - {action: C, actionner: kubernetes:cordon, retry: {attempts: 2.5, within: 10x}}
    - {action: D, actionner: kubernetes:cordon, retry: {attempts: 101, within: 8d}}
    - {action: E, actionner: kubernetes:cordon, retry: {attempt: 3, timeout: 10m}}
    - {action: F, actionner: kubernetes:cordon, retry: 3}
    - {action: G, actionner: kubernetes:cordon, retry: {attempts: [1], within: {a: b}}}
    - {action: H, actionner: kubernetes:cordon, max_age: 1h, within: 10m}
- rule: Ages
  max_age: 6 hours or so
  actions: [{action: A, actionner: kubernetes:cordon}]
- rule: More ages
  max_age: [6h]
  actions: [{action: A, actionner: kubernetes:cordon}]
",
        &expect![[r#"
            rules.yaml:2:12: 'max_age' is a time from 1s to 365d, such as '30s' or '10m', not '0' rule="Times"
            rules.yaml:3:3: unknown key 'retry' in a rule block; it belongs to an action rule="Times"
            rules.yaml:4:3: unknown key 'attempts' in a rule block; it belongs to 'retry' of an action rule="Times"
            rules.yaml:5:3: unknown key 'tags' in a rule block; it belongs to 'match' rule="Times"
            rules.yaml:7:67: 'attempts' is a whole number from 1 to 100, not '0' rule="Times" action="A" actionner="kubernetes:cordon"
            rules.yaml:7:78: 'within' is a time from 1s to 7d, such as '30s' or '10m', not '600' rule="Times" action="A" actionner="kubernetes:cordon"
            rules.yaml:8:67: 'attempts' is a whole number from 1 to 100, not '-1' rule="Times" action="B" actionner="kubernetes:cordon"
            rules.yaml:8:79: 'within' is a time from 1s to 7d, such as '30s' or '10m', not '-10m' rule="Times" action="B" actionner="kubernetes:cordon"
            rules.yaml:9:67: 'attempts' is a whole number from 1 to 100, not '2.5' rule="Times" action="C" actionner="kubernetes:cordon"
            rules.yaml:9:80: 'within' is a time from 1s to 7d, such as '30s' or '10m', not '10x' rule="Times" action="C" actionner="kubernetes:cordon"
            rules.yaml:10:67: 'attempts' is a whole number from 1 to 100, not '101' rule="Times" action="D" actionner="kubernetes:cordon"
            rules.yaml:10:80: 'within' is a time from 1s to 7d, such as '30s' or '10m', not '8d' rule="Times" action="D" actionner="kubernetes:cordon"
            rules.yaml:11:57: unknown key 'attempt' in 'retry'; did you mean 'attempts'? rule="Times" action="E" actionner="kubernetes:cordon"
            rules.yaml:11:69: unknown key 'timeout' in 'retry'; valid: attempts, within rule="Times" action="E" actionner="kubernetes:cordon"
            rules.yaml:12:56: wrong syntax for the rule file 'rules.yaml': 'retry' must be a map, this is a integer rule="Times" action="F" actionner="kubernetes:cordon"
            rules.yaml:13:67: wrong syntax for the rule file 'rules.yaml': 'attempts' must be a text, this is a list rule="Times" action="G" actionner="kubernetes:cordon"
            rules.yaml:13:80: wrong syntax for the rule file 'rules.yaml': 'within' must be a text, this is a map rule="Times" action="G" actionner="kubernetes:cordon"
            rules.yaml:14:49: unknown key 'max_age' in an action block; it belongs to a rule block rule="Times" action="H" actionner="kubernetes:cordon"
            rules.yaml:14:62: unknown key 'within' in an action block; it belongs to 'retry' of an action rule="Times" action="H" actionner="kubernetes:cordon"
            rules.yaml:16:12: 'max_age' is a time from 1s to 365d, such as '30s' or '10m', not '6 hours or so' rule="Ages"
            rules.yaml:19:12: wrong syntax for the rule file 'rules.yaml': 'max_age' must be a text, this is a list rule="More ages"
        "#]],
    );
}

#[test]
fn wrong_shapes_are_named() {
    check(
        "rule: x\n",
        &expect![[r#"
        rules.yaml:1:1: wrong syntax for the rule file 'rules.yaml': a rule file is a list of blocks that begin with '- action:' or '- rule:'
    "#]],
    );
    check(
        "- name: x\n  match: {priority: Critical}\n  action: {name: kubernetes:labelize}\n",
        &expect![[r#"
        rules.yaml:1:3: wrong syntax for the rule file 'rules.yaml': a rule begins with 'rule:' and has a list of 'actions:'; 'name:' with one 'action:' is the syntax of before 2024
    "#]],
    );
    check(
        "- {rule: a, action: b}\n- {description: c}\n- d\n",
        &expect![[r#"
        rules.yaml:1:3: wrong syntax for the rule file 'rules.yaml': a block has either 'action:' or 'rule:', this one has both
        rules.yaml:2:3: wrong syntax for the rule file 'rules.yaml': a block needs 'action:' or 'rule:', this one has neither
        rules.yaml:3:3: wrong syntax for the rule file 'rules.yaml': a block is a map with 'action:' or 'rule:'
    "#]],
    );
    check(
        "- rule: [a]\n- rule: R\n  match: x\n  actions: [{action: {}}, y]\n- rule: S\n  match: {rules: x, tags: [~]}\n  actions: {}\n",
        &expect![[r#"
            rules.yaml:1:9: wrong syntax for the rule file 'rules.yaml': 'rule' must be a text, this is a list
            rules.yaml:3:10: wrong syntax for the rule file 'rules.yaml': 'match' must be a map, this is a string rule="R"
            rules.yaml:4:22: wrong syntax for the rule file 'rules.yaml': 'action' must be a text, this is a map rule="R"
            rules.yaml:4:27: wrong syntax for the rule file 'rules.yaml': 'actions' must be a list of maps, this is a string rule="R"
            rules.yaml:6:18: wrong syntax for the rule file 'rules.yaml': 'rules' must be a list, this is a string rule="S"
            rules.yaml:6:28: wrong syntax for the rule file 'rules.yaml': 'tags' must be a list of texts, this is a null rule="S"
            rules.yaml:7:12: wrong syntax for the rule file 'rules.yaml': 'actions' must be a list, this is a map rule="S"
        "#]],
    );
    check(
        "- rule: R\n  actions:\n\t- action: A\n",
        &expect![[r#"
        rules.yaml:3:2: wrong syntax for the rule file 'rules.yaml': tabs disallowed within this context (block indentation)
    "#]],
    );
}

#[test]
fn all_documents_of_a_file_count() {
    check(
        "- action: A\n  actionner: kubernetes:cordon\n---\n- rule: R\n  match: {rules: [x]}\n  actions: [{action: A}]\n",
        &expect!["1 rules"],
    );
    check("---\n", &expect!["0 rules"]);
}

#[test]
fn a_broken_file_does_not_hide_the_mistakes_of_another() {
    let findings = Document::parse(&sources(&["- [", "- rule: R\n  continue: no\n"])).expect_err("invalid");
    expect![[r#"
        rules.yaml:1:3: wrong syntax for the rule file 'rules.yaml': unclosed bracket '['
        override1.yaml:2:13: 'continue' setting can be 'true' or 'false' only rule="R"
    "#]]
    .assert_eq(&lines(&findings));
    let findings = Document::parse(&[]).expect_err("invalid");
    expect![[r#"
        no rule file is provided
    "#]]
    .assert_eq(&lines(&findings));
}

#[test]
fn a_condition_is_pointed_at_within_its_text() {
    let error = |file: &str| {
        let findings = checked(&[file]).expect_err("invalid");
        findings[0].position.as_ref().expect("a position").to_string()
    };
    let around = |text: &str| {
        format!(
            "- rule: R\n  match:\n    output_fields:\n      - {text}\n  actions: [{{action: A, actionner: kubernetes:cordon}}]\n"
        )
    };
    assert_eq!(error(&around("a=b, c~d")), "rules.yaml:4:15");
    assert_eq!(error(&around("\"a=b, c~d\"")), "rules.yaml:4:16");
    assert_eq!(error(&around(">\n        a=b,\n        c~d")), "rules.yaml:5:9");
}

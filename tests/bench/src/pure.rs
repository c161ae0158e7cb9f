//! Parsing, matching and deciding: what needs neither a server nor a component.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::hint::black_box;

use host::testing::{TraceId, spans_of_an_event};
use policy::{
    Address, Decision, Entry, Facts, KubernetesRequest, PatchKind, Policy, Request, Verb, decide, touched_fields,
};
use rules::{ActionnerSpec, Catalogue, Document, Event, OutputUse, RuleSet, Source};
use serde_json::{Value, json};

use crate::report::{heading, median, ratio, row, time};
use crate::{ROUNDS, Result, stage};

pub(crate) fn run() -> Result<()> {
    parse()?;
    matching()?;
    deciding()?;
    spans()
}

fn parse() -> Result<()> {
    heading("parse of an event");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let body = stage::EVENT.trim().as_bytes();
    Event::from_json(body)?;
    for _ in 0..ROUNDS {
        ours.push(time(|| drop(black_box(Event::from_json(black_box(body))))));
        theirs.push(time(|| drop(black_box(serde_json::from_slice::<Value>(black_box(body))))));
    }
    row("checked event", median(&ours), "ns", "");
    row("serde_json::Value", median(&theirs), "ns", "");
    row("time, event / Value", ratio(&ours, &theirs), "", "");
    Ok(())
}

fn matching() -> Result<()> {
    heading("match, the last of n rules");
    let event = Event::from_json(stage::EVENT.as_bytes())?;
    let sets = [rule_set(10)?, rule_set(1_000)?, rule_set(10_000)?];
    let mut times = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        for (rules, times) in sets.iter().zip(&mut times) {
            if rules.matching(&event).count() != 1 {
                return Err("the event does not match the last rule alone".into());
            }
            times.push(time(|| {
                black_box(rules.matching(black_box(&event)).count());
            }));
        }
    }
    for (rules, times) in sets.iter().zip(&times) {
        row(&format!("{} rules", rules.len()), median(times), "ns", "");
    }
    row("time, 1,000 / 10 rules", ratio(&times[1], &times[0]), "", "aim: at most 3");
    row("time, 10,000 / 10 rules", ratio(&times[2], &times[0]), "", "aim: at most 3");
    Ok(())
}

/// Each rule names a rule of Falco; the last one names that of the event.
fn rule_set(count: usize) -> Result<RuleSet> {
    let mut text = "- action: Label\n  actionner: kubernetes:label\n".to_owned();
    for number in 1..=count {
        let falco_rule =
            if number == count { "Terminal shell in container".to_owned() } else { format!("Rule {number} of Falco") };
        write!(
            text,
            "- rule: Rule {number}\n  match:\n    rules: [{falco_rule}]\n    priority: '>=Notice'\n    \
             output_fields: ['k8s.ns.name!=kube-system, proc.name=sh']\n  actions:\n    - action: Label\n"
        )?;
    }
    let label = ActionnerSpec {
        parameters: json!({"type": "object"}),
        required_fields: Vec::new(),
        continue_by_default: true,
        output: OutputUse::None,
    };
    let catalogue = Catalogue {
        actionners: BTreeMap::from([("kubernetes:label".parse()?, label)]),
        outputs: BTreeMap::new(),
        notifiers: BTreeSet::new(),
    };
    let wrong = |diagnostics: Vec<rules::Diagnostic>| format!("the rules are wrong: {diagnostics:?}");
    let document = Document::parse(&[Source { path: "rules.yaml".to_owned(), text }]).map_err(wrong)?;
    Ok(RuleSet::new(document.check(&catalogue).map_err(wrong)?.0))
}

fn deciding() -> Result<()> {
    heading("decide, an allowed patch of a label");
    let bundled = actionners::BUNDLE.iter().map(|bundled| (bundled.name, bundled.policy));
    let policy = Policy::bundled(bundled).map_err(|errors| format!("{errors:?}"))?;
    let Entry::Granted(grants) = policy.entry("kubernetes:label") else {
        return Err("kubernetes:label is granted nothing".into());
    };
    let facts = Facts::of(&Event::from_json(stage::EVENT.as_bytes())?);
    let fields = touched_fields(PatchKind::Merge, &serde_json::from_str(stage::PATCH)?)?;
    let address = Address::new("", "v1", "pods", Some("shop"), Some("web-0"))?;
    let request = Request::Kubernetes(KubernetesRequest::new(Verb::Patch, &address, &fields));
    if let Decision::Denied(denial) = decide(&request, &grants, &facts) {
        return Err(denial.to_string().into());
    }
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        times.push(time(|| drop(black_box(decide(black_box(&request), &grants, black_box(&facts))))));
    }
    row("decide", median(&times), "ns", "");
    Ok(())
}

/// What a host does for traces that makes none.
fn spans() -> Result<()> {
    heading("traces that are off, of an event that one action answers with one call");
    let (event, rules) = (Event::from_json(stage::EVENT.as_bytes())?, rule_set(1)?);
    let rule = rules.matching(&event).next().ok_or("the event does not match the rule")?;
    let trace_id = TraceId::random();
    let spans = || spans_of_an_event(black_box(&event), black_box(rule), black_box(trace_id));
    let times: Vec<f64> = (0..ROUNDS).map(|_| time(spans)).collect();
    row("all spans of an event", median(&times), "ns", "aim: less than 1,000");
    Ok(())
}

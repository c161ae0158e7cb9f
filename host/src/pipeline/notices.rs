//! What is told of an end, and to whom.

use std::collections::BTreeMap;

use jiff::Timestamp;
use notifiers::{Notice, Stage as Told};
use serde_json::Value;

use super::ended::{Ended, Stage};
use crate::telemetry::cut;

/// No service shows more of one text in a message, and many notices wait where one is away.
const TEXT_BYTES_MAX: usize = 8 << 10;

/// In place of a status where nothing was changed because the rule only rehearses.
const DRY_RUN: &str = "dry_run";

/// What is told of an end, now.
pub(super) fn notice(ended: &Ended<'_>) -> Notice {
    let Ended { stage, trace_id, about, status, message, objects, of, details, uid, .. } = ended;
    let (status, output, error) = match status {
        _ if about.dry_run => (DRY_RUN, ended.rehearsed(), String::new()),
        status if status.is_success() => (status.as_str(), (*message).to_owned(), String::new()),
        status => (status.as_str(), String::new(), (*message).to_owned()),
    };
    let (stage, event, output_target) = match stage {
        Stage::Action(event) => (Told::Action, &*event.output, ""),
        Stage::Output(target) => (Told::Output, "", *target),
    };
    let owned = |text: &str| cut(text, TEXT_BYTES_MAX).to_owned();
    let objects = of.iter().chain(*objects).map(|(kind, name)| (kind.clone(), owned(name)));
    Notice {
        stage,
        time: Timestamp::now(),
        status: owned(status),
        trace_id: owned(trace_id),
        rule: owned(about.rule),
        action: owned(about.action),
        actionner: owned(about.actionner),
        event: owned(event),
        objects: objects.collect::<BTreeMap<_, _>>(),
        uid: uid.map(owned),
        output: owned(&output),
        error: owned(&error),
        // Half of it would not be JSON.
        details: details.filter(|details| details.len() <= TEXT_BYTES_MAX).unwrap_or_default().to_owned(),
        output_target: owned(output_target),
        group: None,
    }
}

/// What a notice has in common with those that are told as one with it, by these properties. Ends of another kind never
/// are.
pub(super) fn key(notice: &Notice, by: &[String]) -> String {
    let mut key = vec![notice.status.as_str(), notice.stage.name()];
    key.extend(by.iter().map(|property| match property.as_str() {
        "rule" => &notice.rule,
        "action" => &notice.action,
        "actionner" => &notice.actionner,
        "output_target" => &notice.output_target,
        other => notice.object(other).unwrap_or_default(),
    }));
    Value::from(key).to_string()
}

/// What a notice is about, for who is told of several as one.
pub(super) fn subject(notice: &Notice) -> String {
    match (notice.object("namespace"), notice.object("pod")) {
        (Some(namespace), Some(pod)) => format!("{namespace}/{pod}"),
        (namespace, pod) => namespace.or(pod).or(notice.object("node")).unwrap_or_default().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(objects: &[(&str, &str)]) -> Notice {
        let json = serde_json::json!({
            "stage": "action", "time": "2026-01-01T00:00:00Z", "status": "success", "trace_id": "", "rule": "r",
            "objects": objects.iter().copied().collect::<BTreeMap<_, _>>(),
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn equal_ones_have_the_same_properties_and_the_same_end() {
        let by = ["rule", "namespace"].map(str::to_owned);
        let (one, other) = (of(&[("namespace", "a"), ("pod", "1")]), of(&[("namespace", "a"), ("pod", "2")]));
        assert_eq!(key(&one, &by), key(&other, &by));
        assert_eq!(key(&one, &by), r#"["success","action","r","a"]"#);
        assert_ne!(key(&one, &by), key(&of(&[("namespace", "b")]), &by));
        assert_ne!(key(&one, &by), key(&Notice { status: "failure".to_owned(), ..one.clone() }, &by));
    }

    #[test]
    fn the_subject_is_the_pod_or_what_there_is() {
        let check = |objects: &[(&str, &str)], expected: &str| assert_eq!(subject(&of(objects)), expected);
        check(&[("namespace", "a"), ("pod", "1")], "a/1");
        check(&[("namespace", "a"), ("pod", "")], "a");
        check(&[("node", "n")], "n");
        check(&[], "");
    }
}

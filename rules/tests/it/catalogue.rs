//! The actionners and outputs of the original, as far as rules must know them.

use std::collections::{BTreeMap, BTreeSet};

use rules::{ActionnerName, ActionnerSpec, Catalogue, OutputUse};
use serde_json::{Value, json};

pub(crate) fn catalogue() -> Catalogue {
    Catalogue {
        actionners: actionners(),
        outputs: outputs(),
        notifiers: ["k8sevents", "slack", "webhook"].map(str::to_owned).into(),
    }
}

fn actionners() -> BTreeMap<ActionnerName, ActionnerSpec> {
    use OutputUse::{None, Optional, Required};
    let healthy = json!({"type": "string", "pattern": "^([0-9]+|[0-9]{1,2}%|100%)$"});
    let shell = json!({"type": "string", "default": "/bin/sh"});
    let cidrs = json!({"type": "array", "items": {"type": "string", "format": "cidr"}});
    let names = json!({"type": "array", "items": {"type": "string"}});
    let texts = json!({"type": "object", "additionalProperties": {"type": "string"}, "minProperties": 1});
    let level = json!({"enum": ["pod", "node"], "default": "pod"});
    let seconds = json!({"type": "integer", "minimum": 0});
    let text = json!({"type": "string", "minLength": 1});
    let flag = json!({"type": "boolean", "default": false});
    let terminate = json!({
        "grace_period_seconds": seconds, "ignore_daemonsets": flag, "ignore_statefulsets": flag,
        "ignore_standalone_pods": flag, "min_healthy_replicas": healthy,
    });
    let drain = json!({
        "grace_period_seconds": seconds, "ignore_daemonsets": flag, "ignore_statefulsets": flag,
        "ignore_errors": flag, "min_healthy_replicas": healthy, "max_wait_period": seconds,
    });
    let networkpolicy = json!({"allow_cidr": cidrs, "allow_namespaces": names});
    let lambda = json!({
        "aws_lambda_name": text, "aws_lambda_alias_or_version": {"type": "string", "default": "$LATEST"},
        "aws_lambda_invocation_type": {"enum": ["RequestResponse", "Event", "DryRun"]},
    });
    let function = json!({"gcp_function_name": text, "gcp_function_location": text, "gcp_function_timeout": seconds});
    let sysdig =
        json!({"duration": seconds, "buffer_size": seconds, "scope": {"enum": ["pod", "node"]}, "image": text});
    let calico = json!({"allow_cidr": cidrs, "allow_namespaces": names, "order": {"type": "integer"}});
    [
        ("kubernetes:terminate", terminate, vec![], false, None),
        ("kubernetes:label", json!({"labels": texts, "level": level}), vec!["labels"], true, None),
        ("kubernetes:annotation", json!({"annotations": texts, "level": level}), vec!["annotations"], true, None),
        ("kubernetes:networkpolicy", networkpolicy.clone(), vec![], true, None),
        ("kubernetes:exec", json!({"command": text, "shell": shell}), vec!["command"], true, None),
        ("kubernetes:script", json!({"script": text, "file": text, "shell": shell}), vec![], true, None),
        ("kubernetes:log", json!({"tail_lines": seconds}), vec![], true, Optional),
        ("kubernetes:delete", json!({}), vec![], false, None),
        ("kubernetes:cordon", json!({}), vec![], true, None),
        ("kubernetes:drain", drain, vec![], true, None),
        ("kubernetes:download", json!({"file": text}), vec!["file"], true, Required),
        ("kubernetes:tcpdump", json!({"duration": seconds, "snaplen": seconds, "image": text}), vec![], true, Required),
        ("kubernetes:sysdig", sysdig, vec![], false, Required),
        ("aws:lambda", lambda, vec!["aws_lambda_name"], true, None),
        ("gcp:function", function, vec!["gcp_function_name", "gcp_function_location"], true, None),
        ("calico:networkpolicy", calico, vec![], true, None),
        ("cilium:networkpolicy", networkpolicy, vec![], true, None),
    ]
    .into_iter()
    .map(|(name, properties, required, continue_by_default, output)| {
        let parameters = schema(&properties, &required);
        let spec = ActionnerSpec { parameters, required_fields: vec![], continue_by_default, output };
        (name.parse().expect("a name"), spec)
    })
    .collect()
}

fn outputs() -> BTreeMap<String, Value> {
    let text = json!({"type": "string", "minLength": 1});
    let bucket = json!({"bucket": text, "prefix": {"type": "string"}});
    let s3 = json!({"bucket": text, "prefix": {"type": "string"}, "region": {"type": "string"}});
    [
        ("local:file", schema(&json!({"destination": text}), &["destination"])),
        ("minio:s3", schema(&bucket, &["bucket"])),
        ("aws:s3", schema(&s3, &["bucket"])),
        ("gcp:gcs", schema(&bucket, &["bucket"])),
    ]
    .map(|(name, schema)| (name.to_owned(), schema))
    .into()
}

fn schema(properties: &Value, required: &[&str]) -> Value {
    let required: BTreeSet<&str> = required.iter().copied().collect();
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}

//! Where traces and metrics are sent: the host's keys, and the variables of OpenTelemetry where those say nothing.
//!
//! Nothing is looked at where neither is asked for, since the variables may be set for others.

use std::time::Duration;

use url::Url;

use super::raw::{Origin, Reader};
use crate::telemetry::{Otlp, Protocol, Signal, Target};
use policy::Secret;

/// How often metrics are sent where `OTEL_METRIC_EXPORT_INTERVAL` does not say.
const METRICS_EVERY: Duration = Duration::from_secs(60);

/// The ports of a collector, for gRPC and for HTTP.
const PORTS: (u64, u64) = (4317, 4318);

/// What `OTEL_TRACES_SAMPLER` may be; those with a ratio read `OTEL_TRACES_SAMPLER_ARG`.
const SAMPLERS: [&str; 6] = [
    "always_on",
    "always_off",
    "traceidratio",
    "parentbased_always_on",
    "parentbased_always_off",
    "parentbased_traceidratio",
];

/// What is sent, and where to.
pub(super) fn otlp(reader: &mut Reader, environment: &impl Fn(&str) -> Option<String>) -> Otlp {
    let set = |name: &str| environment(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let asked = [reader.switch("otel.traces_enabled"), reader.switch("otel.metrics_enabled")];
    // Read in any case, so that what is wrong is said before it is needed.
    let (port, timeout) = (reader.integer("otel.collector_port"), reader.integer("otel.timeout"));
    let insecure = reader.switch("otel.collector_use_insecure_grpc");
    let protocol = protocol_of_key(reader);
    if set("OTEL_SDK_DISABLED").is_some_and(|text| text.eq_ignore_ascii_case("true")) {
        return Otlp::default();
    }
    let keys = Keys { protocol, port, timeout, insecure };
    let [traces, metrics] = [(asked[0], Signal::Traces), (asked[1], Signal::Metrics)]
        .map(|(is_asked, signal)| is_asked.then(|| target(reader, &keys, signal, &set)));
    if traces.is_some() {
        check_sampler(reader, &set);
    }
    let metrics = metrics.map(|target| {
        let every = milliseconds(reader, &set, &["OTEL_METRIC_EXPORT_INTERVAL"]);
        (target, every.unwrap_or(METRICS_EVERY))
    });
    Otlp { traces, metrics }
}

/// What the keys say.
struct Keys {
    protocol: Option<Protocol>,
    port: u64,
    timeout: u64,
    insecure: bool,
}

fn protocol_of_key(reader: &mut Reader) -> Option<Protocol> {
    let text = reader.text("otel.protocol");
    if text.is_empty() {
        return None;
    }
    let protocol = protocol(&text);
    if protocol.is_none() {
        reader.problem("otel.protocol", format!("'otel.protocol' must be grpc or http/protobuf, got '{text}'"));
    }
    protocol
}

fn protocol(text: &str) -> Option<Protocol> {
    match text.to_lowercase().as_str() {
        "grpc" => Some(Protocol::Grpc),
        "http/protobuf" => Some(Protocol::Http),
        _ => None,
    }
}

/// The variables that say the same, the first of which comes first.
fn names(signal: Signal, what: &str) -> [String; 2] {
    [format!("OTEL_EXPORTER_OTLP_{}_{what}", signal.in_variables()), format!("OTEL_EXPORTER_OTLP_{what}")]
}

fn target(reader: &mut Reader, keys: &Keys, signal: Signal, set: &impl Fn(&str) -> Option<String>) -> Target {
    let find = |what: &str| names(signal, what).into_iter().find_map(|name| Some((set(&name)?, name)));
    let of_variable = |reader: &mut Reader| {
        let (text, name) = find("PROTOCOL")?;
        let protocol = protocol(&text);
        if protocol.is_none() {
            reader.problem_in(Origin::Environment(name), format!("must be grpc or http/protobuf, got '{text}'"));
        }
        protocol
    };
    let protocol = keys.protocol.or_else(|| of_variable(reader)).unwrap_or(Protocol::Grpc);
    let timeouts = names(signal, "TIMEOUT");
    let timeout = match milliseconds(reader, set, &timeouts.each_ref().map(String::as_str)) {
        Some(timeout) if !reader.is_written("otel.timeout") => timeout,
        _ => Duration::from_secs(keys.timeout),
    };
    let insecure = find("INSECURE").is_some_and(|(text, _)| text.eq_ignore_ascii_case("true"));
    let is_by_keys = reader.is_written("otel.collector_endpoint") || reader.is_written("otel.collector_port");
    let url = match find("ENDPOINT").filter(|_| !is_by_keys) {
        Some((text, name)) => of_endpoint(reader, &text, &name, protocol, signal, insecure || keys.insecure),
        None => of_keys(reader, keys, protocol, signal),
    };
    let headers = headers(reader, signal, set);
    let authority = find("CERTIFICATE").map(|(path, _)| path.into());
    Target { protocol, url, headers, timeout, authority }
}

fn of_keys(reader: &mut Reader, keys: &Keys, protocol: Protocol, signal: Signal) -> String {
    let host = reader.text("otel.collector_endpoint");
    let host = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host };
    let port = match protocol {
        Protocol::Http if !reader.is_written("otel.collector_port") => PORTS.1,
        Protocol::Http | Protocol::Grpc => keys.port,
    };
    let scheme = if keys.insecure { "http" } else { "https" };
    let url = format!("{scheme}://{host}:{port}");
    let is_host = |url: Url| url.path() == "/" && url.username().is_empty() && url.query().is_none();
    if !Url::parse(&url).is_ok_and(is_host) {
        let given = reader.text("otel.collector_endpoint");
        let problem = format!("'otel.collector_endpoint' must be a name or an address, got '{given}'");
        reader.problem("otel.collector_endpoint", problem);
    }
    if protocol == Protocol::Http { format!("{url}/{}", signal.path()) } else { url }
}

/// An address of the variables, which is a whole one; to one for all that is sent over HTTP, the path is added.
fn of_endpoint(
    reader: &mut Reader,
    text: &str,
    name: &str,
    protocol: Protocol,
    signal: Signal,
    insecure: bool,
) -> String {
    let whole = match protocol {
        Protocol::Grpc if !text.contains("://") => format!("{}://{text}", if insecure { "http" } else { "https" }),
        Protocol::Grpc | Protocol::Http => text.to_owned(),
    };
    let fits = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
    if !Url::parse(&whole).as_ref().is_ok_and(fits) {
        let problem = "must be the address of a collector, such as http://collector:4317".to_owned();
        reader.problem_in(Origin::Environment(name.to_owned()), problem);
    }
    let is_for_all = name == "OTEL_EXPORTER_OTLP_ENDPOINT";
    match protocol {
        Protocol::Http if is_for_all => format!("{}/{}", whole.trim_end_matches('/'), signal.path()),
        Protocol::Http | Protocol::Grpc => whole,
    }
}

/// Those for all that is sent, and then those for this, which come before them.
fn headers(reader: &mut Reader, signal: Signal, set: &impl Fn(&str) -> Option<String>) -> Vec<(String, Secret)> {
    let mut headers: Vec<(String, Secret)> = Vec::new();
    let [own, for_all] = names(signal, "HEADERS");
    for variable in [for_all, own] {
        for pair in set(&variable).unwrap_or_default().split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
            let read = pair.split_once('=').map(|(name, value)| (name.trim().to_lowercase(), decoded(value.trim())));
            let is_name = |name: &str| name.parse::<http::HeaderName>().is_ok();
            match read {
                Some((name, value)) if is_name(&name) && http::HeaderValue::from_str(&value).is_ok() => {
                    headers.retain(|(other, _)| *other != name);
                    headers.push((name, Secret::new(value)));
                }
                _ => {
                    let problem = "must be headers as name=value, with commas between".to_owned();
                    reader.problem_in(Origin::Environment(variable.clone()), problem);
                }
            }
        }
    }
    headers
}

/// A value whose special characters may be written as `%2C`.
fn decoded(value: &str) -> String {
    let plain = value.replace('+', "%2B").replace('&', "%26").replace('=', "%3D");
    form_urlencoded::parse(plain.as_bytes()).map(|(text, _)| text.into_owned()).collect()
}

fn milliseconds(reader: &mut Reader, set: &impl Fn(&str) -> Option<String>, names: &[&str]) -> Option<Duration> {
    let (text, name) = names.iter().find_map(|name| Some((set(name)?, name)))?;
    let time = text.parse().ok().filter(|ms| *ms > 0).map(Duration::from_millis);
    if time.is_none() {
        let problem = format!("must be a time in milliseconds, a whole number from 1 on, got '{text}'");
        reader.problem_in(Origin::Environment((*name).to_owned()), problem);
    }
    time
}

/// The SDK would take another one, and not say so.
fn check_sampler(reader: &mut Reader, set: &impl Fn(&str) -> Option<String>) {
    let Some(sampler) = set("OTEL_TRACES_SAMPLER") else { return };
    if !SAMPLERS.contains(&&*sampler) {
        let problem = format!("must be one of {}, got '{sampler}'", SAMPLERS.join(", "));
        reader.problem_in(Origin::Environment("OTEL_TRACES_SAMPLER".to_owned()), problem);
    } else if sampler.ends_with("traceidratio") {
        let argument = set("OTEL_TRACES_SAMPLER_ARG").unwrap_or_default();
        if !argument.parse::<f64>().is_ok_and(|ratio| (0.0..=1.0).contains(&ratio)) {
            let problem = format!("must be a number from 0 to 1, as '{sampler}' needs it, got '{argument}'");
            reader.problem_in(Origin::Environment("OTEL_TRACES_SAMPLER_ARG".to_owned()), problem);
        }
    }
}

#[cfg(test)]
mod tests;

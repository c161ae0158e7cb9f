//! Every key that a configuration file may hold, with its default and its bounds.
//!
//! The one table from which values are read, unknown keys are recognised, and the documentation is made.

mod key;
mod notifiers;

use std::time::Duration;

use rules::Retry;

pub(crate) use key::{Asks, Key, Kind};
use key::{duration, inert, integer, list, secret, size, switch, text};

const HOUR_MS: u64 = 3_600_000;
const SECOND: Duration = Duration::from_secs(1);
const YEAR: Duration = Duration::from_hours(365 * 24);

/// All keys, in the order in which they are shown.
pub(crate) const KEYS: &[Key] = &both::<{ OWN.len() + notifiers::KEYS.len() }>(OWN, notifiers::KEYS);

/// All but those of the notifiers.
const OWN: &[Key] = &[
    text("listen_address", "0.0.0.0", "address that events come in at, IPv6 with or without brackets"),
    integer("listen_port", "2803", (0, 65_535), "its port; 0 picks a free one"),
    list(
        "rules_files",
        "/etc/falco-talon/rules.yaml",
        "rule files; later ones override earlier ones, and `-r` replaces the list",
    ),
    text("policy_file", "", "your policy, over the bundled one; empty: the bundled one alone"),
    text("actionners_dir", "", "directory of your own actionners (`*.wasm`); empty: none"),
    text(
        "cache_dir",
        "",
        "directory in which compiled actionners are kept, which none but its owner may write: starts in milliseconds \
         instead of seconds; empty: no cache",
    ),
    text(
        "data_dir",
        "",
        "directory of what must not be forgotten: accepted events, what is still to be delivered, what ended; empty: it is \
         in memory, and lost with the process",
    ),
    text(
        "audit_file",
        "",
        "one JSON line for each call that an actionner makes of the host; `log`: debug lines of the log; `none`: nowhere; \
         empty: `audit/audit.log` in `data_dir`, without which it is the log",
    ),
    size(
        "audit.bytes_max",
        "64Mi",
        (0, 1 << 44),
        "an audit file that would become longer is set aside for a new one; 0: never, since something else does it",
    ),
    list(
        "audit.keep",
        "90d,1Gi",
        "how long audit files that were set aside are kept, and how much of them: a time to 3650d, a size to 16Ti, or \
         both; one that is left out has its default",
    ),
    switch(
        "audit.required",
        "false",
        "an actionner changes nothing while the audit file can't be written: its writes are unavailable for now",
    ),
    text("kubeconfig", "", "path of a kubeconfig; empty: the service account of the pod that the host runs in"),
    text("log_format", "color", "`color`, `text` or `json`"),
    text("log_level", "info", "from which level on lines are written: `debug`, `info`, `warn` or `error`"),
    switch(
        "watch_rules",
        "true",
        "load rules, policy and actionners anew when their files change; wrong ones change nothing",
    ),
    switch("print_all_events", "false", "log every event, not only those that a rule matches"),
    list("default_notifiers", "", "notifiers for all rules, beside those that a rule names"),
    integer(
        "deduplication.time_window_seconds",
        "5",
        (0, 86_400),
        "how long the same event is not handled again; 0: every event is handled",
    ),
    list(
        "deduplication.fields",
        "",
        "what makes two events the same: `rule`, `source`, `hostname`, `priority`, `output` or names of output fields; \
         empty: rule, source, hostname and all output fields but clocks and counters",
    ),
    integer(
        "deduplication.events_max",
        "100000",
        (1, 10_000_000),
        "events remembered; beyond it the oldest is forgotten",
    ),
    integer(
        "queue.events_max",
        "100000",
        (1, 10_000_000),
        "accepted and unfinished events; beyond it the answer is 429",
    ),
    integer(
        "queue.bytes_max",
        "134217728",
        (1024, 1 << 40),
        "memory of the events that have just arrived or are loaded from `data_dir`, several times their length as JSON \
         where they have many small values; without `data_dir` it is that of all accepted and unfinished ones, beyond it \
         the answer is 429, and one alone is always accepted",
    ),
    size(
        "queue.disk_max",
        "1Gi",
        (1 << 20, 1 << 44),
        "what accepted and unfinished events take in `data_dir`; beyond it the answer is 429",
    ),
    duration(
        "queue.max_age",
        "6h",
        (Duration::ZERO, YEAR),
        "an action that would begin later than this after its event was received does not, and ends as `expired`; `max_age` \
         of a rule comes before it; 0: never",
    ),
    integer(
        "queue.target_events_max",
        "100",
        (1, 10_000_000),
        "events that wait behind one another for the same target; beyond it the oldest of them is dropped",
    ),
    integer(
        "artifacts.bytes_max",
        "4294967296",
        (1_048_576, 1_099_511_627_776),
        "bytes of artifacts held at once, until they are stored; beyond it they are unavailable to actionners for now",
    ),
    integer(
        "concurrency.events_max",
        "2048",
        (1, 10_000),
        "calls of actionners that run at once; one actionner has half of them at most",
    ),
    integer(
        "concurrency.memory_bytes_max",
        "1073741824",
        (16 << 20, 1 << 44),
        "memory of all calls of actionners that run at once; one actionner has half of it at most",
    ),
    integer(
        "concurrency.requests_max",
        "256",
        (1, 100_000),
        "requests to the API server that wait for an answer; one actionner has half of them at most",
    ),
    integer("server.body_bytes_max", "1048576", (1024, 1 << 30), "largest event; beyond it the answer is 413"),
    integer(
        "server.connections_max",
        "1024",
        (1, 1_000_000),
        "open connections; beyond it, the idlest is closed for a new one",
    ),
    integer(
        "server.connections_per_peer_max",
        "0",
        (0, 1_000_000),
        "those of one address, which may be a load balancer's; beyond it, its own idle ones are closed first; 0: half of them",
    ),
    integer(
        "server.header_timeout_ms",
        "5000",
        (1, HOUR_MS),
        "time for the head of a request; for the first of a connection, since it was opened",
    ),
    integer(
        "server.body_timeout_ms",
        "10000",
        (1, HOUR_MS),
        "time for the body of a request, and for a client to take in an answer",
    ),
    integer("server.idle_timeout_ms", "120000", (1, HOUR_MS), "time between two requests of a connection"),
    integer("shutdown.deadline_ms", "25000", (0, HOUR_MS), "time to finish what was accepted before the stop"),
    integer(
        "retry.attempts_max",
        "100",
        (1, Retry::ATTEMPTS_MAX as u64),
        "attempts at an action whose target is unavailable, the first included; `retry` of an action comes before it",
    ),
    duration(
        "retry.within",
        "10m",
        (Retry::WITHIN_MIN, Retry::WITHIN_MAX),
        "time in which it is attempted again; while the other side is known to be away it does not pass",
    ),
    integer(
        "retry.backoff_ms_min",
        "200",
        (1, HOUR_MS),
        "wait before the second attempt; it grows with each further one",
    ),
    integer("retry.backoff_ms_max", "10000", (1, HOUR_MS), "longest wait between two attempts"),
    duration(
        "deliveries.within",
        "24h",
        (SECOND, Duration::from_hours(30 * 24)),
        "time in which the upload of an artifact, or a notification, is attempted again",
    ),
    integer(
        "deliveries.notifications_max",
        "10000",
        (1, 1_000_000),
        "notifications that wait for one notifier; beyond that new ones are given up",
    ),
    list(
        "history.keep",
        "7d,1Gi",
        "how long what ended is kept, and how much of it: a time to 3650d, a size to 16Ti, or both; one that is left out has \
         its default",
    ),
    list(
        "history.redact",
        "",
        "names of output fields whose values are stored as keyed hashes once their event has ended",
    ),
    integer(
        "metrics.series_max",
        "2000",
        (1, 1_000_000),
        "series per metric; beyond it labels from outside say `other`",
    ),
    text(
        "metrics.compat",
        "both",
        "names of the original's counters: `singular` as in its announcement (`event_total`), `plural` as its dashboard asks \
         for them (`events_total`), or `both`",
    ),
    inert("deduplication.leader_election", Asks::WhenTrue, "one of several hosts answers each event"),
    switch("otel.traces_enabled", "false", "send traces to a collector, by OpenTelemetry's protocol"),
    switch("otel.metrics_enabled", "false", "send it what `/metrics` shows, too"),
    text("otel.protocol", "", "`grpc` or `http/protobuf`; empty: as `OTEL_EXPORTER_OTLP_PROTOCOL` says, else `grpc`"),
    text(
        "otel.collector_endpoint",
        "localhost",
        "name or address of the collector; where neither it nor the port is set, `OTEL_EXPORTER_OTLP_ENDPOINT` counts",
    ),
    integer("otel.collector_port", "4317", (1, 65_535), "its port; over HTTP the default is 4318"),
    integer(
        "otel.timeout",
        "10",
        (1, 3_600),
        "seconds in which it has to take something in, attempts after a failure included",
    ),
    switch("otel.collector_use_insecure_grpc", "false", "whether it is spoken to without TLS, over HTTP too"),
    text("aws.access_key", "", "the host's own key for AWS; empty: what AWS' own tools find"),
    secret("aws.secret_key", "the secret of that key"),
    text("aws.region", "", "region of Lambda and S3; empty: what AWS' own tools find"),
    text("aws.role_arn", "", "role that is taken on with those credentials; empty: none"),
    text("aws.external_id", "", "what the role's owner asks of those who take it on"),
    text(
        "gcp.credentials_path",
        "",
        "key file of a service account, for functions of Google; empty: `GOOGLE_APPLICATION_CREDENTIALS`, else the \
         account of the machine",
    ),
    inert("gcp.region", Asks::WhenSet, "region of Google Cloud"),
    text("minio.endpoint", "", "a storage server that speaks S3's protocol, as `host:port`"),
    text("minio.access_key", "", "key for that server"),
    secret("minio.secret_key", "the secret of that key"),
    switch("minio.use_ssl", "false", "whether that server speaks TLS"),
];

const fn both<const N: usize>(first: &[Key], second: &[Key]) -> [Key; N] {
    let mut both = [first[0]; N];
    let mut at = 0;
    while at < N {
        both[at] = if at < first.len() { first[at] } else { second[at - first.len()] };
        at += 1;
    }
    both
}

/// The key of this name, which must be lower-case.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// Whether a key beside one of this name holds a secret.
pub(super) fn is_beside_secret(name: &str) -> bool {
    let group = |name: &str| name.rsplit_once('.').map(|(group, _)| group.to_owned());
    let is_secret = |kind| matches!(kind, Kind::Secret | Kind::Source | Kind::Headers);
    KEYS.iter().any(|key| is_secret(key.kind) && group(key.name) == group(name))
}

/// The paths of all keys, and what they stand in.
pub(super) fn paths() -> impl Iterator<Item = &'static str> {
    let groups = KEYS.iter().filter_map(|key| Some(key.name.rsplit_once('.')?.0));
    KEYS.iter().map(|key| key.name).chain(groups)
}

/// Whether there are keys below this path.
pub(super) fn is_group(path: &str) -> bool {
    KEYS.iter().any(|key| key.name.strip_prefix(path).is_some_and(|rest| rest.starts_with('.')))
}

#[cfg(test)]
mod tests;

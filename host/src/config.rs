//! The configuration: a file, the environment over it, and defaults under it.
//!
//! What is written ([`raw`]) becomes a [`Config`], checked before a port is bound; nothing else sees
//! the former. Files and environment are passed in, so reading a configuration has no side effect.

pub mod clouds;
mod history;

mod audit;
pub(crate) mod keys;
pub(crate) mod notifiers;
mod otlp;
mod raw;
mod sources;
mod toml;

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rules::yaml::{self, Node};

use crate::telemetry::Otlp;
use crate::telemetry::logs::{Format, Level};
use crate::telemetry::metrics::Compat;
pub(crate) use audit::{Audit, AuditPlace};
use clouds::Clouds;
pub(crate) use history::History;
use notifiers::Notifiers;
pub(crate) use raw::{Problem, Warning};
use raw::{RawConfig, Reader};

/// Where a pod finds its own namespace.
const SERVICE_ACCOUNT_NAMESPACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

/// Everything that can be configured, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// A name or an address without brackets.
    pub listen_address: String,
    /// Zero for a free one.
    pub listen_port: u16,
    /// Later ones override; never empty.
    pub rules_files: Vec<PathBuf>,
    /// The operator's policy over the bundled one.
    pub policy_file: Option<PathBuf>,
    /// Where custom actionners lie.
    pub actionners_dir: Option<PathBuf>,
    /// Where compiled actionners are kept between two starts.
    pub cache_dir: Option<PathBuf>,
    /// What must not be forgotten lies here; `None` for memory, which is lost with the process.
    pub data_dir: Option<PathBuf>,
    /// How the audit record is kept.
    pub audit: Audit,
    /// `None` for in-cluster.
    pub kubeconfig: Option<PathBuf>,
    /// How log lines look.
    pub log_format: Format,
    /// From which level on lines are logged.
    pub log_level: Level,
    /// Whether rules and policy are loaded anew when their files change.
    pub watch_rules: bool,
    /// Whether every event is logged when it is received.
    pub print_all_events: bool,
    /// Notifiers for all rules.
    pub default_notifiers: Vec<String>,
    /// How each notifier tells.
    pub notifiers: Notifiers,
    /// When two events are the same.
    pub deduplication: Deduplication,
    /// Accepted events that are not done.
    pub queue_events_max: usize,
    /// What events take in memory that have just arrived or are loaded; without `data_dir` all that are not done.
    pub queue_bytes_max: usize,
    /// What events that are not done take in `data_dir`.
    pub queue_disk_bytes_max: u64,
    /// Events that wait behind one another for the same target.
    pub queue_target_events_max: usize,
    /// How long after its event was received an action may begin, unless its rule says; `None` for ever.
    pub max_age: Option<Duration>,
    /// All artifacts that are held until they are stored, summed.
    pub artifacts_bytes_max: u64,
    /// Calls of actionners that run at once.
    pub concurrency_events_max: usize,
    /// The memory of all of them.
    pub concurrency_memory_bytes_max: usize,
    /// Requests to the API server that wait for an answer.
    pub concurrency_requests_max: usize,
    /// The limits of the HTTP server.
    pub server: ServerLimits,
    /// How long what was accepted may take to finish once the program is asked to end.
    pub shutdown_deadline: Duration,
    /// How a temporary failure is answered.
    pub retry: Retry,
    /// How long uploads and notifications are attempted again.
    pub deliveries_within: Duration,
    /// Notifications that wait for each notifier.
    pub notifications_max: usize,
    /// What is kept of what ended.
    pub history: History,
    /// Series per metric.
    pub metrics_series_max: usize,
    /// Under which names the original's counters are shown.
    pub metrics_compat: Compat,
    /// Where traces and metrics are sent.
    pub otlp: Otlp,
    /// How clouds and object storage are reached.
    pub clouds: Clouds,
    /// The namespace that this program runs in, which no actionner may touch.
    pub own_namespace: Option<String>,
}

/// When two events are the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deduplication {
    /// How long an event is remembered; zero for not at all.
    pub window: Duration,
    /// What is compared; empty for the default.
    pub fields: Vec<String>,
    /// How many are remembered.
    pub events_max: usize,
}

/// The limits of the HTTP server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerLimits {
    /// The largest body of a request.
    pub body_bytes_max: usize,
    /// Open connections; beyond them, the idlest is closed for a new one.
    pub connections_max: usize,
    /// Open connections of one address, and the events of one that may be under way.
    pub connections_per_peer_max: usize,
    /// From the first byte of a request to the end of its head; for the first of a connection, from its opening on.
    pub header_timeout: Duration,
    /// For a whole body, and for each pause while a client takes in an answer.
    pub body_timeout: Duration,
    /// Before the first byte of a request.
    pub idle_timeout: Duration,
}

/// How a temporary failure is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retry {
    /// The first attempt counts.
    pub attempts_max: usize,
    /// From the first attempt on, without the time in which the other side is known to be away.
    pub within: Duration,
    /// The wait before the second attempt.
    pub backoff_min: Duration,
    /// The longest wait.
    pub backoff_max: Duration,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file can't be read or is not in the format that its name promises.
    #[error("error when reading config file: '{0}'")]
    Read(String),
    /// Values do not fit their keys; all of them are reported.
    #[error("error unmarshalling config file: '{}'", join(.0))]
    Values(Vec<Problem>),
}

impl Config {
    /// Reads `file`, if there is one, the environment and the rule files given as arguments.
    ///
    /// Arguments come before the environment, the environment before the file, the file before
    /// defaults.
    pub fn load(
        file: Option<&Path>,
        rules_files: &[PathBuf],
        environment: impl Fn(&str) -> Option<String>,
        read: impl Fn(&Path) -> io::Result<String>,
    ) -> Result<(Config, Vec<Warning>), ConfigError> {
        let mut raw = RawConfig::default();
        if let Some(path) = file {
            raw.add_file(read_file(path, &read)?);
        }
        raw.add_environment(&environment);
        let mut reader = Reader::new(raw);
        let mut config = Config::check(&mut reader, &environment);
        if !rules_files.is_empty() {
            config.rules_files = rules_files.to_vec();
        }
        if config.rules_files.is_empty() {
            reader.problem("rules_files", "'rules_files' must name one file at least".into());
        }
        let no_color = environment("NO_COLOR").is_some_and(|value| !value.is_empty());
        if no_color && config.log_format == Format::Color {
            config.log_format = Format::Text;
        }
        config.own_namespace = own_namespace(environment, read);
        let warnings = reader.finish().map_err(ConfigError::Values)?;
        Ok((config, warnings))
    }

    fn check(reader: &mut Reader, environment: &impl Fn(&str) -> Option<String>) -> Config {
        let path = |text: String| (!text.is_empty()).then(|| PathBuf::from(text));
        let data_dir = path(reader.text("data_dir"));
        Config {
            audit: audit::audit(reader, data_dir.is_some()),
            listen_address: listen_address(&reader.text("listen_address")),
            listen_port: u16::try_from(reader.integer("listen_port")).unwrap_or(u16::MAX),
            rules_files: reader.list("rules_files").into_iter().map(PathBuf::from).collect(),
            policy_file: path(reader.text("policy_file")),
            actionners_dir: path(reader.text("actionners_dir")),
            cache_dir: path(reader.text("cache_dir")),
            data_dir,
            kubeconfig: path(reader.text("kubeconfig")),
            log_format: log_format(reader),
            log_level: log_level(reader),
            watch_rules: reader.switch("watch_rules"),
            print_all_events: reader.switch("print_all_events"),
            default_notifiers: reader.list("default_notifiers"),
            notifiers: notifiers::notifiers(reader),
            deduplication: Deduplication {
                window: Duration::from_secs(reader.integer("deduplication.time_window_seconds")),
                fields: reader.list("deduplication.fields"),
                events_max: count(reader, "deduplication.events_max"),
            },
            queue_events_max: count(reader, "queue.events_max"),
            queue_bytes_max: count(reader, "queue.bytes_max"),
            queue_disk_bytes_max: reader.size("queue.disk_max"),
            queue_target_events_max: count(reader, "queue.target_events_max"),
            max_age: Some(reader.duration("queue.max_age")).filter(|age| !age.is_zero()),
            artifacts_bytes_max: reader.integer("artifacts.bytes_max"),
            concurrency_events_max: count(reader, "concurrency.events_max"),
            concurrency_memory_bytes_max: count(reader, "concurrency.memory_bytes_max"),
            concurrency_requests_max: count(reader, "concurrency.requests_max"),
            server: server(reader),
            shutdown_deadline: milliseconds(reader, "shutdown.deadline_ms"),
            retry: retry(reader),
            deliveries_within: reader.duration("deliveries.within"),
            notifications_max: count(reader, "deliveries.notifications_max"),
            history: history::history(reader),
            metrics_series_max: count(reader, "metrics.series_max"),
            metrics_compat: metrics_compat(reader),
            otlp: otlp::otlp(reader, environment),
            clouds: clouds::clouds(reader, environment),
            own_namespace: None,
        }
    }
}

fn read_file(path: &Path, read: impl Fn(&Path) -> io::Result<String>) -> Result<Node, ConfigError> {
    let shown = path.display();
    let extension = path.extension().unwrap_or_default().to_string_lossy();
    let document = match extension.to_lowercase().as_str() {
        // What a JSON file says, it says in YAML too.
        "yaml" | "yml" | "json" => yaml::document,
        "toml" => toml::document,
        _ => {
            return Err(ConfigError::Read(format!(
                "Unsupported Config Type \"{extension}\": '{shown}' must end in .yaml, .yml, .json or .toml"
            )));
        }
    };
    let text = read(path).map_err(|error| {
        let text = error.to_string();
        // Rust adds the number of the error, and begins with a capital.
        let text = text.split(" (os error").next().unwrap_or(&text).to_lowercase();
        ConfigError::Read(format!("open {shown}: {text}"))
    })?;
    match document(&shown.to_string(), &text) {
        (Some(root), errors) if errors.is_empty() => Ok(root),
        (_, errors) => Err(ConfigError::Read(join(&errors))),
    }
}

/// Empty means every address, and Go wants brackets around an IPv6 address where Rust doesn't.
fn listen_address(text: &str) -> String {
    match text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        Some(address) => address.to_owned(),
        None if text.is_empty() => "0.0.0.0".to_owned(),
        None => text.to_owned(),
    }
}

/// Anything but the first two is JSON, as in the original, but not without a word.
fn log_format(reader: &mut Reader) -> Format {
    let text = reader.text("log_format");
    match text.to_lowercase().as_str() {
        "color" => Format::Color,
        "text" => Format::Text,
        "json" => Format::Json,
        _ => {
            let warning = format!("'log_format' must be color, text or json, got '{text}'; using json");
            reader.warn("log_format", warning);
            Format::Json
        }
    }
}

fn log_level(reader: &mut Reader) -> Level {
    let text = reader.text("log_level");
    text.parse().unwrap_or_else(|error| {
        reader.problem("log_level", format!("'log_level' is '{text}': {error}"));
        Level::Info
    })
}

fn metrics_compat(reader: &mut Reader) -> Compat {
    let text = reader.text("metrics.compat");
    text.parse().unwrap_or_else(|error| {
        reader.problem("metrics.compat", format!("'metrics.compat' is '{text}': {error}"));
        Compat::default()
    })
}

fn server(reader: &mut Reader) -> ServerLimits {
    let connections_max = count(reader, "server.connections_max");
    let connections_per_peer_max = match count(reader, "server.connections_per_peer_max") {
        0 => connections_max.div_ceil(2),
        most => most,
    };
    ServerLimits {
        body_bytes_max: count(reader, "server.body_bytes_max"),
        connections_max,
        connections_per_peer_max,
        header_timeout: milliseconds(reader, "server.header_timeout_ms"),
        body_timeout: milliseconds(reader, "server.body_timeout_ms"),
        idle_timeout: milliseconds(reader, "server.idle_timeout_ms"),
    }
}

fn retry(reader: &mut Reader) -> Retry {
    let retry = Retry {
        attempts_max: count(reader, "retry.attempts_max"),
        within: reader.duration("retry.within"),
        backoff_min: milliseconds(reader, "retry.backoff_ms_min"),
        backoff_max: milliseconds(reader, "retry.backoff_ms_max"),
    };
    if retry.backoff_min > retry.backoff_max {
        let problem = "'retry.backoff_ms_min' must not be more than 'retry.backoff_ms_max'";
        reader.problem("retry.backoff_ms_min", problem.into());
    }
    retry
}

fn count(reader: &mut Reader, key: &'static str) -> usize {
    usize::try_from(reader.integer(key)).unwrap_or(usize::MAX)
}

fn milliseconds(reader: &mut Reader, key: &'static str) -> Duration {
    Duration::from_millis(reader.integer(key))
}

fn own_namespace(
    environment: impl Fn(&str) -> Option<String>,
    read: impl Fn(&Path) -> io::Result<String>,
) -> Option<String> {
    // Outside a pod there is no such file, and no namespace of our own to protect.
    let mounted = || read(Path::new(SERVICE_ACCOUNT_NAMESPACE)).ok();
    let given = environment("NAMESPACE").filter(|name| !name.trim().is_empty());
    let name = given.or_else(mounted)?.trim().to_owned();
    (!name.is_empty()).then_some(name)
}

fn join<T: ToString>(problems: &[T]) -> String {
    let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
    problems.join("; ")
}

#[cfg(test)]
mod tests;

//! The host put together, and taken apart again.
//!
//! Everything is checked before the first event: configuration, rules, policy and components.
//! The caller owns the listener, the way to the cluster, and the signal to stop.

mod ending;
mod servers;

use std::collections::BTreeSet;
use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use futures_util::FutureExt;
use notifiers::Notifier;
use outputs::Room;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use crate::actionner::{Cache, Compiler, Engine};
use crate::clients::{Cluster, Notifiers};
use crate::config::{self, AuditPlace, Config, History};
use crate::control::Control;
use crate::generation::{Generation, Loader, Watch, keep_current};
use crate::health::{Check, Health};
use crate::pipeline::{Admission, Answering, Notifying, Pipeline, answering, is_live};
use crate::queue::Queue;
use crate::server::{self, Intake};
use crate::startup::startup;
use crate::store::{Found, Limits, Settings, Store, Window};
use crate::telemetry::audit::{Audit, FileSettings, Keep};
use crate::telemetry::logs::{FlushGuard, Level, Logger};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::{MetricsExport, Reporting};

/// What the host runs with.
pub struct Resources {
    /// Checked.
    pub config: Config,
    /// How to reach the cluster.
    pub cluster: Cluster,
    /// Where events come in.
    pub listener: TcpListener,
    /// Where the host says what it does.
    pub logger: Logger,
    /// What compiles components that are not the program's own.
    pub compiler: Compiler,
    /// Whoever notifies it has rules, policy and actionners loaded anew, whether or not their files are watched.
    pub reload: Arc<Notify>,
}

/// How the host ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// How many events were accepted and are not done, and how many of their artifacts are lost.
    pub cut_off: usize,
}

/// The host did not start. Its log says what is wrong in detail.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Rules, policy or components are wrong.
    #[error("invalid rules")]
    Generation,
    /// The machine does not give what the host needs.
    #[error("{0}")]
    Machine(String),
}

impl RunError {
    /// The tag of the log line that ends the process.
    pub fn tag(&self) -> &'static str {
        match self {
            Self::Generation => "rules",
            Self::Machine(_) => "init",
        }
    }
}

/// Run the host until `shutdown`, then finish what was accepted, until the deadline that begins with it.
///
/// # Errors
///
/// Where it does not start; once it has, [`Ended`] says how it ended.
pub async fn run(resources: Resources, shutdown: impl Future<Output = ()> + Send + 'static) -> Result<Ended, RunError> {
    let began = Instant::now();
    let Resources { config, cluster, listener, logger, compiler, reload } = resources;
    let metrics = Metrics::new(env!("CARGO_PKG_VERSION"), config.metrics_series_max).map_err(machine)?;
    let metrics = metrics.shown_as(config.metrics_compat);
    logger.count_dropped_in(metrics.dropped_log_lines());
    let health = Health::default();
    // The record is written to its end before the host ends.
    let (audit, _record) = audit(&config, &logger, &health, &metrics)?;
    let reporting = Reporting { logger: logger.clone(), metrics: metrics.clone(), audit, health: health.clone() };
    let engine = Engine::new(config.concurrency_events_max, compiler).map_err(machine)?;
    let engine = engine.sharing(config.concurrency_memory_bytes_max, config.concurrency_requests_max);
    let _look = engine.report_to(&metrics);
    if let Some(refusal) = engine.refusal() {
        logger.line(Level::Warn, "init").error(&refusal).write();
    }
    let loader = Loader::new(&config, cluster, engine, cache(&config, &logger), reporting.clone());
    let mut shutdown = Box::pin(shutdown);
    let begin = async {
        let watch = if config.watch_rules { Some(Watch::new(&loader).await) } else { None };
        Ok((watch, load(&loader).await?))
    };
    let (watch, generation) = tokio::select! {
        begun = begin => begun?,
        // Nothing was accepted yet.
        () = &mut shutdown => return Ok(Ended { cut_off: 0 }),
    };
    health.ok(Check::Rules);
    let starting = tokio::spawn(startup(generation.clients.kubernetes.clone(), began, reporting.clone()));
    let generation = Arc::new(ArcSwap::from_pointee(generation));
    if watch.is_some() {
        logger.line(Level::Info, "init").field("result", "watch of rules enabled").write();
    }

    let (store, found) = store(&config, &reporting)?;
    let room = room(&config, &store, &found, &logger)?;
    let queue = Queue::Store(store.clone());
    let admission = admission(&config, &store, &metrics, &generation);
    let control = control(&config, &store, &logger, &generation);
    let pipeline = Pipeline {
        generation: generation.clone(),
        store: store.clone(),
        reporting: reporting.clone(),
        retry: config.retry,
        max_age: config.max_age,
        target_events_max: config.queue_target_events_max,
        room,
        clouds: loader.clouds.clone(),
        due: found.due,
        deliveries_within: config.deliveries_within,
        notifiers: notifiers(&config, &generation.load(), &reporting),
        notifications: Notifying {
            defaults: config.default_notifiers.clone(),
            retry: config.retry,
            within: config.deliveries_within,
            waiting_max: config.notifications_max,
            notifiers: config.notifiers.clone(),
        },
        untold: found.notifications,
        print_all_events: config.print_all_events,
    };
    let export = metrics_export(&config, &metrics, &logger)?;
    // One for the intake and the pipeline, which end at the same time.
    let deadline = ending::deadline(shutdown, config.shutdown_deadline, store.clone(), logger.clone()).boxed().shared();
    let pipeline = tokio::spawn({
        let deadline = deadline.clone();
        async move { pipeline.run(&queue, deadline).await }
    });
    let looking = tokio::spawn(servers::report(Arc::clone(&generation), reporting));
    let watching = tokio::spawn(keep_current(watch, reload, Arc::new(loader), generation));

    let address = listener.local_addr().map_err(machine)?;
    let up = format!("Falco Talon is up and listening on {address}");
    logger.line(Level::Info, "http").field("result", &up).write();
    let intake = Intake {
        admission,
        metrics,
        logger: logger.clone(),
        health,
        print_all_events: config.print_all_events,
        limits: config.server,
    };
    let connections = server::serve(listener, intake, deadline.clone()).await;
    starting.abort();
    looking.abort();
    drop(control);
    store.close();
    watching.abort();
    let due = pipeline.await.map_err(machine)?;
    let cut_off = ending::report(&logger, connections, due, &store);
    if let Some(export) = export {
        export.end(deadline.await.min(Instant::now() + EXPORT_MAX)).await;
    }
    store.interrupt();
    let ended = tokio::task::spawn_blocking(move || store.end_writing());
    if timeout(WRITE_MAX, ended).await.is_err() {
        let error =
            "the store did not write what was left in time; what is missing in it is done once more, or unknown";
        logger.line(Level::Error, "shutdown").error(&error).write();
    }
    Ok(Ended { cut_off })
}

/// How long the last metrics may take to be sent, and never beyond `shutdown.deadline_ms`.
const EXPORT_MAX: Duration = Duration::from_secs(2);

/// How long the store may take to write what is left.
const WRITE_MAX: Duration = Duration::from_secs(2);

/// What is kept of what ended where nobody can look at it but by metrics.
const HISTORY_IN_MEMORY_BYTES_MAX: u64 = 4 << 20;

/// Entries that are handled at once: those of a crowd beyond wait in the store.
const IN_FLIGHT_MAX: usize = 4_096;

/// The store that the configuration names, and what was found in it.
fn store(config: &Config, reporting: &Reporting) -> Result<(Store, Found), RunError> {
    let Reporting { logger, health, .. } = reporting;
    let stored_bytes_max = match config.data_dir {
        Some(_) => config.queue_disk_bytes_max,
        None => config.queue_bytes_max as u64,
    };
    let limits = Limits {
        entries_max: config.queue_events_max,
        stored_bytes_max,
        loaded_bytes_max: config.queue_bytes_max,
        in_flight_max: IN_FLIGHT_MAX,
    };
    let seen = &config.deduplication;
    let window = Window { length: seen.window, events_max: seen.events_max };
    let settings = Settings { limits, window, history: config.history.clone() };
    let Some(data_dir) = &config.data_dir else {
        let result = "'data_dir' is not set: events that wait are in memory, and lost with the process";
        logger.line(Level::Info, "store").field("result", result).write();
        health.wrong(Check::Disk, result);
        let bytes_max = settings.history.bytes_max.min(HISTORY_IN_MEMORY_BYTES_MAX);
        let settings = Settings { history: History { bytes_max, ..settings.history }, ..settings };
        return Ok((Store::in_memory(settings, reporting).map_err(machine)?, Found::default()));
    };
    let (store, found) = Store::open(data_dir, settings, reporting).map_err(machine)?;
    health.ok(Check::Disk);
    report_found(logger, &found);
    Ok((store, found))
}

/// Where artifacts lie until they are delivered.
fn room(config: &Config, store: &Store, found: &Found, logger: &Logger) -> Result<Room, RunError> {
    let Some(folder) = store.spool() else { return Ok(Room::new(config.artifacts_bytes_max)) };
    let room = Room::lasting(config.artifacts_bytes_max, folder);
    // Evidence whose delivery can't be read any more is for a person to look at.
    let aside = found.damage.as_ref().map(|damage| damage.aside.with_added_extension("spool"));
    let is_wanted = |file: &str| found.files.contains(file);
    let left = room.retain(is_wanted, aside.as_deref());
    let left = left.map_err(|error| machine(format!("the folder '{}' can't be used: {error}", folder.display())))?;
    if let Some(aside) = aside.filter(|_| left > 0) {
        let error = format!(
            "{left} files that were to be delivered are unknown to the store: they lie in {} now",
            aside.display()
        );
        logger.line(Level::Error, "store").error(&error).write();
    }
    if !found.due.is_empty() {
        let result = format!("{} artifacts are still to be delivered", found.due.len());
        logger.line(Level::Info, "store").field("result", &result).write();
    }
    Ok(room)
}

fn report_found(logger: &Logger, found: &Found) {
    let Found { waiting, poisoned, damage, .. } = found;
    if let Some(damage) = damage {
        let error = format!(
            "the store was damaged ({}): it lies in {} now, and {} unfinished events and dead letters could be read of it",
            damage.reason,
            damage.aside.display(),
            damage.read
        );
        logger.line(Level::Error, "store").error(&error).write();
    }
    for trace_id in poisoned {
        let error = "the process ended twice while this event was handled: it is a dead letter";
        logger.line(Level::Error, "store").error(&error).field("trace_id", trace_id).write();
    }
    if *waiting > 0 {
        let result = format!("{waiting} events go on that were unfinished when the process last ended");
        logger.line(Level::Info, "store").field("result", &result).write();
    }
}

/// What tells people. What is wrong with one that is asked for is said, and holds up nothing else.
fn notifiers(config: &Config, generation: &Generation, Reporting { logger, health, .. }: &Reporting) -> Notifiers {
    let environment = |name: &str| std::env::var(name).ok();
    let notifiers = Notifiers::new(&config.notifiers, config.own_namespace.as_deref(), environment);
    let of_rules = generation.rules.rules().iter().flat_map(|rule| &rule.notifiers);
    let asked: BTreeSet<_> = config.default_notifiers.iter().chain(of_rules).map(|name| name.to_lowercase()).collect();
    for notifier in Notifier::ALL.into_iter().filter(|notifier| asked.contains(notifier.name())) {
        if let Some(problem) = notifiers.problem(notifier) {
            let line = logger.line(Level::Error, "init").error(&problem);
            line.field("category", notifier.name()).field("status", "failure").write();
            health.trouble(Check::Notifiers, notifier.name(), Some(problem));
        }
    }
    notifiers
}

/// Sends what `/metrics` shows, where the configuration says.
fn metrics_export(config: &Config, metrics: &Metrics, logger: &Logger) -> Result<Option<MetricsExport>, RunError> {
    let metrics = metrics.clone();
    let gather = move || metrics.shown();
    let export = config.otlp.metrics.as_ref().map(|metrics| MetricsExport::start(metrics, logger, gather));
    export.transpose().map_err(|error| {
        logger.line(Level::Error, "init").error(&error).field("category", "otlp").write();
        machine("metrics can't be sent to the collector")
    })
}

/// Events are let into the store by the rules in force.
fn admission(config: &Config, store: &Store, metrics: &Metrics, generation: &Arc<ArcSwap<Generation>>) -> Admission {
    let generation = Arc::clone(generation);
    let answered_by = move |event: &rules::Event| {
        let generation = generation.load();
        let rules = answering(&generation, event);
        let live = rules.iter().filter(|rule| is_live(&generation, rule, event));
        Answering { is_any: !rules.is_empty(), live: live.map(|rule| rule.name.clone()).collect() }
    };
    Admission::new(store.clone(), metrics.clone(), &config.deduplication, Arc::new(answered_by))
}

/// What `events` of the command line asks. A host goes on without it.
fn control(config: &Config, store: &Store, logger: &Logger, generation: &Arc<ArcSwap<Generation>>) -> Option<Control> {
    let listening = Control::listen(config.data_dir.as_deref()?, store.clone(), Arc::clone(generation));
    let unheard = |error| {
        let error = format!("'falco-talon events' can't replay or drop anything while this host runs: {error}");
        logger.line(Level::Warn, "store").error(&error).write();
    };
    listening.map_err(unheard).ok()
}

async fn load(loader: &Loader) -> Result<Generation, RunError> {
    let logger = &loader.reporting.logger;
    let loaded = loader.load().await.map_err(|problems| {
        for problem in problems {
            problem.report(logger, Level::Error);
        }
        RunError::Generation
    })?;
    for warning in &loaded.warnings {
        warning.report(logger, Level::Warn);
    }
    let generation = loaded.generation;
    for category in generation.clients.categories() {
        logger.line(Level::Info, "init").field("category", category).field("status", "success").write();
    }
    let result = generation.loaded_text();
    logger.line(Level::Info, "init").field("result", &result).write();
    Ok(generation)
}

/// The cache is a convenience, so a directory that can't be used is a warning.
fn cache(config: &Config, logger: &Logger) -> Option<Cache> {
    let directory = config.cache_dir.as_deref()?;
    match Cache::open(directory) {
        Ok(cache) => Some(cache),
        Err(error) => {
            let error = format!("components are compiled at each start: {}: {error}", directory.display());
            logger.line(Level::Warn, "init").error(&error).write();
            None
        }
    }
}

/// Where the audit record is kept, and what is held for as long as it is written.
fn audit(
    config: &Config,
    logger: &Logger,
    health: &Health,
    metrics: &Metrics,
) -> Result<(Audit, Option<FlushGuard>), RunError> {
    let (path, is_own) = match config.audit.place(config.data_dir.as_deref()) {
        AuditPlace::Log => return Ok((Audit::to_log(logger.clone()), None)),
        AuditPlace::Nowhere => return Ok((Audit::nowhere(logger.clone()), None)),
        AuditPlace::File { path, is_own } => (path, is_own),
    };
    let wrong = |error| machine(format!("open {}: {error}", path.display()));
    if let Some(folder) = path.parent().filter(|_| is_own) {
        DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(wrong)?;
    }
    let config::Audit { bytes_max, keep, keep_bytes_max, required, .. } = config.audit;
    let keep = Keep { time: keep, bytes_max: keep_bytes_max };
    let settings = FileSettings { path: &path, bytes_max, keep, is_required: required };
    let opened = Audit::to_file(&settings, logger, health, metrics.missing_audit_lines()).map_err(wrong)?;
    Ok((opened.0, Some(opened.1)))
}

fn machine(error: impl ToString) -> RunError {
    RunError::Machine(error.to_string())
}

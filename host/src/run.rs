//! The host put together, and taken apart again.
//!
//! Everything is checked before the first event: configuration, rules, policy and components.
//! The caller owns the listener, the way to the cluster, and the signal to stop.

mod ending;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arc_swap::ArcSwap;
use futures_util::FutureExt;
use outputs::Room;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use crate::actionner::{Cache, Compiler, Engine};
use crate::clients::Cluster;
use crate::config::Config;
use crate::generation::{Generation, Loader, Watch, keep_current};
use crate::pipeline::{Dedup, Pipeline};
use crate::queue::Queue;
use crate::server::{self, Intake};
use crate::store::Store;
use crate::telemetry::Reporting;
use crate::telemetry::audit::Audit;
use crate::telemetry::logs::{Format, Level, Logger};
use crate::telemetry::metrics::Metrics;

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
    /// How many events were accepted and are not done.
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
    let Resources { config, cluster, listener, logger, compiler, reload } = resources;
    let metrics = Metrics::new(env!("CARGO_PKG_VERSION"), config.metrics_series_max).map_err(machine)?;
    logger.count_dropped_in(metrics.dropped_log_lines());
    let reporting = Reporting { logger: logger.clone(), metrics: metrics.clone(), audit: audit(&config, &logger)? };
    let engine = Engine::new(config.concurrency_events_max, compiler).map_err(machine)?;
    let engine = engine.sharing(config.concurrency_memory_bytes_max, config.concurrency_requests_max);
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
    let generation = Arc::new(ArcSwap::from_pointee(generation));
    if watch.is_some() {
        logger.line(Level::Info, "init").field("result", "watch of rules enabled").write();
    }

    let store = Store::memory(config.queue_events_max, config.queue_bytes_max);
    let queue = Queue::Store(store.clone());
    let seen = &config.deduplication;
    let pipeline = Pipeline {
        generation: generation.clone(),
        dedup: Dedup::new(seen.window, seen.fields.clone(), seen.events_max),
        store: store.clone(),
        reporting,
        retry: config.retry,
        target_events_max: config.queue_target_events_max,
        room: Room::new(config.artifacts_bytes_max),
        print_all_events: config.print_all_events,
    };
    // One for the intake and the pipeline, which end at the same time.
    let deadline = ending::deadline(shutdown, config.shutdown_deadline, store.clone(), logger.clone()).boxed().shared();
    let pipeline = tokio::spawn({
        let deadline = deadline.clone();
        async move { pipeline.run(&queue, deadline).await }
    });
    let watching = tokio::spawn(keep_current(watch, reload, Arc::new(loader), generation));

    let address = listener.local_addr().map_err(machine)?;
    let up = format!("Falco Talon is up and listening on {address}");
    logger.line(Level::Info, "http").field("result", &up).write();
    let intake = Intake {
        store: store.clone(),
        metrics,
        logger: logger.clone(),
        ready: Arc::new(AtomicBool::new(true)),
        print_all_events: config.print_all_events,
        limits: config.server,
    };
    let cut = server::serve(listener, intake, deadline).await;
    store.close().await.map_err(machine)?;
    watching.abort();
    pipeline.await.map_err(machine)?;
    let unfinished = store.unfinished().await.map_err(machine)?;
    ending::report(&logger, cut, &unfinished);
    Ok(Ended { cut_off: unfinished.len() })
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

fn audit(config: &Config, logger: &Logger) -> Result<Audit, RunError> {
    let Some(path) = &config.audit_file else { return Ok(Audit::to_log(logger.clone())) };
    let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
    let file = file.map_err(|error| machine(format!("open {}: {error}", path.display())))?;
    Ok(Audit::to_file(Logger::new(Format::Json, file)))
}

fn machine(error: impl ToString) -> RunError {
    RunError::Machine(error.to_string())
}

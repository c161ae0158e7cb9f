//! What commands share: the configuration they were given, a log on standard output, and the
//! loader of rules, policy and components.

use std::process::ExitCode;

use super::files::Files;
use crate::actionner::{Cache, Compiler, Engine};
use crate::clients::Cluster;
use crate::config::{Config, Warning};
use crate::generation::{Loader, Problem};
use crate::telemetry::audit::Audit;
use crate::telemetry::library;
use crate::telemetry::logs::{FlushGuard, Format, Level, Logger};
use crate::telemetry::metrics::Metrics;
use crate::telemetry::{Reporting, Traces};

/// A command's surroundings.
pub(super) struct Context {
    pub(super) config: Config,
    pub(super) logger: Logger,
    /// What makes traces and sends them, where this was asked for.
    pub(super) traces: Option<Traces>,
    /// Held to the end of the command: it writes what is still on its way.
    _flush: FlushGuard,
}

impl Context {
    /// Read the configuration that `files` names, or start from the defaults where it names none.
    ///
    /// # Errors
    ///
    /// The exit code, after the log has said what is wrong.
    pub(super) fn new(files: &Files) -> Result<Self, ExitCode> {
        Self::warning(files, false)
    }

    /// The same for a host, whose traces are sent where the configuration says. Needs a runtime.
    ///
    /// # Errors
    ///
    /// The exit code, after the log has said what is wrong.
    pub(super) fn serving(files: &Files) -> Result<Self, ExitCode> {
        Self::warning(files, true)
    }

    fn warning(files: &Files, serves: bool) -> Result<Self, ExitCode> {
        let (context, warnings) = Self::with_warnings(files, serves)?;
        for warning in &warnings {
            context.logger.line(Level::Warn, "config").error(warning).write();
        }
        Ok(context)
    }

    /// The same for what is read by programs: warnings are for the commands that check.
    ///
    /// # Errors
    ///
    /// The exit code, after the log has said what is wrong.
    pub(super) fn without_warnings(files: &Files) -> Result<Self, ExitCode> {
        Self::with_warnings(files, false).map(|(context, _)| context)
    }

    fn with_warnings(files: &Files, serves: bool) -> Result<(Self, Vec<Warning>), ExitCode> {
        let environment = |name: &str| std::env::var(name).ok();
        let read =
            Config::load(files.config.as_deref(), &files.rules, environment, |path| std::fs::read_to_string(path));
        let (mut config, warnings) = match read {
            Ok(read) => read,
            Err(error) => {
                // The format is not known yet; the original answers in colour then.
                let (logger, _flush) = Logger::stdout(Format::Color);
                logger.line(Level::Fatal, "config").error(&error).write();
                return Err(ExitCode::FAILURE);
            }
        };
        let (logger, flush) = Logger::stdout(config.log_format);
        let logger = logger.from_level(config.log_level);
        let traces = config.otlp.traces.as_ref().filter(|_| serves);
        let traces = traces.map(|target| Traces::new(target, &logger)).transpose().map_err(|error| {
            logger.line(Level::Fatal, "init").error(&error).field("category", "otlp").write();
            ExitCode::FAILURE
        })?;
        library::subscribe(&logger, traces.as_ref());
        if let Some(policy) = &files.policy {
            config.policy_file = Some(policy.clone());
        }
        Ok((Self { config, logger, traces, _flush: flush }, warnings))
    }

    /// A loader that reaches no cluster: for commands that only look at files.
    ///
    /// # Errors
    ///
    /// The exit code, after the log has said what is wrong.
    pub(super) fn loader(&self) -> Result<Loader, ExitCode> {
        let metrics = Metrics::new(env!("CARGO_PKG_VERSION"), 1).map_err(|error| self.fail("init", &error))?;
        let reporting = Reporting::new(self.logger.clone(), metrics, Audit::to_log(self.logger.clone()));
        let engine = Engine::new(1, Compiler::own()).map_err(|error| self.fail("init", &error))?;
        // Without a cache each command compiles anew, which takes a moment and nothing else.
        let cache = self.config.cache_dir.as_deref().and_then(|directory| Cache::open(directory).ok());
        Ok(Loader::new(&self.config, Cluster::None, engine, cache, reporting))
    }

    /// Say why a command ends, and with which code.
    pub(super) fn fail(&self, tag: &'static str, error: &dyn std::fmt::Display) -> ExitCode {
        self.logger.line(Level::Fatal, tag).error(error).write();
        ExitCode::FAILURE
    }

    /// Say what is wrong, each thing in a line of its own.
    pub(super) fn report(&self, level: Level, problems: &[Problem]) {
        for problem in problems {
            problem.report(&self.logger, level);
        }
    }
}

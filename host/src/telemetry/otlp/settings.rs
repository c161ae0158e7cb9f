//! Where traces and metrics are sent, and how: checked.

use std::path::PathBuf;
use std::time::Duration;

use policy::Secret;

/// What is sent to a collector; nothing by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Otlp {
    /// Where traces go, if they do.
    pub traces: Option<Target>,
    /// Where metrics go, and how often.
    pub metrics: Option<(Target, Duration)>,
}

/// A collector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// How it is spoken to.
    pub protocol: Protocol,
    /// Where it is; with the path, where that is part of the protocol.
    pub url: String,
    /// What is sent along, names in lower case.
    pub headers: Vec<(String, Secret)>,
    /// How long it is tried to send the same, attempts after a failure included.
    pub timeout: Duration,
    /// Who vouches for it, as a PEM file; where none is named, those whom the machine trusts.
    pub authority: Option<PathBuf>,
}

/// How a collector is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// gRPC.
    Grpc,
    /// Protobuf in the bodies of HTTP requests.
    Http,
}

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Traces.
    Traces,
    /// Metrics.
    Metrics,
}

impl Signal {
    /// As it stands in the names of variables.
    pub(crate) fn in_variables(self) -> &'static str {
        match self {
            Self::Traces => "TRACES",
            Self::Metrics => "METRICS",
        }
    }

    /// Where it goes at a collector that is spoken to over HTTP.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Traces => "v1/traces",
            Self::Metrics => "v1/metrics",
        }
    }

    /// The tag of the lines that say what is wrong with it.
    pub(super) fn tag(self) -> &'static str {
        match self {
            Self::Traces => "otel-traces",
            Self::Metrics => "otel",
        }
    }
}

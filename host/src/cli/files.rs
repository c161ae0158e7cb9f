//! The arguments that most commands take.

use std::path::PathBuf;

/// The files that most commands read.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Files {
    /// Falco Talon rules file; repeat it for several, later ones override earlier ones
    #[arg(short, long, global = true, value_name = "FILE")]
    pub(super) rules: Vec<PathBuf>,
    /// Falco Talon config file [default for server: /etc/falco-talon/config.yaml]
    #[arg(short, long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Policy file; overrides the configuration's
    #[arg(short, long, global = true, value_name = "FILE")]
    pub(super) policy: Option<PathBuf>,
}

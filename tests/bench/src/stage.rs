//! The files and the event that everything is measured with.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::Result;

/// A real alert of Falco about the pod `web-0`.
pub(crate) const EVENT: &str = include_str!("../../../host/src/cli/demo/event.json");

/// What an API server answers to a patch of a pod, `managedFields` and all.
pub(crate) const POD: &str = include_str!("pod.json");

/// One rule, one action, one request to the API server.
pub(crate) const RULES: &str = r#"
- action: Label the pod
  actionner: kubernetes:label
  parameters:
    labels:
      suspicious: "true"

- rule: Suspicious shell
  match:
    rules:
      - Terminal shell in container
    priority: ">=Notice"
  actions:
    - action: Label the pod
"#;

/// The patch that this rule leads to.
pub(crate) const PATCH: &str = r#"{"metadata":{"labels":{"suspicious":"true"}}}"#;

/// The files of one host, gone with this value.
pub(crate) struct Files {
    folder: TempDir,
    port: u16,
}

impl Files {
    /// Write them for a host that listens on `port` and whose API server is at `api`.
    pub(crate) fn new(port: u16, api: &str) -> Result<Self> {
        Self::with(port, api, false)
    }

    /// The same for a host that keeps its events on disk.
    pub(crate) fn stored(port: u16, api: &str) -> Result<Self> {
        Self::with(port, api, true)
    }

    fn with(port: u16, api: &str, is_stored: bool) -> Result<Self> {
        let files = Self { folder: TempDir::new()?, port };
        std::fs::write(files.rules(), RULES)?;
        let kubeconfig = serde_json::json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "bench",
            "clusters": [{"name": "bench", "cluster": {"server": api}}],
            "contexts": [{"name": "bench", "context": {"cluster": "bench", "user": "bench"}}],
            "users": [{"name": "bench", "user": {}}],
        });
        std::fs::write(files.path("kubeconfig.json"), kubeconfig.to_string())?;
        let config = serde_json::json!({
            "listen_address": "127.0.0.1", "listen_port": port, "log_format": "json",
            "rules_files": [files.rules()], "kubeconfig": files.path("kubeconfig.json"),
            "cache_dir": files.cache(), "data_dir": if is_stored { files.path("data") } else { PathBuf::new() },
            // All events are of one host and one rule, which have half of the places.
            "queue": {"events_max": 1_000_000},
        });
        std::fs::write(files.config(), config.to_string())?;
        Ok(files)
    }

    /// Where the host listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.path("config.json")
    }

    pub(crate) fn rules(&self) -> PathBuf {
        self.path("rules.yaml")
    }

    /// Where compiled components are kept.
    pub(crate) fn cache(&self) -> PathBuf {
        self.path("cache")
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::join(self.folder.path(), name)
    }
}

/// The event, about another pod.
pub(crate) fn event_of(pod: &str) -> String {
    EVENT.replace("web-0", pod)
}

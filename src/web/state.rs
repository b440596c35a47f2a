//! What the handlers of one listener share.

use std::net::SocketAddr;
use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;

use super::access_log::{AccessLog, Evidence};
use super::entrance::{Entrance, Keyring};
use super::{Archive, Backend, Health, Viewer, feed};
use crate::config::Role;

pub(super) struct WebState {
    /// The only way to evidence metadata.
    pub access_log: AccessLog,
    backend: Arc<dyn Backend>,
    pub station_name: String,
    pub entrance: Arc<Entrance>,
    pub metrics: PrometheusHandle,
    pub snapshots: watch::Receiver<feed::Snapshot>,
}

/// The parts of the state that all listeners have in common.
#[derive(Clone)]
pub(super) struct SharedParts {
    pub archive: Option<Arc<Archive>>,
    pub backend: Arc<dyn Backend>,
    pub station_name: String,
    pub keyring: Keyring,
    pub metrics: PrometheusHandle,
    pub snapshots: watch::Receiver<feed::Snapshot>,
}

fn home(viewer: &Viewer) -> &'static str {
    if viewer.has_any(&[Role::Evidence]) {
        "/evidence"
    } else {
        "/"
    }
}

impl WebState {
    pub fn new(parts: SharedParts, address: SocketAddr) -> Arc<Self> {
        Arc::new(Self {
            access_log: AccessLog::new(Arc::new(Evidence::new(
                Arc::clone(&parts.backend),
                parts.archive,
            ))),
            backend: parts.backend,
            station_name: parts.station_name,
            entrance: parts.keyring.entrance(address, home),
            metrics: parts.metrics,
            snapshots: parts.snapshots,
        })
    }

    /// Never blocks.
    pub fn alive(&self) -> bool {
        self.backend.alive()
    }

    /// Blocks.
    pub fn health(&self) -> Health {
        self.backend.health()
    }

    /// The metrics as they are now. Blocks.
    pub fn render_metrics(&self) -> String {
        self.backend.sample();
        self.metrics.run_upkeep();
        self.metrics.render()
    }
}

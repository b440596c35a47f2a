//! What the handlers of one listener share.

use std::net::SocketAddr;
use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;

use super::access_log::{AccessLog, HasAccessLog, RecordsAccess};
use super::entrance::{Entrance, Keyring};
use super::{Backend, Health, feed};
use crate::model::OperatorAction;

pub(super) struct WebState {
    /// The only way to evidence metadata.
    access_log: AccessLog<dyn Backend>,
    backend: Arc<dyn Backend>,
    pub station_name: String,
    pub entrance: Arc<Entrance>,
    pub metrics: PrometheusHandle,
    pub snapshots: watch::Receiver<feed::Snapshot>,
}

/// The parts of the state that all listeners have in common.
#[derive(Clone)]
pub(super) struct SharedParts {
    pub backend: Arc<dyn Backend>,
    pub station_name: String,
    pub keyring: Keyring,
    pub metrics: PrometheusHandle,
    pub snapshots: watch::Receiver<feed::Snapshot>,
}

impl RecordsAccess for dyn Backend {
    fn record(&self, action: OperatorAction) -> Result<(), String> {
        Backend::record(self, action)
    }
}

impl HasAccessLog<dyn Backend> for Arc<WebState> {
    fn access_log(&self) -> &AccessLog<dyn Backend> {
        &self.access_log
    }
}

impl WebState {
    pub fn new(parts: SharedParts, address: SocketAddr) -> Arc<Self> {
        Arc::new(Self {
            access_log: AccessLog::new(Arc::clone(&parts.backend)),
            backend: parts.backend,
            station_name: parts.station_name,
            entrance: parts.keyring.entrance(address),
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

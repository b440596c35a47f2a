//! What the handlers of one listener share.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;

use super::access_log::{AccessLog, HasAccessLog, RecordsAccess};
use super::entrance::{Entrance, Keyring};
use super::rate_limit::RateLimit;
use super::{Backend, DockRefusal, DockTags, DockedRecordings, Health, OfficerAtBay, feed};
use crate::model::OperatorAction;

pub(super) struct WebState {
    /// The only way to evidence metadata.
    access_log: AccessLog<dyn Backend>,
    backend: Arc<dyn Backend>,
    pub station_name: String,
    pub entrance: Arc<Entrance>,
    pub metrics: PrometheusHandle,
    pub snapshots: watch::Receiver<feed::Snapshot>,
    /// Requests of officers who tag, and those of them with a wrong badge.
    pub dock_requests: RateLimit,
    pub wrong_badges: RateLimit,
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
            dock_requests: RateLimit::new(60, Duration::from_secs(1)),
            wrong_badges: RateLimit::new(10, Duration::from_secs(12)),
        })
    }

    /// Never blocks.
    pub fn alive(&self) -> bool {
        self.backend.alive()
    }

    pub fn tag_categories(&self) -> Option<&[String]> {
        self.backend.tag_categories()
    }

    /// Blocks.
    pub fn docked_recordings(&self, at: &OfficerAtBay) -> Result<DockedRecordings, DockRefusal> {
        self.backend.docked_recordings(at)
    }

    /// Blocks.
    pub fn tag_docked(&self, tags: &DockTags) -> Result<usize, DockRefusal> {
        self.backend.tag_docked(tags)
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

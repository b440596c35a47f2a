//! What the handlers of one listener share.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;

use super::access_log::AccessLog;
use super::rate_limit::RateLimit;
use super::sessions::Sessions;
use super::tokens::Tokens;
use super::{Archive, Backend, Health, feed};

pub(super) struct WebState {
    /// The only way to evidence metadata.
    pub access_log: AccessLog,
    backend: Arc<dyn Backend>,
    pub station_name: String,
    pub language: String,
    pub tokens: Arc<Tokens>,
    pub sessions: Arc<Sessions>,
    pub metrics: PrometheusHandle,
    pub snapshots: watch::Receiver<feed::Snapshot>,
    pub requests: RateLimit,
    pub wrong_tokens: RateLimit,
    /// Only this machine reaches the listener.
    pub loopback: bool,
    pub tls: bool,
}

/// The parts of the state that all listeners have in common.
#[derive(Clone)]
pub(super) struct SharedParts {
    pub archive: Option<Arc<Archive>>,
    pub backend: Arc<dyn Backend>,
    pub station_name: String,
    pub language: String,
    pub tokens: Arc<Tokens>,
    pub sessions: Arc<Sessions>,
    pub metrics: PrometheusHandle,
    pub snapshots: watch::Receiver<feed::Snapshot>,
    pub tls: bool,
}

impl WebState {
    pub fn new(parts: SharedParts, address: SocketAddr) -> Arc<Self> {
        Arc::new(Self {
            access_log: AccessLog::new(Arc::clone(&parts.backend), parts.archive),
            backend: parts.backend,
            station_name: parts.station_name,
            language: parts.language,
            tokens: parts.tokens,
            sessions: parts.sessions,
            metrics: parts.metrics,
            snapshots: parts.snapshots,
            requests: RateLimit::new(300, Duration::from_millis(20)),
            wrong_tokens: RateLimit::new(10, Duration::from_secs(12)),
            loopback: address.ip().is_loopback(),
            tls: parts.tls,
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

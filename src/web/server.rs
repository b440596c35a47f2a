//! The listeners of the pages and of the metrics: what they share, and how they start and stop.

use std::net::SocketAddr;
use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::entrance::Keyring;
use super::listener::listen;
use super::state::{SharedParts, WebState};
use super::tokens::Tokens;
use super::{Backend, WebError, feed, routes, tls};
use crate::config::{Config, Secrets};

/// Where the pages listen: the real addresses, also when port 0 was asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Bound {
    pub web: Option<SocketAddr>,
    pub metrics: Option<SocketAddr>,
}

/// The running listeners; they end when this is dropped or stopped.
pub struct Pages {
    tasks: JoinSet<()>,
    tokens: Arc<Tokens>,
    identity: Option<tls::Identity>,
    pub bound: watch::Receiver<Bound>,
}

impl Pages {
    /// Starts the listeners. An address that is taken is tried again: footage does not wait for it.
    pub fn start(
        config: &Config,
        secrets: &Secrets,
        backend: Arc<dyn Backend>,
        metrics: PrometheusHandle,
    ) -> Result<Self, WebError> {
        let files = config.web.tls.as_ref();
        let identity = files
            .map(|files| tls::Identity::load(files, secrets))
            .transpose()?;
        let mut tasks = JoinSet::new();
        let (to, snapshots) = watch::channel(feed::take(&*backend));
        if config.web.listen.is_some() {
            tasks.spawn(feed::follow(Arc::clone(&backend), to));
        }
        let (bound_to, bound) = watch::channel(Bound::default());
        let bound_to = Arc::new(bound_to);
        let sessions = config.files.web_sessions();
        let keyring = Keyring::new(&config.web, sessions, identity.is_some());
        let tokens = Arc::clone(&keyring.tokens);
        let parts = SharedParts {
            backend,
            station_name: config.station.name.to_string(),
            keyring,
            metrics,
            snapshots,
        };
        if let Some(address) = config.web.listen {
            let router = routes::pages(WebState::new(parts.clone(), address));
            let to = Arc::clone(&bound_to);
            let bound = move |at| to.send_modify(|b| b.web = Some(at));
            tasks.spawn(listen(address, router, identity.clone(), "pages", bound));
        }
        if let Some(address) = config.metrics.listen {
            let identity = identity.clone().filter(|_| !address.ip().is_loopback());
            let router = routes::metrics(WebState::new(parts, address));
            let bound = move |at| bound_to.send_modify(|b| b.metrics = Some(at));
            tasks.spawn(listen(address, router, identity, "metrics", bound));
        }
        Ok(Self {
            tasks,
            tokens,
            identity,
            bound,
        })
    }

    /// Takes over the tokens of a changed configuration and reads certificate and key again.
    pub fn reload(&self, config: &Config, secrets: &Secrets) -> Result<(), WebError> {
        self.tokens.replace(&config.web.tokens);
        match (&self.identity, &config.web.tls) {
            (Some(identity), Some(files)) => identity.renew(files, secrets),
            _ => Ok(()),
        }
    }

    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

//! The listeners: bounded in connections, time and size, with TLS where other machines reach them.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit};
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use metrics_exporter_prometheus::PrometheusHandle;
use parking_lot::Mutex;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use super::access::{Limiter, Tokens, network};
use super::record::Accesses;
use super::{
    Refused, Station, Viewer, assets, custody, evidence, export, feed, guard, health, officer, tls,
};
use crate::audit::LogHandle;
use crate::config::{Config, ConfigError, Secrets};
use crate::journal::{EntryIndex, Journal};
use crate::metrics;
use crate::model::{Explain, RetryClass, StatusView};

/// Connections at a time, of all and of one address.
const CONNECTIONS: usize = 256;
const OF_ONE: usize = 48;
/// Pages with a live feed.
const READERS: usize = 128;
const BODY_MAX: usize = 16 << 10;
const HEADERS_WITHIN: Duration = Duration::from_secs(10);
const AGAIN: Duration = Duration::from_secs(10);

#[derive(Debug, Error)]
pub enum WebError {
    #[error("cannot listen on {address}")]
    Listen {
        address: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("the certificate or key of [web] cannot be used: {0}")]
    Certificate(String),
    #[error(transparent)]
    Key(#[from] ConfigError),
}

impl Explain for WebError {
    fn retry_class(&self) -> RetryClass {
        match self {
            Self::Listen { .. } => RetryClass::Later,
            Self::Certificate(_) => RetryClass::Operator,
            Self::Key(e) => e.retry_class(),
        }
    }

    fn label(&self) -> &'static str {
        match self {
            Self::Listen { .. } => "web_listen",
            Self::Certificate(_) => "web_certificate",
            Self::Key(e) => e.label(),
        }
    }

    fn next_step(&self) -> String {
        match self {
            Self::Listen { address, .. } => format!(
                "End what listens on {address}, or give another address in [web] or [metrics]; footage is taken all the same."
            ),
            Self::Certificate(_) => {
                "Correct `tls_certificate` and `tls_key` in [web]: PEM files, the server's own certificate first.".into()
            }
            Self::Key(e) => e.next_step(),
        }
    }
}

/// What the evidence page reads: the journal over a connection of its own, the log, and which entries speak of what.
pub struct Archive {
    pub journal: Journal,
    pub log: LogHandle,
    pub entries: Option<Arc<EntryIndex>>,
}

/// What every page shares.
pub(super) struct Shared {
    pub archive: Option<Arc<Archive>>,
    pub accesses: Accesses,
    pub station: Arc<dyn Station>,
    pub name: String,
    pub language: String,
    pub tokens: Arc<Tokens>,
    pub metrics: PrometheusHandle,
    pub snapshots: watch::Receiver<feed::Snapshot>,
    pub readers: Arc<Semaphore>,
    pub requests: Limiter,
    pub wrong_tokens: Limiter,
    /// This machine alone reaches the listener.
    pub loopback: bool,
    pub tls: bool,
}

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
    /// Starts the listeners. An address that is taken is tried again and again: footage does not wait for it.
    pub fn start(
        config: &Config,
        secrets: &Secrets,
        station: Arc<dyn Station>,
        archive: Option<Archive>,
        metrics: PrometheusHandle,
    ) -> Result<Self, WebError> {
        let files = config.web.tls.as_ref();
        let identity = files
            .map(|files| tls::Identity::load(files, secrets))
            .transpose()?;
        let mut tasks = JoinSet::new();
        let (to, snapshots) = watch::channel(feed::take(&*station));
        if config.web.listen.is_some() {
            tasks.spawn(feed::follow(Arc::clone(&station), to));
        }
        let (bound_to, bound) = watch::channel(Bound::default());
        let bound_to = Arc::new(bound_to);
        let tls = identity.is_some();
        let archive = archive.map(Arc::new);
        let tokens = Arc::new(Tokens::new(&config.web.tokens));
        let shared = |address: SocketAddr| {
            Arc::new(Shared {
                archive: archive.clone(),
                accesses: Accesses::default(),
                station: Arc::clone(&station),
                name: config.station.name.to_string(),
                language: config.web.language.clone(),
                tokens: Arc::clone(&tokens),
                metrics: metrics.clone(),
                snapshots: snapshots.clone(),
                readers: Arc::new(Semaphore::new(READERS)),
                requests: Limiter::new(300, Duration::from_millis(20)),
                wrong_tokens: Limiter::new(10, Duration::from_secs(12)),
                loopback: address.ip().is_loopback(),
                tls,
            })
        };
        if let Some(address) = config.web.listen {
            let (router, to) = (pages(shared(address)), Arc::clone(&bound_to));
            let tell = move |at| to.send_modify(|b| b.web = Some(at));
            tasks.spawn(listen(address, router, identity.clone(), "pages", tell));
        }
        if let Some(address) = config.metrics.listen {
            let identity = identity.clone().filter(|_| !address.ip().is_loopback());
            let router = figures(shared(address));
            let tell = move |at| bound_to.send_modify(|b| b.metrics = Some(at));
            tasks.spawn(listen(address, router, identity, "metrics", tell));
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

fn pages(shared: Arc<Shared>) -> Router {
    let open = Router::new()
        .route("/login", get(login_page).post(guard::login))
        .route("/logout", post(guard::logout))
        .route("/static/{name}", get(asset))
        .route("/text/{name}", get(asset));
    let officers = Router::new()
        .route("/", get(officer::page))
        .route("/events", get(officer::events))
        .route_layer(from_fn_with_state(Arc::clone(&shared), guard::anybody));
    let operations = Router::new()
        .route("/api/status", get(status))
        .route_layer(from_fn_with_state(Arc::clone(&shared), guard::operations));
    let managers = Router::new()
        .route("/evidence", get(evidence::page))
        .route("/api/evidence", get(evidence::list))
        .route("/api/evidence/{id}", get(custody::item))
        .route("/api/completeness", get(evidence::completeness))
        .route("/api/problems", get(evidence::problems))
        .route("/export/evidence", get(export::evidence))
        .route("/export/completeness", get(export::completeness))
        .route_layer(from_fn_with_state(Arc::clone(&shared), guard::evidence));
    finish(
        open.merge(officers).merge(operations).merge(managers),
        shared,
    )
}

fn figures(shared: Arc<Shared>) -> Router {
    let routes = Router::new()
        .route("/metrics", get(health::metrics))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz));
    let routes = if shared.loopback {
        routes
    } else {
        routes.route_layer(from_fn_with_state(Arc::clone(&shared), guard::operations))
    };
    finish(routes, shared)
}

fn finish(routes: Router<Arc<Shared>>, shared: Arc<Shared>) -> Router {
    routes
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(from_fn_with_state(
            Arc::clone(&shared),
            guard::every_request,
        ))
        .with_state(shared)
}

async fn login_page(
    axum::extract::State(shared): axum::extract::State<Arc<Shared>>,
) -> axum::response::Response {
    assets::page(assets::LOGIN, &shared.language)
}

async fn asset(uri: axum::http::Uri) -> axum::response::Response {
    assets::file(uri.path())
}

/// Names items that are being uploaded: an access like any other.
async fn status(
    axum::extract::State(shared): axum::extract::State<Arc<Shared>>,
    axum::extract::Extension(viewer): axum::extract::Extension<Viewer>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
) -> Result<axum::Json<StatusView>, Refused> {
    tokio::task::block_in_place(|| {
        let (station, from) = (&*shared.station, peer.ip());
        let entered = &shared.accesses;
        entered.enter(station, &viewer, from, "evidence.listed", None, "status")?;
        let view = station.status();
        let view = view.map_err(|e| Refused::new(axum::http::StatusCode::SERVICE_UNAVAILABLE, e));
        Ok(axum::Json(view?))
    })
}

async fn listen(
    address: SocketAddr,
    router: Router,
    identity: Option<tls::Identity>,
    what: &'static str,
    tell: impl FnOnce(SocketAddr),
) {
    let mut said = false;
    let listener = loop {
        match TcpListener::bind(address).await {
            Ok(listener) => break listener,
            Err(source) => {
                let error = WebError::Listen { address, source };
                metrics::error(error.label());
                if !std::mem::replace(&mut said, true) {
                    tracing::error!(
                        code = error.label(),
                        error = &error as &dyn std::error::Error,
                        next_step = error.next_step(),
                        "no {what} for now; trying again"
                    );
                }
                tokio::time::sleep(AGAIN).await;
            }
        }
    };
    let address = listener.local_addr().unwrap_or(address);
    let scheme = if identity.is_some() { "https" } else { "http" };
    tracing::info!(
        url = format!("{scheme}://{address}/"),
        "{what} can be reached"
    );
    tell(address);
    accept(listener, router, identity).await;
}

async fn accept(listener: TcpListener, router: Router, identity: Option<tls::Identity>) {
    let all = Arc::new(Semaphore::new(CONNECTIONS));
    let peers: Arc<Mutex<Vec<IpAddr>>> = Arc::default();
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&all).try_acquire_owned() else {
            metrics::web_refused("connections");
            continue;
        };
        let Some(place) = Place::take(&peers, network(peer.ip())) else {
            metrics::web_refused("connections");
            continue;
        };
        let router = router.clone();
        let acceptor = identity.as_ref().map(tls::Identity::acceptor);
        connections.spawn(async move {
            let _held = (permit, place);
            let _ = stream.set_nodelay(true);
            match acceptor {
                None => serve(stream, peer, router).await,
                Some(acceptor) => {
                    let shake = tokio::time::timeout(HEADERS_WITHIN, acceptor.accept(stream));
                    if let Ok(Ok(stream)) = shake.await {
                        serve(stream, peer, router).await;
                    }
                }
            }
        });
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, peer: SocketAddr, router: Router) {
    let router = router.map_request(
        move |mut request: axum::http::Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(ConnectInfo(peer));
            request.map(axum::body::Body::new)
        },
    );
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADERS_WITHIN)
        .max_buf_size(32 << 10)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    if let Err(error) = connection.await {
        tracing::debug!(%error, "a connection ended badly");
    }
}

/// One connection of one address; given back on drop.
struct Place(Arc<Mutex<Vec<IpAddr>>>, IpAddr);

impl Place {
    fn take(peers: &Arc<Mutex<Vec<IpAddr>>>, peer: IpAddr) -> Option<Self> {
        let mut open = peers.lock();
        if open.iter().filter(|other| **other == peer).count() >= OF_ONE {
            return None;
        }
        open.push(peer);
        Some(Self(Arc::clone(peers), peer))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.0.lock();
        if let Some(at) = open.iter().position(|peer| *peer == self.1) {
            open.swap_remove(at);
        }
    }
}

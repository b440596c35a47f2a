//! One listener: bounded in connections, time and size, with TLS where other machines reach it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};
use tower::ServiceExt as _;

use super::rate_limit::network;
use super::{WebError, tls};
use crate::metrics;
use crate::model::Explain as _;

/// Connections at a time, of all addresses and of one.
const CONNECTIONS: usize = 256;
const CONNECTIONS_OF_ONE: usize = 48;
const HEADERS_WITHIN: Duration = Duration::from_secs(10);
/// Between attempts to listen on an address that is taken.
const RETRY: Duration = Duration::from_secs(10);

/// Listens for as long as the task lives, and tells `bound` the real address. An address that is taken is tried again.
pub async fn listen(
    address: SocketAddr,
    router: Router,
    identity: Option<tls::Identity>,
    what: &'static str,
    bound: impl FnOnce(SocketAddr),
) {
    let mut reported = false;
    let listener = loop {
        match TcpListener::bind(address).await {
            Ok(listener) => break listener,
            Err(source) => {
                let error = WebError::Listen { address, source };
                metrics::error(error.label());
                if !std::mem::replace(&mut reported, true) {
                    tracing::error!(
                        code = error.label(),
                        error = &error as &dyn std::error::Error,
                        next_step = error.next_step(),
                        "no {what} for now; the address is tried again"
                    );
                }
                tokio::time::sleep(RETRY).await;
            }
        }
    };
    let address = listener.local_addr().unwrap_or(address);
    let scheme = if identity.is_some() { "https" } else { "http" };
    tracing::info!(
        url = format!("{scheme}://{address}/"),
        "{what} can be reached"
    );
    bound(address);
    accept(listener, router, identity).await;
}

async fn accept(listener: TcpListener, router: Router, identity: Option<tls::Identity>) {
    let mut connections = Connections::default();
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::debug!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let router = router.clone();
        let acceptor = identity.as_ref().map(tls::Identity::acceptor);
        connections.spawn(network(peer.ip()), async move {
            let _ = stream.set_nodelay(true);
            match acceptor {
                None => serve(stream, peer, router).await,
                Some(acceptor) => {
                    let handshake = tokio::time::timeout(HEADERS_WITHIN, acceptor.accept(stream));
                    if let Ok(Ok(stream)) = handshake.await {
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

/// The open connections of one listener. When there are too many, an old one is ended for the new one: idle connections must
/// not shut anybody out.
#[derive(Default)]
struct Connections {
    tasks: JoinSet<()>,
    /// Oldest first.
    open: Vec<(IpAddr, AbortHandle)>,
}

impl Connections {
    fn spawn(&mut self, from: IpAddr, connection: impl Future<Output = ()> + Send + 'static) {
        while self.tasks.try_join_next().is_some() {}
        self.open.retain(|(_, task)| !task.is_finished());
        self.make_room(from);
        self.open.push((from, self.tasks.spawn(connection)));
    }

    /// Ends the oldest connection of this address, or of the address that has most.
    fn make_room(&mut self, from: IpAddr) {
        let count = |address: IpAddr| self.open.iter().filter(|(of, _)| *of == address).count();
        let crowded = if count(from) >= CONNECTIONS_OF_ONE {
            from
        } else if self.open.len() >= CONNECTIONS {
            let addresses = self.open.iter().map(|(of, _)| *of);
            addresses.max_by_key(|of| count(*of)).unwrap_or(from)
        } else {
            return;
        };
        if let Some(oldest) = self.open.iter().position(|(of, _)| *of == crowded) {
            metrics::web_refused("connections");
            let (_, task) = self.open.remove(oldest);
            task.abort();
        }
    }
}

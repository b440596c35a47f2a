//! What every request passes before a page sees it: limits, no cross-site use, who asks and whether they may.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Redirect, Response};

use super::access::presented;
use super::server::Shared;
use super::{Refused, Viewer, access};
use crate::config::Role;
use crate::metrics;

const BODY_WITHIN: Duration = Duration::from_secs(10);

/// Nothing inline, nothing from elsewhere, no frames, no other site may use what we send.
const HEADERS: [(&str, &str); 9] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-embedder-policy", "require-corp"),
    (
        "permissions-policy",
        "camera=(), microphone=(), geolocation=(), usb=()",
    ),
    ("cache-control", "no-store"),
];

pub(super) async fn every_request(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = match refusal(&shared, peer.ip(), &request) {
        Some(refused) => refused,
        // Nothing that is sent to us takes long to send.
        None if request.method() == Method::POST => {
            match tokio::time::timeout(BODY_WITHIN, next.run(request)).await {
                Ok(answer) => answer,
                Err(_) => StatusCode::REQUEST_TIMEOUT.into_response(),
            }
        }
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers
            .entry(HeaderName::from_static(name))
            .or_insert(HeaderValue::from_static(value));
    }
    if shared.tls {
        let year = HeaderValue::from_static("max-age=31536000");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
    metrics::web_answer(response.status().as_u16());
    response
}

fn refusal(shared: &Shared, peer: IpAddr, request: &Request) -> Option<Response> {
    if !shared.requests.take(peer) {
        metrics::web_refused("rate");
        let text = "too many requests; wait a moment\n";
        return Some((StatusCode::TOO_MANY_REQUESTS, text).into_response());
    }
    if !is_ours(request.headers(), shared.loopback)
        || is_cross_site(request.method(), request.headers())
    {
        metrics::web_refused("cross_site");
        let text = "another site may not use this station\n";
        return Some((StatusCode::FORBIDDEN, text).into_response());
    }
    None
}

/// On loopback only loopback's own names: a name that was re-bound to it would lend a foreign page our answers.
fn is_ours(headers: &HeaderMap, loopback: bool) -> bool {
    if !loopback {
        return true;
    }
    let host = headers.get(header::HOST).and_then(|h| h.to_str().ok());
    let Some(authority) = host.and_then(|h| h.parse::<Authority>().ok()) else {
        return false;
    };
    let host = authority.host().trim_matches(['[', ']']);
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Browsers say where a request comes from. Following a link to a page is fine; using its answers or posting is not.
fn is_cross_site(method: &Method, headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    let navigates = method == Method::GET && text("sec-fetch-mode") == Some("navigate");
    match text("sec-fetch-site") {
        Some("same-origin" | "none") => false,
        Some(_) => !navigates,
        None => match (text("origin"), text("host")) {
            (Some(origin), Some(host)) => {
                origin.split_once("://").map(|(_, from)| from) != Some(host)
            }
            _ => false,
        },
    }
}

/// Who asks: by token, else as somebody at this machine where that is enough.
fn viewer(shared: &Shared, peer: IpAddr, headers: &HeaderMap) -> Result<Option<Viewer>, Refused> {
    let Some(token) = presented(headers) else {
        let here = shared.loopback.then_some(Viewer {
            name: None,
            role: Role::Kiosk,
        });
        return Ok(here);
    };
    // An old cookie must not lock the officers' page of this machine.
    let anyway = shared.loopback && headers.get(header::AUTHORIZATION).is_none();
    if !anyway && !shared.wrong_tokens.has(peer) {
        metrics::web_refused("rate");
        let text = "too many wrong tokens; wait a minute\n";
        return Err(Refused::new(StatusCode::TOO_MANY_REQUESTS, text));
    }
    let found = shared.tokens.find(token);
    if found.is_none() {
        metrics::web_refused("token");
        if anyway {
            return Ok(Some(Viewer {
                name: None,
                role: Role::Kiosk,
            }));
        }
        shared.wrong_tokens.take(peer);
        wrong_token(peer);
    }
    Ok(found)
}

fn wrong_token(from: IpAddr) {
    tracing::warn!(code = "web_wrong_token", %from, next_step = "if this goes on, find out who it is", "a wrong token was given");
}

/// Lets through who has one of the roles; hands the viewer on to the page.
async fn only(shared: Arc<Shared>, roles: &[Role], mut request: Request, next: Next) -> Response {
    let peer = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map_or(IpAddr::from([0, 0, 0, 0]), |info| info.0.ip());
    let viewer = match viewer(&shared, peer, request.headers()) {
        Ok(viewer) => viewer,
        Err(refused) => return refused.into_response(),
    };
    let wants_page = request
        .headers()
        .get(header::ACCEPT)
        .and_then(|a| a.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    match viewer {
        Some(viewer) if roles.contains(&viewer.role) => {
            request.extensions_mut().insert(viewer);
            next.run(request).await
        }
        _ if wants_page => Redirect::to("/login").into_response(),
        Some(viewer) if viewer.name.is_some() => {
            metrics::web_refused("role");
            let text = "this token's role may not see this\n";
            (StatusCode::FORBIDDEN, text).into_response()
        }
        _ => {
            let bearer = [(header::WWW_AUTHENTICATE, "Bearer realm=\"camdock\"")];
            let text = "a token is needed; `camdock token` makes one\n";
            (StatusCode::UNAUTHORIZED, bearer, text).into_response()
        }
    }
}

pub(super) async fn anybody(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    let roles = [Role::Kiosk, Role::Evidence, Role::Operations];
    only(shared, &roles, request, next).await
}

pub(super) async fn evidence(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    only(shared, &[Role::Evidence], request, next).await
}

pub(super) async fn operations(
    State(shared): State<Arc<Shared>>,
    request: Request,
    next: Next,
) -> Response {
    only(shared, &[Role::Operations], request, next).await
}

#[derive(serde::Deserialize)]
pub(super) struct Login {
    token: String,
}

/// Puts a token that is right into a cookie; sends the browser to where its role belongs.
pub(super) async fn login(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    axum::Form(login): axum::Form<Login>,
) -> Response {
    if !shared.wrong_tokens.has(peer.ip()) {
        metrics::web_refused("rate");
        return Redirect::to("/login#wait").into_response();
    }
    let token = login.token.trim();
    let Some(viewer) = shared.tokens.find(token) else {
        shared.wrong_tokens.take(peer.ip());
        metrics::web_refused("token");
        wrong_token(peer.ip());
        return Redirect::to("/login#wrong").into_response();
    };
    let to = match viewer.role {
        Role::Evidence => "/evidence",
        Role::Kiosk | Role::Operations => "/",
    };
    let cookie = access::cookie(token, viewer.role, shared.tls);
    ([(header::SET_COOKIE, cookie)], Redirect::to(to)).into_response()
}

pub(super) async fn logout(State(shared): State<Arc<Shared>>) -> Response {
    let cookie = access::cookie_removed(shared.tls);
    ([(header::SET_COOKIE, cookie)], Redirect::to("/login")).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
        let pairs = pairs.iter().map(|(name, value)| {
            let name: HeaderName = name.parse().unwrap();
            (name, HeaderValue::from_str(value).unwrap())
        });
        pairs.collect()
    }

    #[test]
    fn another_site_can_neither_post_nor_read_nor_rebind_a_name() {
        let site =
            |site: &str, mode: &str| headers(&[("sec-fetch-site", site), ("sec-fetch-mode", mode)]);
        assert!(!is_cross_site(&Method::GET, &site("same-origin", "cors")));
        assert!(!is_cross_site(
            &Method::GET,
            &site("cross-site", "navigate")
        ));
        assert!(is_cross_site(&Method::GET, &site("cross-site", "no-cors")));
        assert!(is_cross_site(
            &Method::POST,
            &site("cross-site", "navigate")
        ));
        assert!(is_cross_site(&Method::POST, &site("same-site", "cors")));
        let old = |origin: &str| headers(&[("origin", origin), ("host", "station:8480")]);
        assert!(!is_cross_site(&Method::POST, &old("https://station:8480")));
        assert!(is_cross_site(&Method::POST, &old("https://evil.example")));
        assert!(is_cross_site(&Method::POST, &old("null")));

        let host = |host: &str| headers(&[("host", host)]);
        for fine in ["127.0.0.1:8480", "localhost", "[::1]:8480", "LOCALHOST:1"] {
            assert!(is_ours(&host(fine), true), "{fine}");
        }
        for foreign in ["evil.example", "localhost.evil.example", "10.0.0.1", ""] {
            assert!(!is_ours(&host(foreign), true), "{foreign}");
        }
        assert!(!is_ours(&headers(&[]), true));
    }
}

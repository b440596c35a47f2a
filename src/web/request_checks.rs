//! What every request must pass, whoever sends it: the rate limit, and that no other site sends it. Every response gets the
//! same security headers.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::entrance::Gate;
use crate::metrics;

const BODY_WITHIN: Duration = Duration::from_secs(10);
/// An act waits for the store before it is answered.
const ACT_WITHIN: Duration = Duration::from_mins(1);
const ACTS: [&str; 6] = [
    "/api/watch/",
    "/api/decisions/",
    "/api/gaps/",
    "/api/share-reader/",
    "/api/outsiders/",
    "/api/shares",
];

/// Nothing inline, nothing from other sites, no frames; no other site may use our responses.
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
    State(state): State<Arc<Gate>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = match refusal(&state, peer.ip(), &request) {
        Some(refused) => refused,
        // Bodies are small: no honest sender needs longer.
        None if request.method() == Method::POST => {
            let path = request.uri().path();
            let is_act = ACTS.iter().any(|acts| path.starts_with(acts));
            let within = if is_act { ACT_WITHIN } else { BODY_WITHIN };
            match tokio::time::timeout(within, next.run(request)).await {
                Ok(response) => response,
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
    if state.tls {
        let year = HeaderValue::from_static("max-age=31536000");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
    metrics::web_answer(response.status().as_u16());
    response
}

fn refusal(state: &Gate, peer: IpAddr, request: &Request) -> Option<Response> {
    if !state.requests.take(peer) {
        metrics::web_refused("rate");
        let text = "too many requests; wait a moment\n";
        return Some((StatusCode::TOO_MANY_REQUESTS, text).into_response());
    }
    if !is_ours(request.headers(), state.loopback)
        || is_cross_site(request.method(), request.headers())
    {
        metrics::web_refused("cross_site");
        let text = "another site may not use this station\n";
        return Some((StatusCode::FORBIDDEN, text).into_response());
    }
    None
}

/// On loopback only loopback's own names are accepted: DNS rebinding would let a foreign page read our responses.
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

/// Browsers say where a request comes from. Following a link to a page is allowed; reading its response or posting is not.
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

//! Who may see what: viewers and their roles, signing in and leaving.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Redirect, Response};

use super::entrance::Entrance;
use super::tokens::{Credential, session_cookie, set_cookie};
use super::{Duty, RefusedRequest, Viewer, sessions};
use crate::config::Role;
use crate::metrics;

/// Identifies the viewer by token, else as somebody at this machine where that is enough.
fn viewer(
    state: &Entrance,
    peer: IpAddr,
    headers: &HeaderMap,
) -> Result<Option<Viewer>, RefusedRequest> {
    let Some(credential) = Credential::of(headers, state.gate.tls) else {
        return Ok(state.gate.loopback.then(Viewer::local));
    };
    // An old cookie must not shut this machine out of the officers' page.
    let local = state.gate.loopback && headers.get(header::AUTHORIZATION).is_none();
    let found = match credential {
        Credential::Bearer(token) => state.tokens.find(token),
        Credential::Session(cookie) => {
            let person = state
                .people
                .as_ref()
                .and_then(|people| people.viewer(cookie));
            if person.is_some() {
                return Ok(person);
            }
            let token = state.sessions.token(cookie);
            token.and_then(|token| state.tokens.find_digest(&token))
        }
    };
    if found.is_none() {
        metrics::web_refused("token");
        if local {
            return Ok(Some(Viewer::local()));
        }
        // Only what is wrong is counted: 256 random bits are not guessed, and others come from the same address.
        if !state.wrong_tokens.take(peer) {
            metrics::web_refused("rate");
            let text = "too many wrong tokens; wait a minute\n";
            return Err(RefusedRequest::new(StatusCode::TOO_MANY_REQUESTS, text));
        }
        wrong_token(peer);
    }
    Ok(found)
}

fn wrong_token(from: IpAddr) {
    tracing::warn!(code = "web_wrong_token", %from, next_step = "if this goes on, find out who sends them", "a wrong token was given");
}

/// Lets a viewer through who may, and tells the handler who it is.
async fn only(
    state: Arc<Entrance>,
    may: impl Fn(&Viewer) -> bool,
    mut request: Request,
    next: Next,
) -> Response {
    let peer = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map_or(IpAddr::from([0, 0, 0, 0]), |info| info.0.ip());
    let viewer = match viewer(&state, peer, request.headers()) {
        Ok(viewer) => viewer,
        Err(refused) => return refused.into_response(),
    };
    let wants_page = request
        .headers()
        .get(header::ACCEPT)
        .and_then(|a| a.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    match viewer {
        Some(viewer) if may(&viewer) => {
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

pub(super) async fn any_role(
    State(state): State<Arc<Entrance>>,
    request: Request,
    next: Next,
) -> Response {
    let roles = [Role::Kiosk, Role::Operations];
    only(state, |viewer| viewer.has_any(&roles), request, next).await
}

pub(super) async fn operations(
    State(state): State<Arc<Entrance>>,
    request: Request,
    next: Next,
) -> Response {
    let may = |viewer: &Viewer| viewer.has_any(&[Role::Operations]);
    only(state, may, request, next).await
}

/// Of an office: lets through who has this duty.
pub(super) async fn duty(
    State((state, duty)): State<(Arc<Entrance>, Duty)>,
    request: Request,
    next: Next,
) -> Response {
    only(state, |viewer| viewer.may(duty), request, next).await
}

#[derive(serde::Deserialize)]
pub(super) struct Login {
    token: String,
}

/// Begins a session for a known token and sends the browser to the first page.
pub(super) async fn login(
    State(state): State<Arc<Entrance>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    axum::Form(login): axum::Form<Login>,
) -> Response {
    let token = login.token.trim();
    let Some(viewer) = state.tokens.find(token) else {
        if !state.wrong_tokens.take(peer.ip()) {
            metrics::web_refused("rate");
            return Redirect::to("/login#wait").into_response();
        }
        metrics::web_refused("token");
        wrong_token(peer.ip());
        return Redirect::to("/login#wrong").into_response();
    };
    let role = viewer.roles.first().copied().unwrap_or(Role::Kiosk);
    let begun = tokio::task::block_in_place(|| state.sessions.begin(token, role));
    let Some(cookie) = begun else {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    };
    let lasting = (role == Role::Kiosk).then_some(sessions::lifetime(role));
    let cookie = set_cookie(&cookie, lasting, state.gate.tls);
    ([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response()
}

/// Ends the session: the cookie is worthless from now on, wherever a copy of it is.
pub(super) async fn logout(State(state): State<Arc<Entrance>>, headers: HeaderMap) -> Response {
    if let Some(cookie) = session_cookie(&headers, state.gate.tls) {
        if let Some(people) = &state.people {
            people.end(cookie);
        }
        tokio::task::block_in_place(|| state.sessions.end(cookie));
    }
    let cookie = set_cookie("", Some(Duration::ZERO), state.gate.tls);
    ([(header::SET_COOKIE, cookie)], Redirect::to("/login")).into_response()
}

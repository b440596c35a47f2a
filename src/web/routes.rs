//! Which address is answered by which handler, and who may ask.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::Uri;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{get, post};

use super::entrance::{Entrance, Gate};
use super::state::WebState;
use super::{assets, dock_tags, health, login, officer, request_checks, station_status};

const BODY_MAX: usize = 16 << 10;

pub(super) fn pages(state: Arc<WebState>) -> Router {
    let entrance = Arc::clone(&state.entrance);
    let officers = Router::new()
        .route("/", get(officer::page))
        .route("/events", get(officer::events))
        .route("/api/dock/recordings", post(dock_tags::recordings))
        .route("/api/dock/tags", post(dock_tags::tag))
        .route_layer(from_fn_with_state(Arc::clone(&entrance), login::any_role));
    let operations = Router::new()
        .route("/api/status", get(station_status::status))
        .route_layer(from_fn_with_state(Arc::clone(&entrance), login::operations));
    let own = officers.merge(operations).with_state(state);
    finish(own.merge(open(&entrance)), &entrance.gate)
}

/// What everybody may see: signing in and out, and the pages' own files.
pub(super) fn open(entrance: &Arc<Entrance>) -> Router {
    Router::new()
        .route("/login", get(login_page).post(login::login))
        .route("/logout", post(login::logout))
        .route("/static/{name}", get(asset))
        .route("/text/{name}", get(asset))
        .with_state(Arc::clone(entrance))
}

/// The listener of `/metrics`; other machines need an operations token.
pub(super) fn metrics(state: Arc<WebState>) -> Router {
    let routes = Router::new()
        .route("/metrics", get(health::metrics))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz));
    let entrance = Arc::clone(&state.entrance);
    let routes = if entrance.gate.loopback {
        routes
    } else {
        routes.route_layer(from_fn_with_state(Arc::clone(&entrance), login::operations))
    };
    finish(routes.with_state(state), &entrance.gate)
}

/// What every request passes and every response gets.
pub(super) fn finish(routes: Router, gate: &Arc<Gate>) -> Router {
    routes
        .layer(DefaultBodyLimit::max(BODY_MAX))
        .layer(from_fn_with_state(
            Arc::clone(gate),
            request_checks::every_request,
        ))
}

async fn login_page(State(state): State<Arc<Entrance>>) -> Response {
    let page = match state.people {
        Some(_) => assets::LOGIN_PEOPLE,
        None => assets::LOGIN,
    };
    assets::page(page, &state.language)
}

pub(super) async fn asset(uri: Uri) -> Response {
    assets::file(uri.path())
}

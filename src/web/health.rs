//! `/metrics`, `/healthz` and `/readyz`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;

use super::state::WebState;

/// One thing that the station needs, and whether it has it.
#[derive(Debug, Clone, Serialize)]
pub struct Need {
    pub what: &'static str,
    pub ok: bool,
    /// Without it a camera that is docked now is not taken; without the others only later steps wait.
    pub essential: bool,
    pub detail: String,
    /// What to do when it is missing.
    pub next_step: Option<String>,
}

/// The state of the station.
#[derive(Debug, Clone, Serialize)]
pub struct Health {
    /// The main loop is running.
    pub alive: bool,
    pub needs: Vec<Need>,
}

impl Health {
    /// Whether a camera that is docked now would be taken.
    pub fn ready(&self) -> bool {
        self.alive && self.needs.iter().all(|need| need.ok || !need.essential)
    }
}

pub(super) async fn healthz(State(state): State<Arc<WebState>>) -> Response {
    if state.alive() {
        (StatusCode::OK, "alive\n").into_response()
    } else {
        let text = "the main loop hangs; systemd restarts the service\n";
        (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
    }
}

pub(super) async fn readyz(State(state): State<Arc<WebState>>) -> Response {
    let health = tokio::task::block_in_place(|| state.health());
    let ready = health.ready();
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = serde_json::json!({ "ready": ready, "alive": health.alive, "needs": health.needs });
    (status, axum::Json(body)).into_response()
}

pub(super) async fn metrics(State(state): State<Arc<WebState>>) -> Response {
    let text = tokio::task::block_in_place(|| state.render_metrics());
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

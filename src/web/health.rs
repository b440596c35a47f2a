//! `/metrics`, `/healthz` and `/readyz`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;

use super::server::Shared;

/// One thing that the station needs, and whether it has it.
#[derive(Debug, Clone, Serialize)]
pub struct Need {
    pub what: &'static str,
    pub ok: bool,
    /// Without it a camera that is docked now is not taken; else only later steps wait.
    pub essential: bool,
    pub detail: String,
    /// What to do, when it is not fine.
    pub next_step: Option<String>,
}

/// How the station is.
#[derive(Debug, Clone, Serialize)]
pub struct Health {
    /// The main loop has come round lately.
    pub alive: bool,
    pub needs: Vec<Need>,
}

impl Health {
    /// A camera that is docked now would be taken.
    pub fn ready(&self) -> bool {
        self.alive && self.needs.iter().all(|need| need.ok || !need.essential)
    }
}

pub(super) async fn healthz(State(shared): State<Arc<Shared>>) -> Response {
    if shared.station.alive() {
        (StatusCode::OK, "alive\n").into_response()
    } else {
        let text = "the main loop stands still; systemd restarts the service\n";
        (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
    }
}

pub(super) async fn readyz(State(shared): State<Arc<Shared>>) -> Response {
    let health = tokio::task::block_in_place(|| shared.station.health());
    let ready = health.ready();
    let status = if ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = serde_json::json!({ "ready": ready, "alive": health.alive, "needs": health.needs });
    (status, axum::Json(body)).into_response()
}

pub(super) async fn metrics(State(shared): State<Arc<Shared>>) -> Response {
    let text = tokio::task::block_in_place(|| {
        shared.station.sample();
        shared.metrics.run_upkeep();
        shared.metrics.render()
    });
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}

//! The witness's listener (C2SP tlog-witness), and the metrics on loopback.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use jiff::Timestamp;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::task::JoinSet;

use super::witness::{CosignRefusal, Witness, WitnessedLog};
use crate::config::OfficeConfig;
use crate::model::Explain as _;
use crate::web;

/// A checkpoint, a proof and the signatures of others.
const BODY_MAX: usize = 64 << 10;

pub fn start(
    config: &OfficeConfig,
    witness: &Arc<Witness>,
    figures: PrometheusHandle,
    tasks: &mut JoinSet<()>,
) {
    if let Some(address) = config.witness_listen {
        let router = Router::new()
            .route("/add-checkpoint", post(add_checkpoint))
            .route("/{log}/checkpoint", get(checkpoint))
            .layer(DefaultBodyLimit::max(BODY_MAX))
            .with_state(Arc::clone(witness));
        tasks.spawn(web::listen(address, router, None, "the witness", |_| ()));
    }
    if let Some(address) = config.metrics_listen {
        let shown = move || std::future::ready(figures.render());
        let router = Router::new()
            .route("/metrics", get(shown))
            .route("/healthz", get(|| std::future::ready("ok\n")));
        tasks.spawn(web::listen(
            address,
            router,
            None,
            "the office's metrics",
            |_| (),
        ));
    }
}

async fn add_checkpoint(State(witness): State<Arc<Witness>>, body: String) -> Response {
    // The checkpoint is synced to disk before the answer.
    let answered =
        tokio::task::spawn_blocking(move || witness.answer(&body, Timestamp::now())).await;
    match answered {
        Ok(Ok(line)) => line.into_response(),
        Ok(Err(refusal)) => refused(&refusal),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn refused(refusal: &CosignRefusal) -> Response {
    let status = match refusal {
        CosignRefusal::Malformed(_) | CosignRefusal::OldTooLarge => StatusCode::BAD_REQUEST,
        CosignRefusal::UnknownLog => StatusCode::NOT_FOUND,
        CosignRefusal::Unsigned(_) => StatusCode::FORBIDDEN,
        CosignRefusal::OtherSize(size) => {
            let kind = HeaderValue::from_static("text/x.tlog.size");
            let body = format!("{size}\n");
            return (StatusCode::CONFLICT, [(header::CONTENT_TYPE, kind)], body).into_response();
        }
        CosignRefusal::NotGrown
        | CosignRefusal::Contradiction
        | CosignRefusal::Frozen
        | CosignRefusal::Closed => StatusCode::UNPROCESSABLE_ENTITY,
        CosignRefusal::NotRecalled => StatusCode::SERVICE_UNAVAILABLE,
        CosignRefusal::Record(error) => {
            tracing::error!(
                code = error.label(),
                error = error as &dyn std::error::Error,
                next_step = error.next_step(),
                "a checkpoint could not be cosigned"
            );
            StatusCode::INTERNAL_SERVER_ERROR
        }
    };
    (status, format!("{refusal}\n")).into_response()
}

/// The latest cosigned checkpoint of the log whose origin has this SHA-256.
async fn checkpoint(State(witness): State<Arc<Witness>>, Path(log): Path<String>) -> Response {
    match witness.log_of_hash(&log).and_then(WitnessedLog::latest) {
        Some(cosigned) => cosigned.note.into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

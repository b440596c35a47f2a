//! The share reader asks here, with a token of its own, before it tells anybody of a share or hands anything of it out.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::middleware::from_fn_with_state;
use axum::routing::post;
use axum::{Extension, Json, Router};
use serde::{Deserialize, Serialize};

use super::entrance::Entrance;
use super::{Duty, RefusedRequest, Viewer, WatchBackend, login, share_closed};
use crate::model::{EvidenceId, Sha256Digest, ShareId, StationName};

/// What somebody who proved that they hold a share's key asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShareTaking {
    /// The fingerprint of that key.
    pub recipient: String,
    /// The digest of the share's manifest as the bucket has it.
    pub manifest: Sha256Digest,
    /// Where the share reader's request came from.
    pub peer: String,
    /// What they take; `None`: they only open the share.
    pub item: Option<TakenId>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TakenId {
    pub station: StationName,
    pub evidence: EvidenceId,
}

/// The published act that says so, where something is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TakenEntry {
    pub entry: Option<u64>,
}

pub(super) fn routes(backend: Arc<dyn WatchBackend>, entrance: &Arc<Entrance>) -> Router {
    Router::new()
        .route("/api/share-reader/{share}", post(taking))
        .route_layer(from_fn_with_state(
            (Arc::clone(entrance), Duty::ServeShares),
            login::duty,
        ))
        .with_state(backend)
}

async fn taking(
    State(backend): State<Arc<dyn WatchBackend>>,
    Path(share): Path<String>,
    Extension(viewer): Extension<Viewer>,
    Json(taking): Json<ShareTaking>,
) -> Result<Json<TakenEntry>, RefusedRequest> {
    let share: ShareId = share.parse().map_err(|_| share_closed())?;
    let entry = backend
        .take_shared(share, taking, viewer.operator().to_owned())
        .await?;
    Ok(Json(TakenEntry { entry }))
}

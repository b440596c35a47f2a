//! What a person decides about an item or a gap on the office's pages. The floor above decides whether it can be decided, and enters it.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};

use super::access_log::HasAccessLog as _;
use super::office::OfficeState;
use super::{Duty, RefusedRequest, Viewer, WatchRefusal};
use crate::model::{EvidenceId, ItemDecision, StationName, is_one_line};

/// A decision, and who made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemOrder {
    pub station: StationName,
    pub evidence: EvidenceId,
    pub decision: ItemDecision,
    pub operator: String,
    /// Where it came from.
    pub peer: String,
    pub reason: String,
}

/// The explanation of a gap, and who gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GapOrder {
    pub station: StationName,
    /// Its name.
    pub gap: String,
    pub operator: String,
    /// Where it came from.
    pub peer: String,
    pub reason: String,
}

/// The act that says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Decided {
    /// In the office's log.
    pub entry: u64,
    /// It is in the bucket, and so in effect.
    pub published: bool,
    /// It said so before.
    pub repeated: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DecisionRequest {
    decision: ItemDecision,
    reason: String,
}

pub(super) async fn decide(
    state: State<OfficeState>,
    item: Path<(StationName, String)>,
    viewer: Extension<Viewer>,
    peer: ConnectInfo<SocketAddr>,
    Json(request): Json<DecisionRequest>,
) -> Result<Json<Decided>, RefusedRequest> {
    if request.decision.is_about_disposal() {
        return Err(not_here());
    }
    decided(state, item, viewer, peer, request)
}

/// Deletion by rule has duties of its own: not everybody who may propose it may approve it.
pub(super) async fn dispose(
    state: State<OfficeState>,
    item: Path<(StationName, String)>,
    viewer: Extension<Viewer>,
    peer: ConnectInfo<SocketAddr>,
    Json(request): Json<DecisionRequest>,
) -> Result<Json<Decided>, RefusedRequest> {
    if !request.decision.is_about_disposal() {
        return Err(not_here());
    }
    let approves = request.decision == ItemDecision::ApproveDisposal;
    if approves && !viewer.may(Duty::ApproveDisposal) {
        let text = "your role may not approve that recordings are deleted\n";
        return Err(RefusedRequest::new(StatusCode::FORBIDDEN, text));
    }
    decided(state, item, viewer, peer, request)
}

fn not_here() -> RefusedRequest {
    let text = "this is not decided here\n";
    RefusedRequest::new(StatusCode::BAD_REQUEST, text)
}

fn decided(
    State(state): State<OfficeState>,
    Path((station, id)): Path<(StationName, String)>,
    Extension(viewer): Extension<Viewer>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: DecisionRequest,
) -> Result<Json<Decided>, RefusedRequest> {
    let no_item = || RefusedRequest::new(StatusCode::NOT_FOUND, "there is no such item\n");
    let evidence = id.parse().map_err(|_| no_item())?;
    if !viewer.sees(&station) {
        return Err(no_item());
    }
    let backend = state.access_log().evidence();
    let sight = viewer.sight();
    // Whoever may not see what is restricted is answered in the same way about it and about what does not exist.
    let knows = || tokio::task::block_in_place(|| backend.knows(&sight, &station, evidence));
    if !sight.restricted && !knows()? {
        return Err(no_item());
    }
    let reason = reason_of(&request.reason)?;
    let order = ItemOrder {
        station,
        evidence,
        decision: request.decision,
        operator: viewer.operator().to_owned(),
        peer: format!("web {}", peer.ip().to_canonical()),
        reason: reason.to_owned(),
    };
    let decided = tokio::task::block_in_place(|| backend.decide(order));
    decided.map(Json).map_err(refused)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GapRequest {
    gap: String,
    reason: String,
}

pub(super) async fn accept_gap(
    State(state): State<OfficeState>,
    Path(station): Path<StationName>,
    Extension(viewer): Extension<Viewer>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Json(request): Json<GapRequest>,
) -> Result<Json<Decided>, RefusedRequest> {
    if !viewer.sees(&station) {
        return Err(RefusedRequest::new(
            StatusCode::NOT_FOUND,
            "there is no such station\n",
        ));
    }
    let reason = reason_of(&request.reason)?.to_owned();
    let order = GapOrder {
        station,
        gap: request.gap,
        operator: viewer.operator().to_owned(),
        peer: format!("web {}", peer.ip().to_canonical()),
        reason,
    };
    let backend = state.access_log().evidence();
    let decided = tokio::task::block_in_place(|| backend.accept_gap(order));
    decided.map(Json).map_err(refused)
}

/// The reason that somebody typed.
pub(super) fn reason_of(typed: &str) -> Result<&str, RefusedRequest> {
    let reason = typed.trim();
    if !is_one_line(reason) {
        let text = "the reason is empty, too long or not one line\n";
        return Err(RefusedRequest::new(StatusCode::BAD_REQUEST, text));
    }
    Ok(reason)
}

pub(super) fn refused(refusal: WatchRefusal) -> RefusedRequest {
    let text = format!("{}: {}\n", refusal.words, refusal.next_step);
    RefusedRequest::new(refusal.kind.status(), text).coded(refusal.code)
}

//! The page of shares: what is shared with whom outside until when, and the end of it. The floor above enters it in the office's
//! log; no key that opens anything comes here.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::{Extension, Json};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::access_log::HasAccessLog as _;
use super::decisions::{reason_of, refused};
use super::office::OfficeState;
use super::{Decided, Reach, RefusedRequest, Viewer, assets};
use crate::model::{EvidenceId, ShareId, StationName};

/// An item that is to be shared.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ItemToShare {
    /// `None`: the one that has it.
    pub station: Option<StationName>,
    pub evidence: EvidenceId,
}

/// What somebody wants to share, and with whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareOrder {
    pub items: Vec<ItemToShare>,
    /// The recipient's fingerprint, or their name where only one has it.
    pub to: String,
    pub until: Timestamp,
    pub operator: String,
    pub reach: Reach,
    /// Where it came from.
    pub peer: String,
    pub reason: String,
    /// A key desk is going to seal the item keys, and is waited for.
    pub by_key_desk: bool,
}

/// A share that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareMade {
    pub share: ShareId,
    /// For its recipient. It begins with `/` where nobody told this office the share reader's address.
    pub link: String,
    /// The recipient's key, PEM.
    pub to_key: String,
    pub items: Vec<SharedEntry>,
    /// It is in the bucket, and so in effect.
    pub published: bool,
    /// How many of the item keys are sealed to the recipient.
    pub sealed: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SharedEntry {
    pub station: StationName,
    pub evidence: EvidenceId,
    /// The act that says so.
    pub entry: u64,
}

/// A share, as the list has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShareRow {
    pub share: ShareId,
    pub link: String,
    /// `None`: the recipient is not in the address book any more.
    pub name: Option<String>,
    pub organisation: Option<String>,
    pub fingerprint: String,
    pub by: String,
    pub made_at: Timestamp,
    pub until: Timestamp,
    pub items: Vec<SharedEntry>,
    pub ended: Option<Timestamp>,
    /// It is in the bucket, and so in effect.
    pub published: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndShareOrder {
    pub share: ShareId,
    pub operator: String,
    pub reach: Reach,
    /// Where it came from.
    pub peer: String,
    pub reason: String,
}

/// An item key that somebody's browser has sealed to the recipient of a share; this program cannot open it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedForShare {
    pub share: ShareId,
    pub evidence: EvidenceId,
    pub message: Vec<u8>,
    pub operator: String,
    pub reach: Reach,
}

pub(super) async fn page(State(state): State<OfficeState>) -> Response {
    assets::page(assets::SHARES, &state.entrance.language)
}

pub(super) async fn list(
    State(state): State<OfficeState>,
    Extension(viewer): Extension<Viewer>,
) -> Json<Vec<ShareRow>> {
    Json(state.access_log().evidence().shares(&viewer.reach))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ShareRequest {
    items: Vec<ItemToShare>,
    to: Vec<String>,
    until: Timestamp,
    reason: String,
}

/// A share for each recipient; those that were made stay if a later one is refused.
pub(super) async fn share(
    State(state): State<OfficeState>,
    Extension(viewer): Extension<Viewer>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Json(request): Json<ShareRequest>,
) -> Result<Json<Vec<ShareMade>>, RefusedRequest> {
    let reason = reason_of(&request.reason)?;
    let backend = state.access_log().evidence();
    let mut made = Vec::new();
    for to in request.to {
        let order = ShareOrder {
            items: request.items.clone(),
            to,
            until: request.until,
            operator: viewer.operator().to_owned(),
            reach: viewer.reach.clone(),
            peer: format!("web {}", peer.ip().to_canonical()),
            reason: reason.to_owned(),
            by_key_desk: true,
        };
        let shared = tokio::task::block_in_place(|| backend.share(order));
        made.push(shared.map_err(refused)?);
    }
    Ok(Json(made))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyRequest {
    share: ShareId,
    evidence: EvidenceId,
    /// Base64.
    message: String,
}

pub(super) async fn put_key(
    State(state): State<OfficeState>,
    Extension(viewer): Extension<Viewer>,
    Json(request): Json<KeyRequest>,
) -> Result<StatusCode, RefusedRequest> {
    let sealed = SealedForShare {
        share: request.share,
        evidence: request.evidence,
        message: STANDARD.decode(&request.message).unwrap_or_default(),
        operator: viewer.operator().to_owned(),
        reach: viewer.reach,
    };
    let backend = state.access_log().evidence();
    let put = tokio::task::block_in_place(|| backend.put_shared_key(sealed));
    put.map_err(refused)?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EndRequest {
    share: ShareId,
    reason: String,
}

pub(super) async fn end(
    State(state): State<OfficeState>,
    Extension(viewer): Extension<Viewer>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Json(request): Json<EndRequest>,
) -> Result<Json<Decided>, RefusedRequest> {
    let order = EndShareOrder {
        share: request.share,
        operator: viewer.operator().to_owned(),
        reach: viewer.reach,
        peer: format!("web {}", peer.ip().to_canonical()),
        reason: reason_of(&request.reason)?.to_owned(),
    };
    let backend = state.access_log().evidence();
    let ended = tokio::task::block_in_place(|| backend.end_share(order));
    ended.map(Json).map_err(refused)
}

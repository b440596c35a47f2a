//! Officers tag the recordings of their docked camera on the officers' page. Whoever stands there is known by the badge alone, which is
//! no secret: it shows nothing but times and lengths, and only what is tagged there changes.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Json;
use axum::extract::{ConnectInfo, State};
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::RefusedRequest;
use super::state::WebState;
use crate::metrics;
use crate::model::{BayName, EvidenceId, SessionId};

/// Who stands where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfficerAtBay {
    pub bay: BayName,
    /// Of the camera that the officer saw there.
    pub session: SessionId,
    pub badge: String,
    pub peer: String,
}

/// What the officer says of these recordings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DockTags {
    pub at: OfficerAtBay,
    pub evidence: Vec<EvidenceId>,
    /// `None` or empty: as it is, as with the category.
    pub incident: Option<String>,
    pub category: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DockedRecordings {
    /// The newest first.
    pub recordings: Vec<DockedRecording>,
    /// There are more than are shown.
    pub more: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DockedRecording {
    pub evidence: EvidenceId,
    /// The camera's own.
    pub time: Option<Timestamp>,
    /// `None`: nobody has looked into it yet.
    pub milliseconds: Option<u64>,
    pub bytes: u64,
    pub flagged: bool,
    pub incident: Option<String>,
    pub category: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DockRefusal {
    /// It is not the badge of this camera's officer, or nobody knows whose the camera is.
    Badge,
    /// The camera has left, or there is another one.
    Gone,
    /// With what is wrong, in words.
    Unfit(&'static str),
    /// The station could not do it; its journal says why.
    Failed,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ListRequest {
    bay: BayName,
    session: SessionId,
    badge: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TagRequest {
    bay: BayName,
    session: SessionId,
    badge: String,
    evidence: Vec<EvidenceId>,
    #[serde(default)]
    incident: Option<String>,
    #[serde(default)]
    category: Option<String>,
}

#[derive(Serialize)]
pub(super) struct Tagged {
    tagged: usize,
}

pub(super) async fn recordings(
    State(state): State<Arc<WebState>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Json(request): Json<ListRequest>,
) -> Result<Json<DockedRecordings>, RefusedRequest> {
    let at = officer(peer, request.bay, request.session, request.badge);
    let found = carry_out(&state, peer.ip(), |state| state.docked_recordings(&at))?;
    Ok(Json(found))
}

pub(super) async fn tag(
    State(state): State<Arc<WebState>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Json(request): Json<TagRequest>,
) -> Result<Json<Tagged>, RefusedRequest> {
    let tags = DockTags {
        at: officer(peer, request.bay, request.session, request.badge),
        evidence: request.evidence,
        incident: request.incident,
        category: request.category,
    };
    let tagged = carry_out(&state, peer.ip(), |state| state.tag_docked(&tags))?;
    Ok(Json(Tagged { tagged }))
}

fn officer(peer: SocketAddr, bay: BayName, session: SessionId, badge: String) -> OfficerAtBay {
    OfficerAtBay {
        bay,
        session,
        badge,
        peer: format!("web {}", peer.ip().to_canonical()),
    }
}

/// Each request is an entry of the log, and each wrong badge a guess: both are limited for each address. Blocks.
fn carry_out<T>(
    state: &WebState,
    peer: IpAddr,
    work: impl FnOnce(&WebState) -> Result<T, DockRefusal>,
) -> Result<T, RefusedRequest> {
    let refused = |status, text: &str| RefusedRequest::new(status, format!("{text}\n"));
    if state.tag_categories().is_none() {
        return Err(refused(
            StatusCode::NOT_FOUND,
            "nobody tags at this station",
        ));
    }
    if !state.wrong_badges.has(peer) || !state.dock_requests.take(peer) {
        metrics::web_refused("rate");
        let text = "too many requests; wait a moment";
        return Err(refused(StatusCode::TOO_MANY_REQUESTS, text));
    }
    tokio::task::block_in_place(|| work(state)).map_err(|refusal| match refusal {
        DockRefusal::Badge => {
            state.wrong_badges.take(peer);
            metrics::web_refused("badge");
            refused(
                StatusCode::FORBIDDEN,
                "this is not the badge of this camera's officer",
            )
        }
        DockRefusal::Gone => refused(StatusCode::CONFLICT, "this camera is not docked any more"),
        DockRefusal::Unfit(why) => refused(StatusCode::UNPROCESSABLE_ENTITY, why),
        DockRefusal::Failed => refused(
            StatusCode::SERVICE_UNAVAILABLE,
            "the station could not do this; ask at the desk",
        ),
    })
}

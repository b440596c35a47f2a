//! The page of recipients outside: somebody who decides sends a link, and confirms the key that came by it after a telephone call.
//! Who is in this book only receives. The floor above keeps invitations, and enters who is confirmed in the office's log.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, State};
use axum::response::Response;
use axum::{Extension, Json};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::access_log::HasAccessLog as _;
use super::decisions::{reason_of, refused};
use super::office::OfficeState;
use super::{Decided, RefusedRequest, Viewer, assets};

/// A link by which somebody outside may send one key, and what came by it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// Names it; opens nothing.
    pub number: String,
    /// For whom it was made, as typed.
    pub name: String,
    pub by: String,
    pub at: Timestamp,
    /// The link is worth nothing from then on.
    pub ends: Timestamp,
    pub sent: Option<SentKey>,
}

/// What the page behind the link sent. The key's words are not told before somebody has typed them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentKey {
    pub name: String,
    pub organisation: String,
    /// Where it came from.
    pub peer: String,
    pub at: Timestamp,
}

/// Somebody outside whose key is in the office's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutsideRecipient {
    pub name: String,
    pub organisation: String,
    pub fingerprint: String,
    pub from: Timestamp,
    pub until: Timestamp,
    /// Who confirmed the key.
    pub by: String,
    /// The act that says so.
    pub entry: u64,
    /// It is in the bucket, and so in effect.
    pub published: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutsiderBook {
    pub invitations: Vec<Invitation>,
    pub recipients: Vec<OutsideRecipient>,
}

/// A new invitation: the secret is in the link alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invited {
    pub number: String,
    /// Of the link, below the address of the page that is open to outsiders.
    pub path: String,
    pub ends: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutsiderVerdict {
    /// With the words of the key's fingerprint, as its owner said them on the telephone.
    Admit {
        number: String,
        words: String,
        until: Timestamp,
    },
    /// The invitation, and whatever came by it, is dropped.
    Withdraw { number: String },
    /// Nothing is shared with this key any more.
    Remove { fingerprint: String },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutsiderOrder {
    pub verdict: OutsiderVerdict,
    pub operator: String,
    /// Where it came from.
    pub peer: String,
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvitationOrder {
    pub name: String,
    pub hours: u32,
    pub operator: String,
}

pub(super) async fn page(State(state): State<OfficeState>) -> Response {
    assets::page(assets::OUTSIDERS, &state.entrance.language)
}

pub(super) async fn book(State(state): State<OfficeState>) -> Json<OutsiderBook> {
    Json(state.access_log().evidence().outsiders())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InviteRequest {
    name: String,
    hours: u32,
}

pub(super) async fn invite(
    State(state): State<OfficeState>,
    Extension(viewer): Extension<Viewer>,
    Json(request): Json<InviteRequest>,
) -> Result<Json<Invited>, RefusedRequest> {
    let order = InvitationOrder {
        name: request.name,
        hours: request.hours,
        operator: viewer.operator().to_owned(),
    };
    let backend = state.access_log().evidence();
    let invited = tokio::task::block_in_place(|| backend.invite(order));
    invited.map(Json).map_err(refused)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OutsiderRequest {
    verdict: OutsiderVerdict,
    reason: String,
}

pub(super) async fn decide(
    State(state): State<OfficeState>,
    Extension(viewer): Extension<Viewer>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Json(request): Json<OutsiderRequest>,
) -> Result<Json<Option<Decided>>, RefusedRequest> {
    let order = OutsiderOrder {
        verdict: request.verdict,
        operator: viewer.operator().to_owned(),
        peer: format!("web {}", peer.ip().to_canonical()),
        reason: reason_of(&request.reason)?.to_owned(),
    };
    let backend = state.access_log().evidence();
    let decided = tokio::task::block_in_place(|| backend.decide_outsider(order));
    decided.map(Json).map_err(refused)
}

//! The page behind an invitation: somebody outside makes a key there, and sends its public half. It needs no signing in, and can be
//! mounted at any listener; the secret of the link stands behind its `#`, so that no address holds it.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, State};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::decisions::refused;
use super::entrance::Entrance;
use super::{RefusedRequest, WatchRefusal, WatchRefusalKind, assets};
use crate::metrics;

/// Whoever keeps the invitations. It may block.
pub trait EnrolmentBackend: Send + Sync + 'static {
    /// What a link is for; refused alike whether it was never made, was used or has ended.
    fn invitation(&self, secret: &str) -> Result<InvitationFacts, WatchRefusal>;
    /// Keeps the key until somebody has confirmed it. The link is used up.
    fn enrol_outsider(&self, key: OutsiderKey) -> Result<(), WatchRefusal>;
}

/// What an outsider gets to know of their link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InvitationFacts {
    pub office: String,
    pub name: String,
    pub by: String,
    pub ends: Timestamp,
}

/// The public half of a key with whose it is said to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutsiderKey {
    pub secret: String,
    pub name: String,
    pub organisation: String,
    /// SubjectPublicKeyInfo, PEM.
    pub key: String,
    /// Where it came from.
    pub peer: String,
}

#[derive(Clone)]
struct EnrolmentState {
    backend: Arc<dyn EnrolmentBackend>,
    entrance: Arc<Entrance>,
}

pub(super) fn routes(backend: Arc<dyn EnrolmentBackend>, entrance: &Arc<Entrance>) -> Router {
    Router::new()
        .route("/enrol", get(page).post(enrol))
        .route("/enrol/invitation", post(invitation))
        .with_state(EnrolmentState {
            backend,
            entrance: Arc::clone(entrance),
        })
}

async fn page(State(state): State<EnrolmentState>) -> Response {
    assets::page(assets::ENROL, &state.entrance.language)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InvitationRequest {
    secret: String,
}

async fn invitation(
    State(state): State<EnrolmentState>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Json(request): Json<InvitationRequest>,
) -> Result<Json<InvitationFacts>, RefusedRequest> {
    let found = tokio::task::block_in_place(|| state.backend.invitation(&request.secret));
    found
        .map(Json)
        .map_err(|refusal| state.counted(refusal, peer))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EnrolRequest {
    secret: String,
    name: String,
    organisation: String,
    key: String,
}

async fn enrol(
    State(state): State<EnrolmentState>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Json(request): Json<EnrolRequest>,
) -> Result<(), RefusedRequest> {
    let key = OutsiderKey {
        secret: request.secret,
        name: request.name,
        organisation: request.organisation,
        key: request.key,
        peer: format!("web {}", peer.ip().to_canonical()),
    };
    let kept = tokio::task::block_in_place(|| state.backend.enrol_outsider(key));
    kept.map_err(|refusal| state.counted(refusal, peer))
}

impl EnrolmentState {
    /// Whoever tries links is slowed down like whoever tries tokens; a right one is always looked at.
    fn counted(&self, refusal: WatchRefusal, peer: SocketAddr) -> RefusedRequest {
        let wrong = refusal.kind == WatchRefusalKind::Unknown;
        if wrong && !self.entrance.wrong_tokens.take(peer.ip()) {
            metrics::web_refused("rate");
            let text = "too many wrong links; wait a minute\n";
            return RefusedRequest::new(StatusCode::TOO_MANY_REQUESTS, text);
        }
        refused(refusal)
    }
}

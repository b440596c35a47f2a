//! The office's page that plays sealed footage: the key stays in the viewer's browser, and this hands out ciphertext alone.
//!
//! Nothing of an item is handed out before its view is in the office's published log, and then to the one session that
//! gave the reason, for a bounded time.

mod grants;
mod range;
pub(super) mod sending;

use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Json, Router};
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::decisions::reason_of;
use super::entrance::Entrance;
use super::tokens::session_digest;
use super::{Duty, RefusedRequest, ShareTaking, Sight, Viewer, assets, login};
use crate::model::{Cue, EvidenceId, Part, Sha256Digest, ShareId, StationName, codes};

use grants::Grants;

/// The page plays what its own service worker has opened; nothing of it comes from elsewhere.
pub(super) const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; \
     connect-src 'self'; worker-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

const WALL_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; \
     form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

pub type WatchFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, WatchRefusal>> + Send + 'a>>;

/// The office as the watching page sees it; the floor above implements it.
pub trait WatchBackend: Send + Sync + 'static {
    /// Enters the view in the office's log, and returns the item once the entry is published.
    fn view(&self, view: ItemView) -> WatchFuture<'_, WatchedItem>;

    /// Whether somebody may know of an item now, whatever was granted before.
    fn shows(&self, sight: &Sight, station: &StationName, item: EvidenceId) -> bool;

    /// The item key as the key desk sealed it to the person who looks; `None` until it has.
    fn own_key<'a>(&'a self, item: &'a WatchedItem) -> WatchFuture<'a, Option<Bytes>>;

    /// Whether a share is open for this recipient; what they take of it is entered, and published when this returns its act.
    fn take_shared(
        &self,
        share: ShareId,
        taking: ShareTaking,
        reader: String,
    ) -> WatchFuture<'_, Option<u64>>;

    /// Exactly `length` bytes of a sealed object.
    fn sealed<'a>(
        &'a self,
        item: &'a WatchedItem,
        part: &'a SealedPart,
        offset: u64,
        length: u64,
    ) -> WatchFuture<'a, Bytes>;
}

/// What somebody wants to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemView {
    pub station: StationName,
    pub evidence: EvidenceId,
    /// This object alone, with the item key.
    pub part: Option<Part>,
    pub operator: String,
    pub sight: Sight,
    /// Where the request came from.
    pub peer: String,
    pub reason: String,
}

/// An item that may be looked at, as the page gets it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WatchedItem {
    pub station: StationName,
    pub evidence: EvidenceId,
    /// On its camera.
    pub path: String,
    pub kind: String,
    /// Bytes of the original as the log has them.
    pub size: u64,
    pub recorded: Option<Timestamp>,
    pub camera: Option<String>,
    pub officer: Option<String>,
    pub parts: Vec<SealedPart>,
    /// Where each picture lies on the storyboard, and its stretch of the recording, as the log has it.
    pub cues: Vec<Cue>,
    /// Objects that the log names and the store does not have.
    pub missing: Vec<Part>,
    /// The act by which the item key is sealed to the own key of the person who looks.
    pub own_key: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SealedPart {
    pub part: Part,
    /// Bytes of the sealed object as the store has it.
    pub size: u64,
    #[serde(skip)]
    pub version: Option<String>,
}

/// Why something cannot be handed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchRefusal {
    pub kind: WatchRefusalKind,
    pub code: &'static str,
    pub words: String,
    pub next_step: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WatchRefusalKind {
    /// There is no such item.
    Unknown,
    /// The item is known, and its object is not as the log has it.
    Conflict,
    /// The store, or the office's own log, cannot be used now.
    Away,
}

impl WatchRefusalKind {
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Unknown => StatusCode::NOT_FOUND,
            Self::Conflict => StatusCode::CONFLICT,
            Self::Away => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl From<WatchRefusal> for RefusedRequest {
    fn from(refusal: WatchRefusal) -> Self {
        let WatchRefusal {
            kind,
            code,
            words,
            next_step,
        } = refusal;
        if kind != WatchRefusalKind::Unknown {
            tracing::warn!(
                code,
                why = words,
                next_step,
                "an item cannot be handed out to be looked at"
            );
        }
        Self::new(kind.status(), format!("{words}: {next_step}\n")).coded(code)
    }
}

#[derive(Clone)]
struct WatchState {
    backend: Arc<dyn WatchBackend>,
    entrance: Arc<Entrance>,
    grants: Arc<Grants>,
}

impl WatchState {
    /// What this session may look at, as long as its viewer may know of it.
    fn granted(
        &self,
        headers: &HeaderMap,
        viewer: &Viewer,
        station: &StationName,
        id: EvidenceId,
    ) -> Result<Arc<WatchedItem>, RefusedRequest> {
        let item = self
            .grants
            .find(session(headers, self.entrance.gate.tls)?, station, id);
        let shows = |_: &Arc<WatchedItem>| {
            tokio::task::block_in_place(|| self.backend.shows(&viewer.sight(), station, id))
        };
        item.filter(shows).ok_or_else(not_granted)
    }
}

/// The page and what it fetches, for evidence managers; its worker's script holds no secret.
pub(super) fn routes(backend: Arc<dyn WatchBackend>, entrance: &Arc<Entrance>) -> Router {
    let state = WatchState {
        backend,
        entrance: Arc::clone(entrance),
        grants: Arc::default(),
    };
    Router::new()
        .route("/watch/{station}/{id}", get(page))
        .route("/find/wall", get(wall))
        .route("/api/watch/{station}/{id}", get(granted).post(view))
        .route("/api/watch/{station}/{id}/key", get(own_key))
        .route("/sealed/{station}/{id}/{part}", get(sealed))
        .route_layer(from_fn_with_state(
            (Arc::clone(entrance), Duty::Watch),
            login::duty,
        ))
        .with_state(state)
        .route("/watch-worker.js", get(async || assets::watch_worker()))
}

/// An item in an address.
#[derive(Deserialize)]
struct Named {
    station: StationName,
    id: String,
}

fn evidence(id: &str) -> Result<EvidenceId, RefusedRequest> {
    let wrong = |_| RefusedRequest::new(StatusCode::NOT_FOUND, "this is not an evidence id\n");
    id.parse().map_err(wrong)
}

async fn page(
    State(state): State<WatchState>,
    Path(named): Path<Named>,
) -> Result<Response, RefusedRequest> {
    evidence(&named.id)?;
    let mut page = assets::page(assets::WATCH, &state.entrance.language);
    let policy = HeaderValue::from_static(PAGE_POLICY);
    page.headers_mut()
        .insert(header::CONTENT_SECURITY_POLICY, policy);
    Ok(page)
}

/// The storyboards of a search, each a picture that the page has opened itself.
async fn wall(State(state): State<WatchState>) -> Response {
    let mut page = assets::page(assets::WALL, &state.entrance.language);
    let policy = HeaderValue::from_static(WALL_POLICY);
    page.headers_mut()
        .insert(header::CONTENT_SECURITY_POLICY, policy);
    page
}

fn session(headers: &HeaderMap, tls: bool) -> Result<Sha256Digest, RefusedRequest> {
    session_digest(headers, tls).ok_or_else(not_granted)
}

fn not_granted() -> RefusedRequest {
    let code = "watch_not_granted";
    let step = codes::find(code).map_or("", |code| code.next_step);
    let text = format!("no published entry of the office's log allows this: {step}\n");
    RefusedRequest::new(StatusCode::FORBIDDEN, text).coded(code)
}

/// What this session may look at already; so a page that is loaded again does not ask for the reason again.
async fn granted(
    State(state): State<WatchState>,
    Path(named): Path<Named>,
    Extension(viewer): Extension<Viewer>,
    headers: HeaderMap,
) -> Result<Json<WatchedItem>, RefusedRequest> {
    let id = evidence(&named.id)?;
    let item = state.granted(&headers, &viewer, &named.station, id)?;
    Ok(Json((*item).clone()))
}

/// The item key for the person who looks: a sealed message, once the key desk has made it.
async fn own_key(
    State(state): State<WatchState>,
    Path(named): Path<Named>,
    Extension(viewer): Extension<Viewer>,
    headers: HeaderMap,
) -> Result<Bytes, RefusedRequest> {
    let id = evidence(&named.id)?;
    let item = state.granted(&headers, &viewer, &named.station, id)?;
    let sealed = state.backend.own_key(&item).await?;
    sealed.ok_or_else(|| {
        let code = "watch_key_waits";
        let step = codes::find(code).map_or("", |code| code.next_step);
        let text = format!("the key desk has not sealed this key yet: {step}\n");
        RefusedRequest::new(StatusCode::NOT_FOUND, text).coded(code)
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WatchRequest {
    reason: String,
    part: Option<Part>,
}

async fn view(
    State(state): State<WatchState>,
    Path(named): Path<Named>,
    Extension(viewer): Extension<Viewer>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Json(request): Json<WatchRequest>,
) -> Result<Json<WatchedItem>, RefusedRequest> {
    let (id, session) = (
        evidence(&named.id)?,
        session(&headers, state.entrance.gate.tls)?,
    );
    let reason = reason_of(&request.reason)?;
    let view = ItemView {
        station: named.station,
        evidence: id,
        part: request.part,
        operator: viewer.operator().to_owned(),
        sight: viewer.sight(),
        peer: format!("web {}", peer.ip().to_canonical()),
        reason: reason.to_owned(),
    };
    let item = Arc::new(state.backend.view(view).await?);
    state.grants.enter(session, Arc::clone(&item));
    Ok(Json((*item).clone()))
}

/// One of its objects.
#[derive(Deserialize)]
struct NamedPart {
    station: StationName,
    id: String,
    part: Part,
}

async fn sealed(
    State(state): State<WatchState>,
    Path(NamedPart { station, id, part }): Path<NamedPart>,
    Extension(viewer): Extension<Viewer>,
    headers: HeaderMap,
) -> Result<Response, RefusedRequest> {
    let id = evidence(&id)?;
    let item = state.granted(&headers, &viewer, &station, id)?;
    let part = item.parts.iter().find(|there| there.part == part);
    let part = part.cloned().ok_or_else(not_granted)?;
    let (backend, size) = (Arc::clone(&state.backend), part.size);
    let read = move |offset, length| {
        let (backend, item, part) = (Arc::clone(&backend), Arc::clone(&item), part.clone());
        async move { backend.sealed(&item, &part, offset, length).await }
    };
    sending::answer(&headers, size, read).await
}

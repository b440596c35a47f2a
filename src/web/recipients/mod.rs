//! The recipient's page: opens a share to whoever proves that they hold its key. Its listener may face other networks.
//!
//! Keeps promise 15. Before the proof nothing is told of a share, not even that it exists: a share that is unknown, has ended or is
//! for another key gets one and the same answer. No sealed byte of an item is handed out before the floor above says that its taking
//! is published in the office's log.

mod challenges;
mod visits;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::Router;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::entrance::Gate;
use super::rate_limit::RateLimit;
use super::tokens::{hash_of, random_secret, session_cookie, set_cookie};
use super::watching::{PAGE_POLICY, sending};
use super::{
    RefusedRequest, SealedPart, WatchFuture, WatchRefusal, WatchRefusalKind, WebError, assets,
    listener, routes, tls,
};
use crate::config::{Secrets, WebSettings};
use crate::metrics;
use crate::model::{EvidenceId, Part, Sha256Digest, ShareId, ShareManifest, StationName, codes};
use crate::seal::{Curve, Recipient, keygen_recipient};

use challenges::{Asked, Challenges};
use visits::{Visit, Visits};

/// Of an attempt that comes too often, or too late.
const WAIT_CODE: &str = "share_wait";

/// What the floor above knows of shares. Its refusals are shown to strangers: they name a code, and no details.
pub trait RecipientBackend: Send + Sync + 'static {
    /// What the bucket says of a share; `None` for what is no share. Nobody has proven anything yet.
    fn find(&self, share: ShareId) -> WatchFuture<'_, Option<FoundShare>>;

    /// Fails unless the office says that this share is open for its recipient now, and that this is its manifest.
    fn open<'a>(&'a self, share: &'a FoundShare, peer: &'a str) -> WatchFuture<'a, ()>;

    /// An item of it, once its taking is published in the office's log.
    fn take<'a>(
        &'a self,
        share: &'a FoundShare,
        item: EvidenceId,
        peer: &'a str,
    ) -> WatchFuture<'a, TakenItem>;

    /// The item key as it was sealed to the recipient.
    fn item_key(&self, share: ShareId, item: EvidenceId) -> WatchFuture<'_, Bytes>;

    /// Exactly `length` bytes of a sealed object.
    fn sealed<'a>(
        &'a self,
        item: &'a TakenItem,
        part: &'a SealedPart,
        offset: u64,
        length: u64,
    ) -> WatchFuture<'a, Bytes>;
}

/// A manifest that makes sense in itself, and the key that it names. Only the floor above knows whether the office's log names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundShare {
    pub manifest: ShareManifest,
    /// Of its exact bytes.
    pub digest: Sha256Digest,
    pub holder: Recipient,
}

/// An item whose sealed objects may be handed out to one visitor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenItem {
    pub station: StationName,
    pub evidence: EvidenceId,
    pub parts: Vec<SealedPart>,
}

/// The one answer to whoever may not see a share, whatever the reason.
pub fn share_closed() -> WatchRefusal {
    explained(WatchRefusal {
        kind: WatchRefusalKind::Unknown,
        code: "share_closed",
        words: String::new(),
        next_step: String::new(),
    })
}

/// Says only that something here cannot be used now.
pub fn share_away() -> WatchRefusal {
    explained(WatchRefusal {
        kind: WatchRefusalKind::Away,
        code: "share_away",
        ..share_closed()
    })
}

/// What lies in the store is not what the share names.
pub fn share_object() -> WatchRefusal {
    explained(WatchRefusal {
        kind: WatchRefusalKind::Conflict,
        code: "share_object",
        ..share_closed()
    })
}

/// In the words of the code, and no others.
fn explained(mut refusal: WatchRefusal) -> WatchRefusal {
    if let Some(code) = codes::find(refusal.code) {
        code.meaning.clone_into(&mut refusal.words);
        code.next_step.clone_into(&mut refusal.next_step);
    }
    refusal
}

#[derive(Clone)]
struct RecipientState {
    backend: Arc<dyn RecipientBackend>,
    language: Arc<str>,
    gate: Arc<Gate>,
    challenges: Arc<Challenges>,
    /// Questions cost a key pair each, and answers a look into the store.
    attempts: Arc<RateLimit>,
    visits: Arc<Visits>,
    /// Each taking is an entry of the office's log for good.
    takings: Arc<RateLimit<ShareId>>,
    /// Does the work of a proof where there is no share: nobody learns that from the time it takes.
    decoy: Arc<Recipient>,
}

/// Starts the listener for recipients.
pub fn start_recipients(
    settings: &WebSettings,
    secrets: &Secrets,
    backend: Arc<dyn RecipientBackend>,
    tasks: &mut JoinSet<()>,
) -> Result<(), WebError> {
    let Some(address) = settings.listen else {
        return Ok(());
    };
    let files = settings.tls.as_ref();
    let identity = files
        .map(|files| tls::Identity::load(files, secrets))
        .transpose()?;
    let decoy = keygen_recipient(Curve::P384).and_then(|(_, public)| Recipient::from_pem(&public));
    let gate = Arc::new(Gate::new(address, identity.is_some()));
    let state = RecipientState {
        backend,
        language: settings.language.as_str().into(),
        gate: Arc::clone(&gate),
        challenges: Arc::default(),
        attempts: Arc::new(RateLimit::new(40, Duration::from_secs(3))),
        visits: Arc::default(),
        takings: Arc::new(RateLimit::new(300, Duration::from_secs(5))),
        decoy: Arc::new(decoy.map_err(|error| WebError::Certificate(error.to_string()))?),
    };
    let own = Router::new()
        .route("/s/{share}", get(page))
        .route("/api/shares/{share}/challenge", post(challenge))
        .route("/api/shares/{share}/proof", post(proof))
        .route("/api/shares/{share}/leave", post(leave))
        .route("/api/shares/{share}/items/{id}", post(take))
        .route("/api/shares/{share}/items/{id}/key", get(item_key))
        .route("/shared/{share}/{id}/{part}", get(sealed))
        .with_state(state)
        .route("/static/{name}", get(routes::asset))
        .route("/text/{name}", get(routes::asset))
        .route("/watch-worker.js", get(async || assets::watch_worker()));
    let router = routes::finish(own, &gate);
    let what = "the recipients' page";
    tasks.spawn(listener::listen(address, router, identity, what, |_| ()));
    Ok(())
}

/// The same page for every address of a share: it says nothing of the share.
async fn page(State(state): State<RecipientState>) -> Response {
    let mut page = assets::page(assets::RECIPIENT, &state.language);
    let policy = HeaderValue::from_static(PAGE_POLICY);
    page.headers_mut()
        .insert(header::CONTENT_SECURITY_POLICY, policy);
    page
}

fn peer_of(peer: SocketAddr) -> String {
    format!("web {}", peer.ip().to_canonical())
}

fn share_of(share: &str) -> Result<ShareId, RefusedRequest> {
    share.parse().map_err(|_| share_closed().into())
}

fn item_of(id: &str) -> Result<EvidenceId, RefusedRequest> {
    id.parse().map_err(|_| share_closed().into())
}

fn once_more(state: &RecipientState, peer: SocketAddr) -> Result<(), RefusedRequest> {
    if state.attempts.take(peer.ip()) {
        return Ok(());
    }
    metrics::web_refused("rate");
    let text = "too many attempts; wait a minute\n";
    Err(RefusedRequest::new(StatusCode::TOO_MANY_REQUESTS, text).coded(WAIT_CODE))
}

/// A question that only the holder of the key can answer.
async fn challenge(
    State(state): State<RecipientState>,
    Path(share): Path<String>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
) -> Result<Json<Asked>, RefusedRequest> {
    let share = share_of(&share)?;
    once_more(&state, peer)?;
    let asked = state.challenges.ask(share);
    asked.map(Json).ok_or_else(|| share_away().into())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProofRequest {
    challenge: String,
    /// HMAC-SHA-256, base64.
    mac: String,
}

async fn proof(
    State(state): State<RecipientState>,
    Path(share): Path<String>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    Json(request): Json<ProofRequest>,
) -> Result<Response, RefusedRequest> {
    let share = share_of(&share)?;
    once_more(&state, peer)?;
    let asked = state.challenges.answered(&request.challenge, share);
    let asked = asked.ok_or_else(|| {
        let text = "this question was not asked here, or it was too long ago\n";
        RefusedRequest::new(StatusCode::CONFLICT, text).coded(WAIT_CODE)
    })?;
    let mac = STANDARD.decode(&request.mac).unwrap_or_default();
    let found = state.backend.find(share).await?;
    let holder = found.as_ref().map_or(&*state.decoy, |found| &found.holder);
    let proven = asked.is_proven(holder, &share.to_string(), &mac);
    let Some(found) = found.filter(|found| proven && found.manifest.until > Timestamp::now())
    else {
        metrics::web_refused("share");
        return Err(share_closed().into());
    };
    let peer = peer_of(peer);
    state.backend.open(&found, &peer).await?;
    let shown = Json(ShownShare::of(&found.manifest)).into_response();
    // A new secret for each proof: one that was known before could be somebody else's, too. Somebody who opens a second share
    // keeps the first one open.
    let cookie = random_secret().ok_or_else(share_away)?;
    if let Some(before) = session_cookie(&headers, state.gate.tls) {
        state.visits.carry_over(hash_of(before), hash_of(&cookie));
    }
    state.visits.begin(hash_of(&cookie), found);
    let cookie = set_cookie(&cookie, None, state.gate.tls);
    Ok(([(header::SET_COOKIE, cookie)], shown).into_response())
}

/// The manifest as its recipient sees it.
#[derive(Serialize)]
struct ShownShare<'a> {
    office: &'a StationName,
    by: &'a str,
    reason: &'a str,
    made_at: Timestamp,
    until: Timestamp,
    to: ShownRecipient<'a>,
    items: Vec<ShownItem<'a>>,
}

#[derive(Serialize)]
struct ShownRecipient<'a> {
    name: &'a str,
    organisation: &'a str,
    fingerprint: &'a str,
}

#[derive(Serialize)]
struct ShownItem<'a> {
    id: EvidenceId,
    station: &'a StationName,
    name: &'a str,
    recorded_from: Option<Timestamp>,
    recorded_until: Option<Timestamp>,
    media_type: &'a str,
    size: u64,
    sha256: Sha256Digest,
    /// There is one to look at, once the item is taken.
    preview: bool,
    storyboard: bool,
}

impl<'a> ShownShare<'a> {
    fn of(manifest: &'a ShareManifest) -> Self {
        let to = &manifest.to;
        let items = manifest.items.iter().map(|item| ShownItem {
            id: item.id,
            station: &item.station,
            name: &item.name,
            recorded_from: item.recorded_from,
            recorded_until: item.recorded_until,
            media_type: &item.media_type,
            size: item.size,
            sha256: item.sha256,
            preview: item.preview.is_some(),
            storyboard: item.storyboard.is_some(),
        });
        Self {
            office: &manifest.office,
            by: &manifest.by,
            reason: &manifest.reason,
            made_at: manifest.made_at,
            until: manifest.until,
            to: ShownRecipient {
                name: &to.name,
                organisation: &to.organisation,
                fingerprint: &to.fingerprint,
            },
            items: items.collect(),
        }
    }
}

/// The visit that this browser's proof began.
fn visit(
    state: &RecipientState,
    headers: &HeaderMap,
    share: ShareId,
) -> Result<Arc<Visit>, RefusedRequest> {
    let found = session_cookie(headers, state.gate.tls).map(hash_of);
    let found = found.and_then(|session| state.visits.find(session, share));
    found.ok_or_else(|| share_closed().into())
}

async fn leave(
    State(state): State<RecipientState>,
    Path(share): Path<String>,
    headers: HeaderMap,
) -> Result<StatusCode, RefusedRequest> {
    let share = share_of(&share)?;
    if let Some(cookie) = session_cookie(&headers, state.gate.tls) {
        state.visits.end(hash_of(cookie), share);
    }
    Ok(StatusCode::NO_CONTENT)
}

/// One act for each item and visit, however often it is asked for.
async fn take(
    State(state): State<RecipientState>,
    Path((share, id)): Path<(String, String)>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> Result<Json<Vec<SealedPart>>, RefusedRequest> {
    let (share, id) = (share_of(&share)?, item_of(&id)?);
    let (visit, peer) = (visit(&state, &headers, share)?, peer_of(peer));
    let taking = visit.taking().await;
    let item = if let Some(item) = visit.taken(id) {
        item
    } else {
        if !state.takings.take(share) {
            metrics::web_refused("rate");
            let text = "too much of this share was opened lately; wait a minute\n";
            return Err(RefusedRequest::new(StatusCode::TOO_MANY_REQUESTS, text).coded(WAIT_CODE));
        }
        let found = state.backend.take(&visit.share, id, &peer);
        let item = Arc::new(found.await?);
        visit.enter(Arc::clone(&item));
        item
    };
    drop(taking);
    Ok(Json(item.parts.clone()))
}

async fn item_key(
    State(state): State<RecipientState>,
    Path((share, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Result<Bytes, RefusedRequest> {
    let (share, id) = (share_of(&share)?, item_of(&id)?);
    let visit = visit(&state, &headers, share)?;
    if visit.taken(id).is_none() {
        return Err(share_closed().into());
    }
    Ok(state.backend.item_key(share, id).await?)
}

async fn sealed(
    State(state): State<RecipientState>,
    Path((share, id, part)): Path<(String, String, Part)>,
    headers: HeaderMap,
) -> Result<Response, RefusedRequest> {
    let (share, id) = (share_of(&share)?, item_of(&id)?);
    let visit = visit(&state, &headers, share)?;
    let item = visit.taken(id).ok_or_else(share_closed)?;
    let part = item.parts.iter().find(|there| there.part == part);
    let part = part.cloned().ok_or_else(share_closed)?;
    let (backend, size) = (Arc::clone(&state.backend), part.size);
    let read = move |offset, length| {
        let (backend, item, part) = (Arc::clone(&backend), Arc::clone(&item), part.clone());
        async move { backend.sealed(&item, &part, offset, length).await }
    };
    sending::answer(&headers, size, read).await
}

//! The page of people's own keys: each makes one in the browser, and somebody who may confirms it. The public half alone comes
//! here; the floor above keeps it, and enters it in the office's log once it is confirmed.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, State};
use axum::response::Response;
use axum::{Extension, Json};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::access_log::HasAccessLog as _;
use super::decisions::{reason_of, refused};
use super::office::OfficeState;
use super::{Decided, Duty, Reach, RefusedRequest, Viewer, assets};
use crate::model::StationName;

/// A key that somebody made and nobody has confirmed yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Enrolment {
    pub person: String,
    /// SubjectPublicKeyInfo, PEM.
    pub key: String,
    pub roles: Vec<String>,
    /// `None`: all of them.
    pub stations: Option<Vec<StationName>>,
    /// Where it came from.
    pub peer: String,
    pub at: Timestamp,
}

/// A person whose key is in the office's log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyHolder {
    pub person: String,
    pub fingerprint: String,
    pub roles: Vec<String>,
    pub stations: Option<Vec<StationName>>,
    /// The act that says so.
    pub entry: u64,
    /// It is in the bucket, and so in effect.
    pub published: bool,
}

/// The address book, and who waits to be in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AddressBook {
    pub holders: Vec<KeyHolder>,
    pub waiting: Vec<Enrolment>,
}

/// What somebody decides about a person's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyOrder {
    pub person: String,
    pub verdict: KeyVerdict,
    pub operator: String,
    /// Where it came from.
    pub peer: String,
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyVerdict {
    /// With the words of its fingerprint, as the person said them.
    Confirm { words: String },
    /// The key is the person's no more.
    Remove,
}

pub(super) async fn page(State(state): State<OfficeState>) -> Response {
    assets::page(assets::KEYS, &state.entrance.language)
}

/// What a viewer sees of it: themselves; and everybody, if they may confirm keys.
#[derive(Serialize)]
pub(super) struct KeysView {
    person: Option<String>,
    own: Option<KeyHolder>,
    waits: bool,
    decides: bool,
    book: Option<AddressBook>,
}

pub(super) async fn keys(
    State(state): State<OfficeState>,
    Extension(viewer): Extension<Viewer>,
) -> Json<KeysView> {
    let book = state.access_log().evidence().address_book();
    let person = viewer.name.as_deref().map(str::to_owned);
    let decides = viewer.may(Duty::Decide);
    let mine = |name: &String| person.as_ref() == Some(name);
    Json(KeysView {
        own: book.holders.iter().find(|it| mine(&it.person)).cloned(),
        waits: book.waiting.iter().any(|it| mine(&it.person)),
        decides,
        book: decides.then_some(book),
        person,
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EnrolRequest {
    key: String,
}

pub(super) async fn enrol(
    State(state): State<OfficeState>,
    Extension(viewer): Extension<Viewer>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Json(request): Json<EnrolRequest>,
) -> Result<(), RefusedRequest> {
    let enrolment = Enrolment {
        person: viewer.operator().to_owned(),
        key: request.key,
        roles: (viewer.roles.iter())
            .map(|role| role.as_str().to_owned())
            .collect(),
        stations: match &viewer.reach {
            Reach::All => None,
            Reach::Stations(stations) => Some(stations.to_vec()),
        },
        peer: format!("web {}", peer.ip().to_canonical()),
        at: Timestamp::now(),
    };
    let backend = state.access_log().evidence();
    tokio::task::block_in_place(|| backend.enrol(enrolment)).map_err(refused)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyRequest {
    person: String,
    verdict: KeyVerdict,
    reason: String,
}

pub(super) async fn decide(
    State(state): State<OfficeState>,
    Extension(viewer): Extension<Viewer>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Json(request): Json<KeyRequest>,
) -> Result<Json<Decided>, RefusedRequest> {
    let reason = reason_of(&request.reason)?;
    let order = KeyOrder {
        person: request.person,
        verdict: request.verdict,
        operator: viewer.operator().to_owned(),
        peer: format!("web {}", peer.ip().to_canonical()),
        reason: reason.to_owned(),
    };
    let backend = state.access_log().evidence();
    let decided = tokio::task::block_in_place(|| backend.decide_key(order));
    decided.map(Json).map_err(refused)
}

//! The office's page of one recording: its facts, its custody out of the station's log in the bucket, each entry with its proof, its
//! objects, and what was recorded around it. It shows no footage. An access is entered before anything is shown.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::access_log::{
    AccessAction, AccessEntry, EvidenceRequest, LoggedRequest, query, viewer_of,
};
use super::office::{OfficeBackend, OfficeState};
use super::{Duty, FoundFile, FoundRecording, RefusedRequest, assets};
use crate::model::{EvidenceId, Retention, StationName};

/// One recording, or a file that stands alone.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RecordingView {
    pub recording: FoundRecording,
    pub objects: Vec<ItemObject>,
    /// When the bucket was last compared with the log: by a listing, and object by object.
    pub listed: Option<Timestamp>,
    pub swept: Option<Timestamp>,
    /// The checkpoint that the entries are proven under.
    pub checkpoint: Option<CheckpointFacts>,
    pub custody: Vec<CustodyEntry>,
    /// What the office did with it and people decided about it, with the first page.
    pub acts: Vec<OfficeAct>,
    /// How long it stays; absent while it is not stored.
    pub kept: Option<KeptFacts>,
    /// The classes that it can be given.
    pub classes: Vec<String>,
    /// The entry that the next page of the custody begins with.
    pub next: Option<u64>,
    /// The reason why entries are missing here: its code, and in words.
    pub problem: Option<(&'static str, String)>,
    /// The original that it was declared to be made from; several where several stations have that id.
    pub originals: Vec<FoundFile>,
    /// The items that were declared to be made from it.
    pub copies: Vec<FoundFile>,
    /// Of the same camera.
    pub before: Option<FoundFile>,
    pub after: Option<FoundFile>,
    /// Of other cameras at the same station.
    pub at_that_time: Vec<FoundFile>,
    /// Whether the reader may decide about it; set for whoever asks.
    pub may_decide: bool,
}

/// An object below the item's name, as the log has it, and what was found of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ItemObject {
    pub name: String,
    pub bytes: Option<u64>,
    pub version: Option<String>,
    pub checksum: Option<String>,
    pub lock: Option<Retention>,
    /// The entry that names it; absent for one that no entry names.
    pub log_entry: Option<u64>,
    pub findings: Vec<ObjectFinding>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ObjectFinding {
    pub code: &'static str,
    pub what: String,
    pub since: Option<Timestamp>,
}

/// How long an item stays, by the rules of the office.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct KeptFacts {
    pub class: Option<String>,
    /// A person gave it this class.
    pub classified: bool,
    /// A class or a hold keeps it; else only the lock that it has.
    pub by_rule: bool,
    /// `None` with `by_rule`: no end is known.
    pub until: Option<Timestamp>,
    /// A person looks at it before it may be deleted.
    pub review: bool,
    /// The end of its lock, as far as logs and acts tell.
    pub locked: Option<Timestamp>,
}

/// A checkpoint that this office has cosigned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckpointFacts {
    pub entries: u64,
    pub root: String,
    pub cosigned_at: Timestamp,
}

/// An entry of the office's own log about the item.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OfficeAct {
    pub entry: u64,
    /// The entry's own fields.
    pub content: Value,
    /// The text that it is bound to, where that can be had.
    pub reason: Option<String>,
    /// The free text that it says of the item, where it says one and that can be had.
    pub text: Option<String>,
}

/// An entry of the station's log about the item.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CustodyEntry {
    pub entry: u64,
    /// It leads to the root of the checkpoint. Nothing is shown of one that does not.
    pub proven: bool,
    /// The entry's own fields.
    pub content: Option<Value>,
    /// The reason why it is not proven.
    pub why: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FromQuery {
    /// The first entry of the custody's page.
    from: u64,
}

pub(super) async fn page(State(state): State<OfficeState>) -> Response {
    assets::page(assets::RECORDING, &state.entrance.language)
}

pub(super) struct Viewed {
    station: StationName,
    id: EvidenceId,
    from: u64,
}

impl EvidenceRequest<dyn OfficeBackend> for Viewed {
    fn read(
        parts: &Parts,
        backend: &(dyn OfficeBackend + 'static),
    ) -> Result<Self, RefusedRequest> {
        let FromQuery { from } = query(parts)?;
        let mut names = parts.uri.path().rsplit('/');
        let (id, station) = (names.next(), names.next());
        let no_item = || RefusedRequest::new(StatusCode::NOT_FOUND, "there is no such item\n");
        // Neither has a character that an address would escape.
        let id = id.and_then(|id| id.parse().ok()).ok_or_else(no_item)?;
        let station = station.and_then(|name| name.parse().ok());
        let station: StationName = station.ok_or_else(no_item)?;
        if !backend.knows(&viewer_of(parts)?.sight(), &station, id)? {
            return Err(no_item());
        }
        Ok(Self { station, id, from })
    }

    fn access(&self) -> AccessEntry {
        AccessEntry {
            action: AccessAction::Viewed,
            evidence: Some(self.id),
            description: format!("item and custody of {}", self.station),
        }
    }
}

pub(super) async fn recording(
    LoggedRequest {
        request,
        evidence,
        viewer,
    }: LoggedRequest<Viewed, dyn OfficeBackend>,
) -> Result<axum::Json<RecordingView>, RefusedRequest> {
    let Viewed { station, id, from } = request;
    let found =
        tokio::task::block_in_place(|| evidence.recording(&viewer.sight(), &station, id, from));
    let no_item = || RefusedRequest::new(StatusCode::NOT_FOUND, "there is no such item\n");
    let view = found?.ok_or_else(no_item)?;
    Ok(axum::Json(RecordingView {
        may_decide: viewer.may(Duty::Decide),
        ..view
    }))
}

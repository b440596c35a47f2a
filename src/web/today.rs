//! The office's page *Today*: what needs somebody, over all stations, and how each station stands. It shows what the floor above
//! hands to it, and no footage.

use axum::Json;
use axum::extract::State;
use axum::http::request::Parts;
use axum::response::Response;
use serde::Serialize;

use super::access_log::{AccessEntry, EvidenceRequest, LoggedRequest};
use super::office::{OfficeBackend, OfficeState};
use super::{Duty, RefusedRequest, assets};
use crate::model::{StationName, codes};

/// What the page shows, and what `/api/today` gives to programs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Today {
    pub office: StationName,
    pub at: jiff::Timestamp,
    pub matters: Vec<Matter>,
    /// In the order of office.toml, as `camdock office status --json` has them.
    pub stations: Vec<serde_json::Value>,
    /// Whether the reader may decide; set for whoever asks.
    pub may_decide: bool,
}

/// Something that needs somebody.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Matter {
    pub station: StationName,
    pub code: String,
    /// What was seen, in the office's own words.
    pub what: String,
    /// What to do about it.
    pub next: &'static str,
    /// How many of this kind there are, where they can be counted.
    pub count: Option<u64>,
    /// The first few of them.
    pub examples: Vec<serde_json::Value>,
}

impl Matter {
    pub fn new(station: &StationName, code: &str, what: String) -> Self {
        Self {
            station: station.clone(),
            code: code.to_owned(),
            what,
            next: codes::find(code).map_or("", |code| code.next_step),
            count: None,
            examples: Vec::new(),
        }
    }
}

pub(super) async fn page(State(state): State<OfficeState>) -> Response {
    assets::page(assets::TODAY, &state.entrance.language)
}

pub(super) struct TodayRequest;

impl EvidenceRequest<dyn OfficeBackend> for TodayRequest {
    fn read(_: &Parts, _: &(dyn OfficeBackend + 'static)) -> Result<Self, RefusedRequest> {
        Ok(Self)
    }

    fn access(&self) -> AccessEntry {
        AccessEntry::listed("today")
    }
}

/// It names recordings that something is wrong with, so that it is an access like any other.
pub(super) async fn today(
    LoggedRequest {
        evidence, viewer, ..
    }: LoggedRequest<TodayRequest, dyn OfficeBackend>,
) -> Result<Json<Today>, RefusedRequest> {
    let today = tokio::task::block_in_place(|| evidence.today(&viewer.sight()));
    Ok(Json(Today {
        may_decide: viewer.may(Duty::Decide),
        ..today?
    }))
}

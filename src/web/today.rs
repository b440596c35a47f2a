//! The office's pages, and of them *Today*: what needs somebody, over all stations, and how each station stands. It shows what the
//! floor above hands to it, and no footage.

use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::State;
use axum::http::request::Parts;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use tokio::task::JoinSet;

use super::access_log::{
    AccessEntry, AccessLog, EvidenceRequest, HasAccessLog, LoggedRequest, RecordsAccess,
};
use super::entrance::{Entrance, Keyring};
use super::recording::RecordingView;
use super::recording_search::{RecordingPage, RecordingSearch, SearchPlace};
use super::{
    RefusedRequest, WatchBackend, WebError, assets, listener, login, recording, recording_list,
    routes, tls, watching,
};
use crate::config::{Role, Secrets, WebSettings};
use crate::model::{EvidenceId, OperatorAction, StationName, codes};

/// The office as its pages see it; the floor above implements it. It may block.
pub trait OfficeBackend: Send + Sync + 'static {
    /// An error's code and its words where it cannot be read.
    fn today(&self) -> Result<Today, (&'static str, String)>;
    /// The next recordings of a search, at most `limit`.
    fn find(
        &self,
        search: &RecordingSearch,
        after: Option<SearchPlace>,
        limit: u32,
    ) -> Result<RecordingPage, (&'static str, String)>;
    /// Whether a station's log has sealed this item.
    fn knows(&self, station: &StationName, id: EvidenceId) -> Result<bool, (&'static str, String)>;
    /// The item, and its custody from entry `from` on; `None` if there is none.
    fn recording(
        &self,
        station: &StationName,
        id: EvidenceId,
        from: u64,
    ) -> Result<Option<RecordingView>, (&'static str, String)>;
    /// Enters who looked at what in the office's log; durable when it returns.
    fn record(&self, action: OperatorAction) -> Result<(), String>;
}

impl RecordsAccess for dyn OfficeBackend {
    fn record(&self, action: OperatorAction) -> Result<(), String> {
        OfficeBackend::record(self, action)
    }
}

/// What the page shows, and what `/api/today` gives to programs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Today {
    pub office: StationName,
    pub at: jiff::Timestamp,
    pub matters: Vec<Matter>,
    /// In the order of office.toml, as `camdock office status --json` has them.
    pub stations: Vec<serde_json::Value>,
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

#[derive(Clone)]
pub(super) struct OfficeState {
    access_log: Arc<AccessLog<dyn OfficeBackend>>,
    pub entrance: Arc<Entrance>,
}

impl HasAccessLog<dyn OfficeBackend> for OfficeState {
    fn access_log(&self) -> &AccessLog<dyn OfficeBackend> {
        &self.access_log
    }
}

/// Starts the office's pages, if they are to listen.
pub fn start_office(
    settings: &WebSettings,
    secrets: &Secrets,
    sessions: PathBuf,
    backend: Arc<dyn OfficeBackend>,
    footage: Arc<dyn WatchBackend>,
    tasks: &mut JoinSet<()>,
) -> Result<(), WebError> {
    let Some(address) = settings.listen else {
        return Ok(());
    };
    let files = settings.tls.as_ref();
    let identity = files
        .map(|files| tls::Identity::load(files, secrets))
        .transpose()?;
    let keyring = Keyring::new(settings, sessions, identity.is_some());
    let entrance = keyring.entrance(address, home);
    let state = OfficeState {
        access_log: Arc::new(AccessLog::new(backend)),
        entrance: Arc::clone(&entrance),
    };
    let everybody = Router::new()
        .route("/", get(page))
        .route("/api/today", get(today))
        .route_layer(from_fn_with_state(
            Arc::clone(&entrance),
            login::evidence_or_operations,
        ));
    let managers = Router::new()
        .route("/find", get(recording_list::page))
        .route("/api/find", get(recording_list::list))
        .route("/export/find", get(recording_list::export))
        .route("/recordings/{station}/{id}", get(recording::page))
        .route("/api/recordings/{station}/{id}", get(recording::recording))
        .route_layer(from_fn_with_state(Arc::clone(&entrance), login::evidence));
    let own = everybody.merge(managers).with_state(state);
    let own = own.merge(watching::routes(footage, &entrance));
    let router = routes::finish(own.merge(routes::open(&entrance)), entrance);
    tasks.spawn(listener::listen(
        address,
        router,
        identity,
        "the office's pages",
        |_| (),
    ));
    Ok(())
}

const fn home(_: Role) -> &'static str {
    "/"
}

async fn page(State(state): State<OfficeState>) -> Response {
    assets::page(assets::TODAY, &state.entrance.language)
}

struct TodayRequest;

impl EvidenceRequest<dyn OfficeBackend> for TodayRequest {
    fn read(_: &Parts, _: &(dyn OfficeBackend + 'static)) -> Result<Self, RefusedRequest> {
        Ok(Self)
    }

    fn access(&self) -> AccessEntry {
        AccessEntry::listed("today")
    }
}

/// It names recordings that something is wrong with, so that it is an access like any other.
async fn today(
    LoggedRequest { evidence, .. }: LoggedRequest<TodayRequest, dyn OfficeBackend>,
) -> Result<Json<Today>, RefusedRequest> {
    let today = tokio::task::block_in_place(|| evidence.today());
    Ok(Json(today.map_err(recording_list::unreadable)?))
}

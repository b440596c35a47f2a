//! The station's officer page, `/metrics`, `/healthz` and `/readyz`, and the office's pages.
//!
//! Reads snapshots and decides nothing: no request changes evidence. Keeps promise 2 on the screen: a page that has lost the
//! station says so and shows no state at all. Whatever shows evidence metadata is entered in the custody log first.

mod access_log;
mod assets;
mod csv_rows;
mod decisions;
mod dock_tags;
mod enrolment;
mod entrance;
mod error;
mod export;
mod feed;
mod health;
mod listener;
mod login;
mod looks;
mod office;
mod officer;
mod outbound;
mod outsiders;
mod people;
mod rate_limit;
mod recipients;
mod recording;
mod recording_list;
mod recording_search;
mod report;
mod request_checks;
mod routes;
mod server;
mod sessions;
mod share_taking;
mod shares;
mod sign_in;
mod socket;
mod state;
mod station_status;
mod tls;
mod today;
mod tokens;
mod viewer;
mod watching;

use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::sync::watch;

use crate::model::{BayView, OperatorAction, StatusView};

pub use assets::watch_files;
pub use csv_rows::CsvRows;
pub use decisions::{Decided, GapOrder, ItemOrder};
pub use dock_tags::{DockRefusal, DockTags, DockedRecording, DockedRecordings, OfficerAtBay};
pub use enrolment::{EnrolmentBackend, InvitationFacts, OutsiderKey};
pub use error::WebError;
pub use health::{Health, Need};
pub use listener::listen;
pub use looks::{SeenItem, SeenPage};
pub use office::{OfficeBackend, OfficeBackends, Unreadable, start_office};
pub use outbound::{OutboundClient, OutboundError};
pub use outsiders::{
    Invitation, InvitationOrder, Invited, OutsideRecipient, OutsiderBook, OutsiderOrder,
    OutsiderVerdict, SentKey,
};
pub use people::{AddressBook, Enrolment, KeyHolder, KeyOrder, KeyVerdict};
pub use recipients::{
    FoundShare, RecipientBackend, TakenItem, share_away, share_closed, share_object,
    start_recipients,
};
pub use recording::{
    CheckpointFacts, CustodyEntry, ItemObject, KeptFacts, ObjectFinding, OfficeAct, RecordingView,
};
pub use recording_search::{
    FoundFile, FoundRecording, RecordingPage, RecordingSearch, RecordingState, SearchPlace,
};
pub use server::{Bound, Pages};
pub use share_taking::{ShareTaking, TakenEntry, TakenId};
pub use shares::{
    EndShareOrder, ItemToShare, SealedForShare, ShareMade, ShareOrder, ShareRow, SharedEntry,
};
pub use sign_in::{SignIn, SignInError, SignedIn, check_provider};
pub use socket::{Socket, answer_line};
pub use tls::tls_problem;
pub use today::{Matter, Today};
pub(crate) use tokens::random_secret;
pub use tokens::{TOKEN_PREFIX, hash_of, new_token};
pub use viewer::{Duty, Reach, Sight, Viewer};
pub use watching::{
    ItemView, SealedPart, WatchBackend, WatchFuture, WatchRefusal, WatchRefusalKind, WatchedItem,
};

/// The running station as the pages see it; the floor above implements it. Its methods may block.
pub trait Backend: Send + Sync + 'static {
    fn bays(&self) -> Vec<BayView>;
    /// Wakes on every change of a bay.
    fn changes(&self) -> watch::Receiver<u64>;
    fn status(&self) -> Result<StatusView, String>;
    fn health(&self) -> Health;
    /// The main loop is running. Never blocks.
    fn alive(&self) -> bool;
    /// Enters an action in the custody log; durable when it returns.
    fn record(&self, action: OperatorAction) -> Result<(), String>;
    /// What officers may choose from when they tag at the dock; `None`: they do not.
    fn tag_categories(&self) -> Option<&[String]>;
    /// The recordings of an officer's docked camera, once the custody log says that they were looked at.
    fn docked_recordings(&self, at: &OfficerAtBay) -> Result<DockedRecordings, DockRefusal>;
    /// Enters what an officer says of them; returns how many have new tags.
    fn tag_docked(&self, tags: &DockTags) -> Result<usize, DockRefusal>;
    /// Brings the gauges up to date.
    fn sample(&self);
}

/// A request that is refused.
pub(crate) struct RefusedRequest(Box<Response>);

impl RefusedRequest {
    pub fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self::from_response((status, text.into()))
    }

    pub fn from_response(response: impl IntoResponse) -> Self {
        Self(Box::new(response.into_response()))
    }

    /// Adds the problem's code, by which the page explains it in its own language.
    pub fn coded(mut self, code: &'static str) -> Self {
        let value = HeaderValue::from_static(code);
        self.0.headers_mut().insert("camdock-code", value);
        self
    }
}

impl IntoResponse for RefusedRequest {
    fn into_response(self) -> Response {
        *self.0
    }
}

//! The office's pages: their addresses, and what they ask of the floor above. They show what it hands to them, and decide nothing.

use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use jiff::Timestamp;
use tokio::task::JoinSet;

use super::access_log::{AccessLog, HasAccessLog, RecordsAccess};
use super::decisions::{self, Decided, GapOrder, ItemOrder};
use super::enrolment::{self, EnrolmentBackend};
use super::entrance::{Entrance, Keyring};
use super::looks::{self, SeenPage};
use super::outsiders::{self, InvitationOrder, Invited, OutsiderBook, OutsiderOrder};
use super::people::{self as people_keys, AddressBook, Enrolment, KeyOrder};
use super::recording::RecordingView;
use super::recording_search::{RecordingPage, RecordingSearch, SearchPlace};
use super::shares::{self, EndShareOrder, SealedForShare, ShareMade, ShareOrder, ShareRow};
use super::sign_in::{self, SignIn};
use super::today::Today;
use super::{
    Duty, Reach, RefusedRequest, Sight, WatchBackend, WatchRefusal, WebError, listener, login,
    recording, recording_list, report, routes, share_taking, tls, today, watching,
};
use crate::config::{PeopleSettings, Secrets, WebSettings};
use crate::model::{EvidenceId, OperatorAction, StationName, codes};

/// The office as its pages see it; the floor above implements it. It may block. What somebody does not see is to them
/// as if it did not exist.
pub trait OfficeBackend: Send + Sync + 'static {
    fn today(&self, sight: &Sight) -> Result<Today, Unreadable>;
    /// What a quarter brought, of the present one where none is named; `None` if there is no such quarter.
    fn report(&self, reach: &Reach, quarter: &str)
    -> Result<Option<serde_json::Value>, Unreadable>;
    /// The next recordings of a search, at most `limit`.
    fn find(
        &self,
        sight: &Sight,
        search: &RecordingSearch,
        after: Option<SearchPlace>,
        limit: u32,
    ) -> Result<RecordingPage, Unreadable>;
    /// Who got to see footage from the first moment up to the second, after an entry of the office's log; at most `limit` acts.
    fn looks(
        &self,
        sight: &Sight,
        range: (Timestamp, Timestamp),
        after: Option<u64>,
        limit: u32,
    ) -> Result<SeenPage, Unreadable>;
    /// Whether a station's log has sealed this item.
    fn knows(
        &self,
        sight: &Sight,
        station: &StationName,
        id: EvidenceId,
    ) -> Result<bool, Unreadable>;
    /// The item, and its custody from entry `from` on; `None` if there is none.
    fn recording(
        &self,
        sight: &Sight,
        station: &StationName,
        id: EvidenceId,
        from: u64,
    ) -> Result<Option<RecordingView>, Unreadable>;
    /// Enters what a person decided, once however often it is asked for.
    fn decide(&self, order: ItemOrder) -> Result<Decided, WatchRefusal>;
    /// Enters why something is missing, once.
    fn accept_gap(&self, order: GapOrder) -> Result<Decided, WatchRefusal>;
    /// Who has a key of their own, and who waits for it to be confirmed.
    fn address_book(&self) -> AddressBook;
    /// Keeps a key that somebody made until it is confirmed.
    fn enrol(&self, enrolment: Enrolment) -> Result<(), WatchRefusal>;
    /// Enters what a person decided about somebody's key.
    fn decide_key(&self, order: KeyOrder) -> Result<Decided, WatchRefusal>;
    /// Who outside was invited, and who may be shared with.
    fn outsiders(&self) -> OutsiderBook;
    /// Makes a link by which somebody outside may send a key.
    fn invite(&self, order: InvitationOrder) -> Result<Invited, WatchRefusal>;
    /// Enters what a person decided about a key from outside; `None`: it is nothing for the log.
    fn decide_outsider(&self, order: OutsiderOrder) -> Result<Option<Decided>, WatchRefusal>;
    /// What is shared of these stations, the newest first.
    fn shares(&self, reach: &Reach) -> Vec<ShareRow>;
    /// Enters that items are shared with somebody outside.
    fn share(&self, order: ShareOrder) -> Result<ShareMade, WatchRefusal>;
    /// Puts an item key into the store that somebody's browser has sealed to the recipient of a share.
    fn put_shared_key(&self, sealed: SealedForShare) -> Result<(), WatchRefusal>;
    /// Enters that a share has ended.
    fn end_share(&self, order: EndShareOrder) -> Result<Decided, WatchRefusal>;
    /// Enters who looked at what in the office's log; durable when it returns.
    fn record(&self, action: OperatorAction) -> Result<(), String>;
}

impl RecordsAccess for dyn OfficeBackend {
    fn record(&self, action: OperatorAction) -> Result<(), String> {
        OfficeBackend::record(self, action)
    }
}

/// Something that cannot be read: the problem's code, and in words why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    pub code: &'static str,
    pub why: String,
}

impl From<Unreadable> for RefusedRequest {
    fn from(Unreadable { code, why }: Unreadable) -> Self {
        let next_step = codes::find(code).map_or("", |code| code.next_step);
        tracing::error!(
            code,
            why,
            next_step,
            "the office's page cannot show what it was asked for"
        );
        let text = format!("{why}: {next_step}\n");
        Self::new(StatusCode::SERVICE_UNAVAILABLE, text).coded(code)
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

/// What the office answers its pages with.
pub struct OfficeBackends {
    pub pages: Arc<dyn OfficeBackend>,
    pub footage: Arc<dyn WatchBackend>,
    pub enrolments: Arc<dyn EnrolmentBackend>,
}

/// Starts the office's pages, if they are to listen; returns where people sign in, if they do.
pub fn start_office(
    settings: &WebSettings,
    people: Option<&PeopleSettings>,
    secrets: &Secrets,
    sessions: PathBuf,
    OfficeBackends {
        pages: backend,
        footage,
        enrolments,
    }: OfficeBackends,
    tasks: &mut JoinSet<()>,
) -> Result<Option<Arc<SignIn>>, WebError> {
    let Some(address) = settings.listen else {
        return Ok(None);
    };
    let files = settings.tls.as_ref();
    let identity = files
        .map(|files| tls::Identity::load(files, secrets))
        .transpose()?;
    let mut keyring = Keyring::new(settings, sessions, identity.is_some());
    if let Some(people) = people {
        let sign_in = SignIn::new(people, secrets, Arc::clone(&backend), identity.is_some())?;
        keyring.people = Some(Arc::new(sign_in));
    }
    let sign_in = keyring.people.clone();
    let entrance = keyring.entrance(address);
    let state = OfficeState {
        access_log: Arc::new(AccessLog::new(backend)),
        entrance: Arc::clone(&entrance),
    };
    let overseers = Router::new()
        .route("/", get(today::page))
        .route("/api/today", get(today::today))
        .route("/report", get(report::page))
        .route("/api/report", get(report::report))
        .route_layer(from_fn_with_state(
            (Arc::clone(&entrance), Duty::Oversee),
            login::duty,
        ));
    let finders = Router::new()
        .route("/find", get(recording_list::page))
        .route("/api/find", get(recording_list::list))
        .route("/export/find", get(recording_list::export))
        .route("/recordings/{station}/{id}", get(recording::page))
        .route("/api/recordings/{station}/{id}", get(recording::recording))
        .route_layer(from_fn_with_state(
            (Arc::clone(&entrance), Duty::Find),
            login::duty,
        ));
    let auditors = Router::new()
        .route("/looks", get(looks::page))
        .route("/api/looks", get(looks::list))
        .route("/export/looks", get(looks::export))
        .route_layer(from_fn_with_state(
            (Arc::clone(&entrance), Duty::Audit),
            login::duty,
        ));
    let deciders = Router::new()
        .route("/api/decisions/{station}/{id}", post(decisions::decide))
        .route("/api/gaps/{station}", post(decisions::accept_gap))
        .route("/api/keys/decide", post(people_keys::decide))
        .route("/outsiders", get(outsiders::page))
        .route("/api/outsiders", get(outsiders::book))
        .route("/api/outsiders/invite", post(outsiders::invite))
        .route("/api/outsiders/decide", post(outsiders::decide))
        .route("/shares", get(shares::page))
        .route("/api/shares", get(shares::list).post(shares::share))
        .route("/api/shares/key", post(shares::put_key))
        .route("/api/shares/end", post(shares::end))
        .route_layer(from_fn_with_state(
            (Arc::clone(&entrance), Duty::Decide),
            login::duty,
        ));
    let disposers = Router::new()
        .route("/api/disposals/{station}/{id}", post(decisions::dispose))
        .route_layer(from_fn_with_state(
            (Arc::clone(&entrance), Duty::ProposeDisposal),
            login::duty,
        ));
    let key_owners = Router::new()
        .route("/keys", get(people_keys::page))
        .route("/api/keys", get(people_keys::keys).post(people_keys::enrol))
        .route_layer(from_fn_with_state(
            (Arc::clone(&entrance), Duty::Watch),
            login::duty,
        ));
    let own = overseers
        .merge(finders)
        .merge(auditors)
        .merge(deciders)
        .merge(disposers)
        .merge(key_owners);
    let own = own.with_state(state);
    let own = own.merge(share_taking::routes(Arc::clone(&footage), &entrance));
    let own = own.merge(watching::routes(footage, &entrance));
    let own = own.merge(enrolment::routes(enrolments, &entrance));
    let own = match sign_in.clone() {
        Some(sign_in) => own.merge(
            Router::new()
                .route("/sign-in", get(sign_in::leave))
                .route("/sign-in/back", get(sign_in::enter))
                .with_state(sign_in),
        ),
        None => own,
    };
    let router = routes::finish(own.merge(routes::open(&entrance)), &entrance.gate);
    tasks.spawn(listener::listen(
        address,
        router,
        identity,
        "the office's pages",
        |_| (),
    ));
    Ok(sign_in)
}

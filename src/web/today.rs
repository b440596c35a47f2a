//! The office's page *Today*: what needs somebody, over all stations, and how each station stands. It shows what the floor above hands
//! to it, and no footage.

use std::path::PathBuf;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use tokio::task::JoinSet;

use super::entrance::{Entrance, Keyring};
use super::{
    RefusedRequest, WatchBackend, WebError, assets, listener, login, routes, tls, watching,
};
use crate::config::{Role, Secrets, WebSettings};
use crate::model::{StationName, codes};

/// The office as its pages see it; the floor above implements it. It may block.
pub trait OfficeBackend: Send + Sync + 'static {
    /// An error's code and its words where it cannot be read.
    fn today(&self) -> Result<Today, (&'static str, String)>;
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
struct OfficeState {
    backend: Arc<dyn OfficeBackend>,
    entrance: Arc<Entrance>,
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
        backend,
        entrance: Arc::clone(&entrance),
    };
    let router = Router::new()
        .route("/", get(page))
        .route("/api/today", get(today))
        .route_layer(from_fn_with_state(
            Arc::clone(&entrance),
            login::evidence_or_operations,
        ))
        .with_state(state)
        .merge(watching::routes(footage, &entrance));
    let router = routes::finish(router.merge(routes::open(&entrance)), entrance);
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

async fn today(State(state): State<OfficeState>) -> Result<Json<Today>, RefusedRequest> {
    let backend = Arc::clone(&state.backend);
    let read = tokio::task::spawn_blocking(move || backend.today()).await;
    match read {
        Ok(Ok(today)) => Ok(Json(today)),
        Ok(Err((code, why))) => {
            let next_step = codes::find(code).map_or("", |code| code.next_step);
            tracing::error!(
                code,
                why,
                next_step,
                "the office's page cannot read the index"
            );
            let text = format!("{why}: {next_step}\n");
            Err(RefusedRequest::new(StatusCode::SERVICE_UNAVAILABLE, text).coded(code))
        }
        Err(_) => Err(RefusedRequest::from_response(
            StatusCode::INTERNAL_SERVER_ERROR,
        )),
    }
}

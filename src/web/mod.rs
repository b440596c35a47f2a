//! The officer page, the evidence page, `/metrics`, `/healthz` and `/readyz`.
//!
//! Reads snapshots and decides nothing: no request changes evidence. Keeps promise 2 on the glass: a page that has lost the
//! station says so and shows no state at all. Whatever shows evidence metadata is entered in the custody log first.

mod access;
mod assets;
mod custody;
mod evidence;
mod export;
mod feed;
mod guard;
mod health;
mod officer;
mod record;
mod server;
mod tls;

use std::sync::Arc;

use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use tokio::sync::watch;

use crate::config::Role;
use crate::model::{BayView, Completeness, OperatorAction, StatusView, Verification};

pub use access::{TOKEN_PREFIX, hash_of, new_token};
pub use health::{Health, Need};
pub use server::{Archive, Bound, Pages, WebError};

/// The running station as the pages see it; the floor above implements it. Its methods may block.
pub trait Station: Send + Sync + 'static {
    fn bays(&self) -> Vec<BayView>;
    /// Wakes on every change of a bay.
    fn changes(&self) -> watch::Receiver<u64>;
    fn status(&self) -> Result<StatusView, String>;
    fn health(&self) -> Health;
    /// The main loop has come round lately. Never blocks.
    fn alive(&self) -> bool;
    /// How the last `camdock verify` ended, if there was one.
    fn verification(&self) -> Option<Verification>;
    /// What the last `camdock audit gaps` found, if there was one.
    fn completeness(&self) -> Option<Completeness>;
    /// Enters an action in the custody log; durable when it returns.
    fn record(&self, action: OperatorAction) -> Result<(), String>;
    /// Brings the gauges up to date.
    fn sample(&self);
}

/// Who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Viewer {
    /// The token's name; `None`: somebody at this machine, without a token.
    pub name: Option<Arc<str>>,
    pub role: Role,
}

/// An answer that is a refusal.
pub(crate) struct Refused(Box<Response>);

impl Refused {
    pub fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self(Box::new((status, text.into()).into_response()))
    }

    /// Names the problem's code, by which the page tells it in its own language.
    pub fn coded(mut self, code: &'static str) -> Self {
        let value = HeaderValue::from_static(code);
        self.0.headers_mut().insert("camdock-code", value);
        self
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        *self.0
    }
}

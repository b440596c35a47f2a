//! The officer page and its live feed (server-sent events).
//!
//! `hello` holds everything and comes first; `bays` holds what changed; `alive` comes every other second, so that a page
//! knows that silence is a lost connection, or a station whose main loop stands still, and not a quiet evening.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::{OwnedSemaphorePermit, watch};

use super::server::Shared;
use super::{assets, feed};
use crate::model::BayName;

const ALIVE: Duration = Duration::from_millis(1500);

pub(super) async fn page(State(shared): State<Arc<Shared>>) -> Response {
    assets::page(assets::OFFICER, &shared.language)
}

struct Reader {
    shared: Arc<Shared>,
    snapshots: watch::Receiver<feed::Snapshot>,
    seen: Option<feed::Snapshot>,
    waiting: VecDeque<Bytes>,
    _permit: OwnedSemaphorePermit,
}

pub(super) async fn events(State(shared): State<Arc<Shared>>) -> Response {
    let Ok(permit) = Arc::clone(&shared.readers).try_acquire_owned() else {
        return (StatusCode::SERVICE_UNAVAILABLE, "too many pages are open\n").into_response();
    };
    let reader = Reader {
        snapshots: shared.snapshots.clone(),
        seen: None,
        waiting: VecDeque::from([Bytes::from_static(b"retry: 1000\n\n")]),
        _permit: permit,
        shared,
    };
    let body = stream::unfold(reader, |mut reader| async move {
        let bytes = reader.next().await?;
        Some((Ok::<_, Infallible>(bytes), reader))
    });
    (
        [(header::CONTENT_TYPE, "text/event-stream")],
        Body::from_stream(body),
    )
        .into_response()
}

impl Reader {
    /// `None` when the station stops.
    async fn next(&mut self) -> Option<Bytes> {
        if let Some(bytes) = self.waiting.pop_front() {
            return Some(bytes);
        }
        let Some(seen) = &self.seen else {
            let new = self.snapshots.borrow_and_update().clone();
            let hello = self.hello(&new);
            self.seen = Some(new);
            return Some(hello);
        };
        loop {
            tokio::select! {
                changed = self.snapshots.changed() => {
                    changed.ok()?;
                    break;
                }
                () = tokio::time::sleep(ALIVE) => {
                    // What a station shows that stands still may be old.
                    if self.shared.station.alive() {
                        return Some(event("alive", "{}"));
                    }
                }
            }
        }
        let new = self.snapshots.borrow_and_update().clone();
        let (changed, gone) = feed::difference(seen, &new);
        self.seen = Some(new);
        let gone: Vec<&str> = gone.iter().map(BayName::as_str).collect();
        let gone = serde_json::to_string(&gone).unwrap_or_default();
        let data = format!("{{\"bays\":[{}],\"gone\":{gone}}}", changed.join(","));
        Some(event("bays", &data))
    }

    fn hello(&self, all: &feed::Snapshot) -> Bytes {
        let bays: Vec<&str> = all.values().map(|json| &**json).collect();
        let station = serde_json::to_string(&self.shared.name).unwrap_or_default();
        let version = env!("CARGO_PKG_VERSION");
        let data = format!(
            "{{\"station\":{station},\"version\":\"{version}\",\"bays\":[{}]}}",
            bays.join(",")
        );
        event("hello", &data)
    }
}

/// `data` is one line.
fn event(name: &str, data: &str) -> Bytes {
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}

//! The officer page and its live feed (server-sent events).
//!
//! `hello` comes first and has every bay; `bays` has what changed; `alive` comes at least every other second, so that a page
//! can tell a lost connection, or a station whose main loop hangs, from a station where nothing happens.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::watch;

use super::state::WebState;
use super::{assets, feed};
use crate::model::BayName;

const ALIVE: Duration = Duration::from_millis(1500);

pub(super) async fn page(State(state): State<Arc<WebState>>) -> Response {
    assets::page(assets::OFFICER, &state.entrance.language)
}

struct FeedReader {
    state: Arc<WebState>,
    snapshots: watch::Receiver<feed::Snapshot>,
    seen: Option<feed::Snapshot>,
    waiting: VecDeque<Bytes>,
}

pub(super) async fn events(State(state): State<Arc<WebState>>) -> Response {
    let reader = FeedReader {
        snapshots: state.snapshots.clone(),
        seen: None,
        waiting: VecDeque::from([Bytes::from_static(b"retry: 1000\n\n")]),
        state,
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

impl FeedReader {
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
                    // A main loop that hangs may show an old state.
                    if self.state.alive() {
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
        let station = serde_json::to_string(&self.state.station_name).unwrap_or_default();
        let version = env!("CARGO_PKG_VERSION");
        let tagging = serde_json::to_string(&self.state.tag_categories()).unwrap_or_default();
        let data = format!(
            "{{\"station\":{station},\"version\":\"{version}\",\"tagging\":{tagging},\"bays\":[{}]}}",
            bays.join(",")
        );
        event("hello", &data)
    }
}

/// `data` is one line.
fn event(name: &str, data: &str) -> Bytes {
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}

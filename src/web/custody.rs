//! One item with its custody as the log tells it, a page of entries at a time: what is cut says so, and says where it goes on.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Extension, Path, Query, State};
use axum::http::StatusCode;
use axum::response::IntoResponse as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Viewer;
use super::evidence::{Answer, Item, archive, broken, refuse};
use super::server::{Archive, Shared};
use crate::journal::{FoundItem, JournalError};

/// Entries of one page.
const PAGE: usize = 500;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    /// The last entry of the page before this one.
    after: Option<u64>,
}

/// What the log says of an item and of its dock session, in the log's order.
#[derive(Debug, Default, Serialize)]
struct Told {
    custody: Vec<Value>,
    /// So many entries in all.
    entries: u64,
    /// Where the next page begins: after this entry.
    next: Option<u64>,
    /// Entries of the log that were looked through for them, from its first on.
    looked_at: u64,
}

pub(super) async fn item(
    State(shared): State<Arc<Shared>>,
    Extension(viewer): Extension<Viewer>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Answer {
    tokio::task::block_in_place(|| {
        let Ok(id) = id.parse() else {
            return Err(refuse(
                StatusCode::BAD_REQUEST,
                "this is not an evidence id\n",
            ));
        };
        let archive = archive(&shared)?;
        let Some(found) = archive.journal.found(id).map_err(|e| broken(&e))? else {
            return Err(refuse(StatusCode::NOT_FOUND, "there is no such item\n"));
        };
        shared.accesses.enter(
            &*shared.station,
            &viewer,
            peer.ip(),
            "evidence.viewed",
            Some(id),
            "item and custody",
        )?;
        let log_entries = archive.log.latest().0.size;
        let custody = custody(archive, &found, asked.after).map_err(|e| broken(&e))?;
        let proven = |index: Option<u64>| index.map(|index| archive.log.proof(index).is_ok());
        let mut body = serde_json::to_value(custody).unwrap_or_default();
        body["proof"] = serde_json::json!({
            "sealed": proven(found.log_index),
            "stored": proven(found.stored_index),
            "log_entries": log_entries,
        });
        body["item"] = serde_json::to_value(Item::from(found)).unwrap_or_default();
        Ok(axum::Json(body).into_response())
    })
}

fn custody(archive: &Archive, item: &FoundItem, after: Option<u64>) -> Result<Told, JournalError> {
    let Some(index) = &archive.entries else {
        return Ok(Told::default());
    };
    let first = after.map_or(0, |after| after.saturating_add(1));
    let ids = [item.id.as_bytes(), item.session.as_bytes()];
    // The index follows the log by a moment: what is newest is looked at here.
    let upto = index.upto()?;
    let newest = archive.log.entries_from(upto).unwrap_or_default();
    let looked_at = upto + newest.len() as u64;
    let newest: Vec<u64> = (upto..)
        .zip(&newest)
        .filter_map(|(at, bytes)| speaks_of(item, bytes).then_some(at))
        .collect();
    let mut numbers = index.of(ids, first, PAGE + 1)?;
    numbers.extend(newest.iter().filter(|at| **at >= first));
    numbers.sort_unstable();
    numbers.dedup();
    let more = numbers.len() > PAGE;
    numbers.truncate(PAGE);
    let next = numbers.last().copied().filter(|_| more);
    let custody = numbers.into_iter().filter_map(|number| {
        let bytes = archive.log.entry(number).ok()?;
        let mut entry: Value = serde_json::from_slice(&bytes).ok()?;
        entry["entry"] = number.into();
        Some(entry)
    });
    Ok(Told {
        custody: custody.collect(),
        entries: index.count(ids, upto)? + newest.len() as u64,
        next,
        looked_at,
    })
}

fn speaks_of(item: &FoundItem, bytes: &[u8]) -> bool {
    let Ok(entry) = serde_json::from_slice::<Value>(bytes) else {
        return false;
    };
    let (id, session) = (item.id.to_string(), item.session.to_string());
    let of_item = |data: &Value| data["evidence"] == id.as_str();
    let files = entry["data"]["files"].as_array();
    let docking = matches!(
        entry["event"].as_str(),
        Some("camera.docked" | "camera.undocked")
    );
    of_item(&entry["data"])
        || files.is_some_and(|files| files.iter().any(of_item))
        || docking && entry["session"] == session.as_str()
}

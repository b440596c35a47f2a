//! One item with its custody as the log has it, a page of entries at a time. A page that is not the whole says so, and where it
//! goes on.

use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::access_log::{AccessAction, AccessEntry, Evidence, EvidenceRequest, LoggedRequest};
use super::evidence::{query, unreadable};
use super::{Archive, RefusedRequest};
use crate::journal::{FoundItem, JournalError};
use crate::model::EvidenceId;

/// Entries of one page.
const PAGE: usize = 500;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PageQuery {
    /// The last entry of the page before this one.
    after: Option<u64>,
}

/// The log's entries about an item and its dock session, in the log's order.
#[derive(Debug, Default, Serialize)]
struct CustodyPage {
    custody: Vec<Value>,
    /// How many entries there are in all.
    entries: u64,
    /// The next page begins after this entry.
    next: Option<u64>,
    /// How many entries of the log, from its first on, were searched.
    searched: u64,
}

pub(super) struct ItemRequest {
    item: FoundItem,
    after: Option<u64>,
}

impl EvidenceRequest for ItemRequest {
    fn read(parts: &Parts, evidence: &Evidence) -> Result<Self, RefusedRequest> {
        let id: EvidenceId = last_segment(parts).parse().map_err(|_| {
            RefusedRequest::new(StatusCode::BAD_REQUEST, "this is not an evidence id\n")
        })?;
        let PageQuery { after } = query(parts)?;
        let found = evidence.archive()?.journal.found(id);
        let Some(item) = found.map_err(|e| unreadable(&e))? else {
            let text = "there is no such item\n";
            return Err(RefusedRequest::new(StatusCode::NOT_FOUND, text));
        };
        Ok(Self { item, after })
    }

    fn access(&self) -> AccessEntry {
        AccessEntry {
            action: AccessAction::Viewed,
            evidence: Some(self.item.id),
            description: "item and custody".into(),
        }
    }
}

/// An evidence id has no character that an address would escape.
fn last_segment(parts: &Parts) -> &str {
    parts.uri.path().rsplit('/').next().unwrap_or_default()
}

pub(super) async fn item(
    LoggedRequest {
        request, evidence, ..
    }: LoggedRequest<ItemRequest>,
) -> Result<axum::Json<Value>, RefusedRequest> {
    let ItemRequest { item, after } = request;
    tokio::task::block_in_place(|| {
        let archive = evidence.archive()?;
        let log_entries = archive.log.latest().0.size;
        let custody = custody(archive, &item, after).map_err(|e| unreadable(&e))?;
        let proven = |index: Option<u64>| index.map(|index| archive.log.proof(index).is_ok());
        let mut body = serde_json::to_value(custody).unwrap_or_default();
        body["proof"] = serde_json::json!({
            "sealed": proven(item.log_index),
            "stored": proven(item.stored_index),
            "log_entries": log_entries,
        });
        body["item"] = serde_json::to_value(item).unwrap_or_default();
        Ok(axum::Json(body))
    })
}

fn custody(
    archive: &Archive,
    item: &FoundItem,
    after: Option<u64>,
) -> Result<CustodyPage, JournalError> {
    let Some(index) = &archive.entries else {
        return Ok(CustodyPage::default());
    };
    let first = after.map_or(0, |after| after.saturating_add(1));
    let ids = [item.id.as_bytes(), item.session.as_bytes()];
    // The index lags behind the log by a moment: the newest entries are read here.
    let upto = index.upto()?;
    let newest = archive.log.entries_from(upto).unwrap_or_default();
    let searched = upto + newest.len() as u64;
    let newest: Vec<u64> = (upto..)
        .zip(&newest)
        .filter_map(|(at, bytes)| mentions(item, bytes).then_some(at))
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
    Ok(CustodyPage {
        custody: custody.collect(),
        entries: index.count(ids, upto)? + newest.len() as u64,
        next,
        searched,
    })
}

fn mentions(item: &FoundItem, bytes: &[u8]) -> bool {
    let Ok(entry) = serde_json::from_slice::<Value>(bytes) else {
        return false;
    };
    let (id, session) = (item.id.to_string(), item.session.to_string());
    let of_item = |data: &Value| data["evidence"] == id.as_str();
    let files = entry["data"]["files"].as_array();
    let docking = matches!(
        entry["event"].as_str(),
        Some("camera.docked" | "camera.undocked" | "session.ended")
    );
    of_item(&entry["data"])
        || files.is_some_and(|files| files.iter().any(of_item))
        || docking && entry["session"] == session.as_str()
}

//! The search of the evidence page and of its export, and one line of its results.

use axum::http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::RefusedRequest;
use crate::journal::{FoundItem, Search, SearchCursor};
use crate::model::{EvidenceId, ItemKind, ItemState};

const TEXT_MAX: usize = 200;

fn bad_request(text: &str) -> RefusedRequest {
    RefusedRequest::new(StatusCode::BAD_REQUEST, text)
}

/// The search as the page's form sends it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct SearchRequest {
    officer: String,
    camera: String,
    from: String,
    to: String,
    /// `quarantine`, or a group of states: `reading`, `secured`, `stored`.
    state: String,
    text: String,
    /// The last item of the page before: `0/` or `1/` and an evidence id.
    after: String,
    pub limit: Option<u32>,
    pub format: String,
}

impl SearchRequest {
    pub fn search(&self) -> Result<Search, RefusedRequest> {
        let given = |text: &str| {
            let text = text.trim();
            (!text.is_empty()).then(|| text.chars().take(TEXT_MAX).collect::<String>())
        };
        let day = |text: &str| match given(text) {
            None => Ok(None),
            Some(day) => day
                .parse::<jiff::civil::Date>()
                .map(|day| Some(day.to_string()))
                .map_err(|_| bad_request("a day is written as 2026-01-31\n")),
        };
        let states = match self.state.as_str() {
            "reading" => vec![ItemState::Pulling],
            "secured" => vec![ItemState::Sealed, ItemState::Logged, ItemState::Uploading],
            "stored" => vec![ItemState::Stored, ItemState::Released],
            "" | "quarantine" => Vec::new(),
            _ => return Err(bad_request("there is no such state\n")),
        };
        Ok(Search {
            officer: given(&self.officer),
            camera: given(&self.camera),
            from_day: day(&self.from)?,
            to_day: day(&self.to)?,
            states,
            text: given(&self.text),
            attention: self.state == "quarantine",
        })
    }

    /// What is searched for, as the custody log has it: without the position in the results.
    pub fn description(&self) -> String {
        let fields = [
            ("officer", &self.officer),
            ("camera", &self.camera),
            ("from", &self.from),
            ("to", &self.to),
            ("state", &self.state),
            ("text", &self.text),
        ];
        let given: Vec<_> = fields
            .iter()
            .filter(|(_, value)| !value.trim().is_empty())
            .map(|(name, value)| {
                format!(
                    "{name}={}",
                    value.trim().chars().take(TEXT_MAX).collect::<String>()
                )
            })
            .collect();
        if given.is_empty() {
            "everything".into()
        } else {
            given.join(" ")
        }
    }

    pub fn cursor(&self) -> Result<Option<SearchCursor>, RefusedRequest> {
        if self.after.is_empty() {
            return Ok(None);
        }
        let parsed = self.after.split_once('/').and_then(|(attention, id)| {
            Some(SearchCursor {
                attention: attention == "1",
                id: id.parse::<EvidenceId>().ok()?,
            })
        });
        parsed
            .map(Some)
            .ok_or_else(|| bad_request("there is no such page\n"))
    }
}

/// One item for the page and for exports.
#[derive(Debug, Serialize)]
pub(super) struct ItemLine {
    pub evidence: EvidenceId,
    pub camera: Option<String>,
    pub officer: Option<String>,
    pub bay: Option<String>,
    /// With invisible characters escaped.
    pub path: String,
    pub bytes: u64,
    pub camera_time: Option<Timestamp>,
    pub kind: ItemKind,
    /// The officer marked it on the camera.
    pub flagged: bool,
    pub docked: Option<Timestamp>,
    pub state: ItemState,
    pub sha256: Option<String>,
    pub quarantine: Option<String>,
    pub decision: Option<String>,
    pub stored_at: Option<Timestamp>,
    pub log_entry: Option<u64>,
    pub stored_entry: Option<u64>,
}

impl From<FoundItem> for ItemLine {
    fn from(item: FoundItem) -> Self {
        Self {
            evidence: item.id,
            camera: item.camera.map(|c| c.to_string()),
            officer: item.officer.map(|o| o.0),
            bay: item.bay.map(|b| b.to_string()),
            path: item.path.to_string(),
            bytes: item.size,
            camera_time: item.modified,
            kind: item.kind,
            flagged: item.flagged,
            docked: item.docked,
            state: item.state,
            sha256: item.sha256.map(|d| d.to_string()),
            quarantine: item.quarantine,
            decision: item.decision,
            stored_at: item.stored_at,
            log_entry: item.log_index,
            stored_entry: item.stored_index,
        }
    }
}

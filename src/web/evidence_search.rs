//! The search of the evidence page and of its export.

use axum::http::StatusCode;
use serde::Deserialize;

use super::RefusedRequest;
use crate::journal::{Search, SearchCursor};
use crate::model::{EvidenceId, ItemState};

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

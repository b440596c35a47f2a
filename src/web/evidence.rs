//! The evidence page's data: search, completeness, problems. Nothing is changed here.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use jiff::{Timestamp, ToSpan as _};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::access_log::{AccessEntry, Evidence, EvidenceRequest, LoggedRequest};
use super::evidence_search::SearchRequest;
use super::state::WebState;
use super::{RefusedRequest, assets};
use crate::journal::{CameraDay, JournalError, Search, SearchCursor};
use crate::model::{Explain as _, ItemState, StatusView};

const PAGE: u32 = 50;
const PAGE_MAX: u32 = 200;
/// Rows of cameras and days on the page.
const DAYS_MAX: u32 = 5_000;

type JsonReply = Result<axum::Json<serde_json::Value>, RefusedRequest>;

pub(super) async fn page(State(state): State<Arc<WebState>>) -> Response {
    assets::page(assets::EVIDENCE, &state.entrance.language)
}

/// The parameters in the address.
pub(super) fn query<T: DeserializeOwned>(parts: &Parts) -> Result<T, RefusedRequest> {
    let Query(query) = Query::try_from_uri(&parts.uri).map_err(RefusedRequest::from_response)?;
    Ok(query)
}

pub(super) fn unreadable(error: &JournalError) -> RefusedRequest {
    tracing::error!(code = error.label(), %error, next_step = error.next_step(), "the evidence page cannot read the journal");
    let text = format!("{error}: {}\n", error.next_step());
    RefusedRequest::new(StatusCode::SERVICE_UNAVAILABLE, text).coded(error.label())
}

pub(super) struct ListRequest {
    search: Search,
    after: Option<SearchCursor>,
    limit: u32,
    description: String,
}

impl EvidenceRequest for ListRequest {
    fn read(parts: &Parts, _: &Evidence) -> Result<Self, RefusedRequest> {
        let request: SearchRequest = query(parts)?;
        Ok(Self {
            search: request.search()?,
            after: request.cursor()?,
            limit: request.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX),
            description: request.description(),
        })
    }

    fn access(&self) -> AccessEntry {
        AccessEntry::listed(&self.description)
    }
}

pub(super) async fn list(
    LoggedRequest {
        request, evidence, ..
    }: LoggedRequest<ListRequest>,
) -> JsonReply {
    tokio::task::block_in_place(|| {
        let journal = &evidence.archive()?.journal;
        let found = journal
            .search(&request.search, request.after, request.limit)
            .map_err(|e| unreadable(&e))?;
        let count = match request.after {
            None => Some(
                journal
                    .match_count(&request.search)
                    .map_err(|e| unreadable(&e))?,
            ),
            Some(_) => None,
        };
        let next = found
            .next
            .map(|next| format!("{}/{}", u8::from(next.attention), next.id));
        Ok(axum::Json(serde_json::json!({
            "items": found.items,
            "next": next,
            "count": count.map(|count| count.items),
            "more_than_count": count.is_some_and(|count| count.more),
        })))
    })
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct DaysRequest {
    from: String,
    to: String,
    pub format: String,
}

impl DaysRequest {
    /// Inclusive; the last thirty days where nothing else is given.
    pub fn range(&self) -> Result<(String, String), RefusedRequest> {
        let today = Timestamp::now()
            .to_zoned_datetime(jiff::tz::TimeZone::UTC)
            .date();
        let month_ago = today.saturating_sub(30.days());
        let day = |text: &str, default: jiff::civil::Date| match text.trim() {
            "" => Ok(default.to_string()),
            given => given
                .parse::<jiff::civil::Date>()
                .map(|day| day.to_string())
                .map_err(|_| {
                    RefusedRequest::new(StatusCode::BAD_REQUEST, "a day is written as 2026-01-31\n")
                }),
        };
        Ok((day(&self.from, month_ago)?, day(&self.to, today)?))
    }
}

/// All rows of these days, or none: a truncated list must not look whole.
pub(super) fn days(
    evidence: &Evidence,
    from: &str,
    to: &str,
    most: u32,
) -> Result<Vec<CameraDay>, RefusedRequest> {
    let journal = &evidence.archive()?.journal;
    let days = journal.completeness(from, to, most + 1);
    whole(days.map_err(|e| unreadable(&e))?, most)
}

fn whole(days: Vec<CameraDay>, most: u32) -> Result<Vec<CameraDay>, RefusedRequest> {
    if days.len() as u64 > u64::from(most) {
        let text = format!(
            "these days have more than {most} lines of cameras and days: ask for fewer days\n"
        );
        return Err(RefusedRequest::new(StatusCode::BAD_REQUEST, text));
    }
    Ok(days)
}

pub(super) struct CompletenessRequest {
    from: String,
    to: String,
}

impl EvidenceRequest for CompletenessRequest {
    fn read(parts: &Parts, _: &Evidence) -> Result<Self, RefusedRequest> {
        let (from, to) = query::<DaysRequest>(parts)?.range()?;
        Ok(Self { from, to })
    }

    fn access(&self) -> AccessEntry {
        AccessEntry::listed(format!("completeness from={} to={}", self.from, self.to))
    }
}

pub(super) async fn completeness(
    LoggedRequest {
        request, evidence, ..
    }: LoggedRequest<CompletenessRequest>,
) -> JsonReply {
    let CompletenessRequest { from, to } = request;
    let days = tokio::task::block_in_place(|| days(&evidence, &from, &to, DAYS_MAX))?;
    let body = serde_json::json!({ "days": days, "from": from, "to": to });
    Ok(axum::Json(body))
}

pub(super) struct ProblemsRequest;

impl EvidenceRequest for ProblemsRequest {
    fn read(_: &Parts, _: &Evidence) -> Result<Self, RefusedRequest> {
        Ok(Self)
    }

    fn access(&self) -> AccessEntry {
        AccessEntry::listed("problems")
    }
}

/// What needs a person, for the top of the page.
pub(super) async fn problems(
    LoggedRequest { evidence, .. }: LoggedRequest<ProblemsRequest>,
) -> JsonReply {
    tokio::task::block_in_place(|| {
        let backend = &evidence.backend;
        let view = backend.status().map_err(|text| {
            RefusedRequest::new(StatusCode::SERVICE_UNAVAILABLE, text).coded("journal_error")
        })?;
        let overview = evidence.archive()?.journal.overview(Timestamp::now());
        let overview = overview.map_err(|e| unreadable(&e))?;
        Ok(axum::Json(serde_json::json!({
            "undecided": overview.undecided,
            "missing": overview.missing,
            "waiting": waiting_for_store(&view),
            "oldest_unstored": overview.oldest_unstored.and_then(|id| id.made()),
            "store": view.outbound.problem,
            "alarms": view.outbound.alarms,
            "wiping": view.wiping,
            "clock": view.clock,
            "log_entries": view.log_entries,
            "verification": backend.verification(),
            "completeness": backend.completeness(),
            "station": view.station,
        })))
    })
}

fn waiting_for_store(view: &StatusView) -> u64 {
    let waiting = [ItemState::Sealed, ItemState::Logged, ItemState::Uploading];
    let counts = view.items.iter();
    counts
        .filter(|total| waiting.contains(&total.state))
        .map(|total| total.items)
        .sum()
}

pub(super) struct StatusRequest;

impl EvidenceRequest for StatusRequest {
    fn read(_: &Parts, _: &Evidence) -> Result<Self, RefusedRequest> {
        Ok(Self)
    }

    fn access(&self) -> AccessEntry {
        AccessEntry::listed("status")
    }
}

/// For operations. It names items that are being uploaded, so it is an access like any other.
pub(super) async fn status(
    LoggedRequest { evidence, .. }: LoggedRequest<StatusRequest>,
) -> Result<axum::Json<StatusView>, RefusedRequest> {
    let view = tokio::task::block_in_place(|| evidence.backend.status());
    let view = view.map_err(|text| RefusedRequest::new(StatusCode::SERVICE_UNAVAILABLE, text))?;
    Ok(axum::Json(view))
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;

    use super::*;

    #[test]
    fn days_are_shown_whole_or_refused() {
        let lines = |count: usize| whole(vec![CameraDay::default(); count], 3);
        assert_eq!(lines(3).unwrap_or_default().len(), 3);
        let refused = lines(4).err().unwrap().into_response();
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    }
}

//! The evidence page's data: search, completeness, problems. Reading only.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, Extension, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use jiff::{Timestamp, ToSpan as _};
use serde::{Deserialize, Serialize};

use super::server::{Archive, Shared};
use super::{Refused, Viewer, assets};
use crate::journal::{CameraDay, FoundItem, JournalError, Search, SearchCursor};
use crate::model::{EvidenceId, Explain as _, ItemState};

const PAGE: u32 = 50;
const PAGE_MAX: u32 = 200;
/// Lines of cameras and days on the page, and in a file.
const DAYS_MAX: u32 = 5_000;
pub(super) const DAYS_EXPORTED_MAX: u32 = 100_000;
const TEXT_MAX: usize = 200;

pub(super) type Answer = Result<Response, Refused>;

pub(super) async fn page(State(shared): State<Arc<Shared>>) -> Response {
    assets::page(assets::EVIDENCE, &shared.language)
}

/// The search as the page's form and its address have it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    officer: String,
    camera: String,
    from: String,
    to: String,
    /// `quarantine`, or a group of states: `reading`, `secured`, `stored`.
    state: String,
    text: String,
    /// Where the page begins: `0/` or `1/` and an evidence id.
    after: String,
    limit: Option<u32>,
    pub format: String,
}

pub(super) fn refuse(status: StatusCode, text: impl Into<String>) -> Refused {
    Refused::new(status, text)
}

pub(super) fn broken(error: &JournalError) -> Refused {
    tracing::error!(code = error.label(), %error, next_step = error.next_step(), "the evidence page cannot read the journal");
    let text = format!("{error}: {}\n", error.next_step());
    refuse(StatusCode::SERVICE_UNAVAILABLE, text).coded(error.label())
}

impl Asked {
    pub fn search(&self) -> Result<Search, Refused> {
        let given = |text: &str| {
            let text = text.trim();
            (!text.is_empty()).then(|| text.chars().take(TEXT_MAX).collect::<String>())
        };
        let day = |text: &str| match given(text) {
            None => Ok(None),
            Some(day) => day
                .parse::<jiff::civil::Date>()
                .map(|day| Some(day.to_string()))
                .map_err(|_| refuse(StatusCode::BAD_REQUEST, "a day is written as 2026-01-31\n")),
        };
        let states = match self.state.as_str() {
            "reading" => vec![ItemState::Pulling],
            "secured" => vec![ItemState::Sealed, ItemState::Logged, ItemState::Uploading],
            "stored" => vec![ItemState::Stored, ItemState::Released],
            "" | "quarantine" => Vec::new(),
            _ => return Err(refuse(StatusCode::BAD_REQUEST, "there is no such state\n")),
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

    /// For the custody log: what was looked for, without the page.
    pub fn told(&self) -> String {
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

    fn cursor(&self) -> Result<Option<SearchCursor>, Refused> {
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
            .ok_or_else(|| refuse(StatusCode::BAD_REQUEST, "there is no such page\n"))
    }
}

/// One item for the page and for exports.
#[derive(Debug, Serialize)]
pub(super) struct Item {
    pub evidence: EvidenceId,
    pub camera: Option<String>,
    pub officer: Option<String>,
    pub bay: Option<String>,
    /// Escaped for showing.
    pub path: String,
    pub bytes: u64,
    pub camera_time: Option<Timestamp>,
    pub docked: Option<Timestamp>,
    pub state: ItemState,
    pub sha256: Option<String>,
    pub quarantine: Option<String>,
    pub decision: Option<String>,
    pub stored_at: Option<Timestamp>,
    pub log_entry: Option<u64>,
    pub stored_entry: Option<u64>,
}

impl From<FoundItem> for Item {
    fn from(item: FoundItem) -> Self {
        Self {
            evidence: item.id,
            camera: item.camera.map(|c| c.to_string()),
            officer: item.officer.map(|o| o.0),
            bay: item.bay.map(|b| b.to_string()),
            path: item.path.to_string(),
            bytes: item.size,
            camera_time: item.modified,
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

pub(super) fn archive(shared: &Shared) -> Result<&Archive, Refused> {
    shared.archive.as_deref().ok_or_else(|| {
        refuse(
            StatusCode::SERVICE_UNAVAILABLE,
            "the journal cannot be read\n",
        )
        .coded("journal_error")
    })
}

pub(super) async fn list(
    State(shared): State<Arc<Shared>>,
    Extension(viewer): Extension<Viewer>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Query(asked): Query<Asked>,
) -> Answer {
    tokio::task::block_in_place(|| {
        let (search, after) = (asked.search()?, asked.cursor()?);
        let limit = asked.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX);
        let told = asked.told();
        shared.accesses.enter(
            &*shared.station,
            &viewer,
            peer.ip(),
            "evidence.listed",
            None,
            &told,
        )?;
        let journal = &archive(&shared)?.journal;
        let found = journal
            .search(&search, after, limit)
            .map_err(|e| broken(&e))?;
        let count = match after {
            None => Some(journal.match_count(&search).map_err(|e| broken(&e))?),
            Some(_) => None,
        };
        let next = found
            .next
            .map(|next| format!("{}/{}", u8::from(next.attention), next.id));
        let items: Vec<Item> = found.items.into_iter().map(Item::from).collect();
        let body = serde_json::json!({
            "items": items,
            "next": next,
            "count": count.map(|count| count.items),
            "more_than_count": count.is_some_and(|count| count.more),
        });
        Ok(axum::Json(body).into_response())
    })
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Days {
    from: String,
    to: String,
    pub format: String,
}

impl Days {
    /// Inclusive; the last thirty days unless told otherwise.
    pub fn range(&self) -> Result<(String, String), Refused> {
        let today = Timestamp::now()
            .to_zoned_datetime(jiff::tz::TimeZone::UTC)
            .date();
        let month_ago = today.saturating_sub(30.days());
        let day = |text: &str, default: jiff::civil::Date| match text.trim() {
            "" => Ok(default.to_string()),
            given => given
                .parse::<jiff::civil::Date>()
                .map(|day| day.to_string())
                .map_err(|_| refuse(StatusCode::BAD_REQUEST, "a day is written as 2026-01-31\n")),
        };
        Ok((day(&self.from, month_ago)?, day(&self.to, today)?))
    }
}

#[derive(Debug, Serialize)]
pub(super) struct DayLine {
    pub day: String,
    pub camera: Option<String>,
    pub officers: String,
    pub sessions: u64,
    pub interrupted: u64,
    pub seen: u64,
    pub held: u64,
    pub sealed: u64,
    pub stored: u64,
    pub missing: u64,
}

impl From<CameraDay> for DayLine {
    fn from(day: CameraDay) -> Self {
        Self {
            day: day.day,
            camera: day.camera,
            officers: day.officers,
            sessions: day.sessions,
            interrupted: day.interrupted,
            seen: day.seen,
            held: day.held,
            sealed: day.sealed,
            stored: day.stored,
            missing: day.missing,
        }
    }
}

/// All lines of these days, or none: what is cut must not look whole.
pub(super) fn days(
    shared: &Shared,
    from: &str,
    to: &str,
    most: u32,
) -> Result<Vec<DayLine>, Refused> {
    let days = archive(shared)?.journal.completeness(from, to, most + 1);
    whole(days.map_err(|e| broken(&e))?, most)
}

fn whole(days: Vec<CameraDay>, most: u32) -> Result<Vec<DayLine>, Refused> {
    if days.len() as u64 > u64::from(most) {
        let text = format!(
            "these days have more than {most} lines of cameras and days: ask for fewer days\n"
        );
        return Err(refuse(StatusCode::BAD_REQUEST, text));
    }
    Ok(days.into_iter().map(DayLine::from).collect())
}

pub(super) async fn completeness(
    State(shared): State<Arc<Shared>>,
    Extension(viewer): Extension<Viewer>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Query(asked): Query<Days>,
) -> Answer {
    tokio::task::block_in_place(|| {
        let (from, to) = asked.range()?;
        let told = format!("completeness from={from} to={to}");
        shared.accesses.enter(
            &*shared.station,
            &viewer,
            peer.ip(),
            "evidence.listed",
            None,
            &told,
        )?;
        let days = days(&shared, &from, &to, DAYS_MAX)?;
        Ok(axum::Json(serde_json::json!({ "days": days, "from": from, "to": to })).into_response())
    })
}

/// What needs somebody, first on the page.
pub(super) async fn problems(
    State(shared): State<Arc<Shared>>,
    Extension(viewer): Extension<Viewer>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
) -> Answer {
    tokio::task::block_in_place(|| {
        shared.accesses.enter(
            &*shared.station,
            &viewer,
            peer.ip(),
            "evidence.listed",
            None,
            "problems",
        )?;
        let view = shared
            .station
            .status()
            .map_err(|e| refuse(StatusCode::SERVICE_UNAVAILABLE, e).coded("journal_error"))?;
        let now = Timestamp::now();
        let overview = archive(&shared)?
            .journal
            .overview(now)
            .map_err(|e| broken(&e))?;
        let waiting: u64 = view
            .items
            .iter()
            .filter(|total| {
                matches!(
                    total.state,
                    ItemState::Sealed | ItemState::Logged | ItemState::Uploading
                )
            })
            .map(|total| total.items)
            .sum();
        let body = serde_json::json!({
            "undecided": overview.undecided,
            "missing": overview.missing,
            "waiting": waiting,
            "oldest_unstored": overview.oldest_unstored.and_then(|id| id.made()),
            "store": view.outbound.problem,
            "alarms": view.outbound.alarms,
            "wiping": view.wiping,
            "clock": view.clock,
            "log_entries": view.log_entries,
            "verification": shared.station.verification(),
            "completeness": shared.station.completeness(),
            "station": view.station,
        });
        Ok(axum::Json(body).into_response())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_shown_whole_or_refused() {
        let lines = |count: usize| whole(vec![CameraDay::default(); count], 3);
        assert_eq!(lines(3).unwrap_or_default().len(), 3);
        let refused = lines(4).err().unwrap().into_response();
        assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    }
}

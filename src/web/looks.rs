//! The office's page of who saw what in a month, and why: made to be printed, and the same as a file. Reading it is an access itself.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use jiff::civil::{Date, Time};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde::{Deserialize, Serialize};

use super::access_log::{AccessEntry, EvidenceRequest, LoggedRequest, query};
use super::export::{ExportFormat, ExportStep};
use super::office::{OfficeBackend, OfficeState};
use super::{RefusedRequest, assets};
use crate::model::{EvidenceId, StationName};

/// Looks read at a time.
const STEP: u32 = 500;
const COLUMNS: &[&str] = &[
    "time",
    "operator",
    "peer",
    "act",
    "part",
    "station",
    "evidence",
    "path",
    "camera_time",
    "reason",
    "entry",
];

/// Somebody got to see footage, or set out to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SeenItem {
    pub time: Option<Timestamp>,
    pub operator: Option<String>,
    pub peer: Option<String>,
    /// The act's kind, as the office's log has it.
    pub act: String,
    /// Where one object alone was asked for.
    pub part: Option<String>,
    pub station: StationName,
    pub evidence: EvidenceId,
    pub path: Option<String>,
    pub camera_time: Option<Timestamp>,
    /// Absent where its text cannot be had.
    pub reason: Option<String>,
    /// In the office's log.
    pub entry: u64,
}

/// Some of a month's looks, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SeenPage {
    pub looks: Vec<SeenItem>,
    /// The entry after which there may be more.
    pub next: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct SeenQuery {
    /// `2026-11`; if empty: the present one.
    month: String,
    after: Option<u64>,
    format: String,
}

pub(super) struct SeenRequest {
    month: String,
    range: (Timestamp, Timestamp),
    after: Option<u64>,
    format: Option<ExportFormat>,
}

/// A month of UTC: its name, its first moment, and the first after it.
fn month(text: &str) -> Option<(String, (Timestamp, Timestamp))> {
    let now = Timestamp::now().to_zoned_datetime(TimeZone::UTC).date();
    let first = match text.trim() {
        "" => now.first_of_month(),
        given if given.len() == 7 => format!("{given}-01").parse::<Date>().ok()?,
        _ => return None,
    };
    let at = |day: Date| {
        TimeZone::UTC
            .to_timestamp(day.to_datetime(Time::midnight()))
            .ok()
    };
    let range = (at(first)?, at(first.checked_add(1.month()).ok()?)?);
    Some((format!("{:04}-{:02}", first.year(), first.month()), range))
}

impl EvidenceRequest<dyn OfficeBackend> for SeenRequest {
    fn read(parts: &Parts, _: &(dyn OfficeBackend + 'static)) -> Result<Self, RefusedRequest> {
        let asked: SeenQuery = query(parts)?;
        let no_month =
            || RefusedRequest::new(StatusCode::BAD_REQUEST, "a month is written as 2026-11\n");
        let (month, range) = month(&asked.month).ok_or_else(no_month)?;
        let format = match &*asked.format {
            "" => None,
            format => Some(ExportFormat::parse(format)?),
        };
        Ok(Self {
            month,
            range,
            after: asked.after,
            format,
        })
    }

    fn access(&self) -> AccessEntry {
        let what = format!("who saw what in {}", self.month);
        match self.format {
            Some(_) => AccessEntry::exported(what),
            None => AccessEntry::listed(what),
        }
    }
}

pub(super) async fn page(State(state): State<OfficeState>) -> Response {
    assets::page(assets::LOOKS, &state.entrance.language)
}

pub(super) async fn list(
    LoggedRequest {
        request,
        evidence,
        viewer,
    }: LoggedRequest<SeenRequest, dyn OfficeBackend>,
) -> Result<axum::Json<SeenPage>, RefusedRequest> {
    let SeenRequest { range, after, .. } = request;
    let seen = tokio::task::block_in_place(|| evidence.looks(&viewer.sight(), range, after, STEP));
    Ok(axum::Json(seen?))
}

pub(super) async fn export(
    LoggedRequest {
        request,
        evidence,
        viewer,
    }: LoggedRequest<SeenRequest, dyn OfficeBackend>,
) -> Response {
    let SeenRequest {
        month,
        range,
        format,
        ..
    } = request;
    let sight = viewer.sight();
    let name = format!("who-saw-what-{month}");
    let format = format.unwrap_or(ExportFormat::Csv);
    format.searched(&name, COLUMNS, move |after| {
        let seen = evidence.looks(&sight, range, after, STEP);
        let seen = seen.map_err(|unreadable| unreadable.why)?;
        Ok(ExportStep {
            records: seen.looks,
            next: seen.next,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_is_all_of_it_and_nothing_else() {
        let of =
            |text| month(text).map(|(name, (from, to))| (name, from.to_string(), to.to_string()));
        let expected = (
            "2026-12".into(),
            "2026-12-01T00:00:00Z".into(),
            "2027-01-01T00:00:00Z".into(),
        );
        assert_eq!(of("2026-12"), Some(expected));
        assert!(of("").is_some());
        for wrong in [
            "2026-13",
            "2026-1",
            "2026-11-01",
            "december",
            "9999-12",
            "äöü",
            "2026-1ö",
        ] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }
}

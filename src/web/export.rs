//! The same lists as files: CSV for spreadsheets, JSON (one object a line) for programs. A file is sent while it is read.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream;
use serde::Serialize;

use super::RefusedRequest;
use super::access_log::{AccessEntry, Evidence, EvidenceRequest, LoggedRequest};
use super::csv_rows::CsvRows;
use super::evidence::{DaysRequest, days, query};
use super::evidence_search::SearchRequest;
use super::state::WebState;
use crate::journal::Search;

/// Items read at a time.
const STEP: u32 = 1000;
/// Rows of cameras and days in one file.
const DAYS_EXPORTED_MAX: u32 = 100_000;

const ITEM_COLUMNS: &[&str] = &[
    "evidence",
    "camera",
    "officer",
    "bay",
    "path",
    "bytes",
    "camera_time",
    "kind",
    "flagged",
    "docked",
    "state",
    "sha256",
    "quarantine",
    "decision",
    "stored_at",
    "log_entry",
    "stored_entry",
];
const DAY_COLUMNS: &[&str] = &[
    "day",
    "camera",
    "officers",
    "sessions",
    "interrupted",
    "seen",
    "held",
    "sealed",
    "stored",
    "missing",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExportFormat {
    Csv,
    Json,
}

impl ExportFormat {
    pub fn parse(text: &str) -> Result<Self, RefusedRequest> {
        match text {
            "csv" => Ok(Self::Csv),
            "json" => Ok(Self::Json),
            _ => Err(RefusedRequest::new(
                StatusCode::BAD_REQUEST,
                "format is csv or json\n",
            )),
        }
    }

    /// A search as a file, read while it is sent: no more than a step of it is in memory.
    pub fn searched<T: Serialize + 'static, P: Send + 'static>(
        self,
        name: &str,
        columns: &'static [&'static str],
        read: impl FnMut(Option<P>) -> Result<ExportStep<T, P>, String> + Send + 'static,
    ) -> Response {
        let search = SentSearch {
            format: self,
            columns,
            read: Box::new(read),
            after: None,
            begun: false,
            ended: false,
        };
        let body = stream::unfold(search, |mut search| async move {
            let part = tokio::task::block_in_place(|| search.next())?;
            Some((part, search))
        });
        self.response(name, Body::from_stream(body))
    }

    fn response(self, name: &str, body: Body) -> Response {
        let (kind, end) = match self {
            Self::Csv => ("text/csv; charset=utf-8", "csv"),
            Self::Json => ("application/x-ndjson", "ndjson"),
        };
        let file = format!("attachment; filename=\"{name}.{end}\"");
        let headers = [
            (header::CONTENT_TYPE, kind.to_owned()),
            (header::CONTENT_DISPOSITION, file),
        ];
        (headers, body).into_response()
    }

    /// The lines of these records, after a heading if the file begins with them.
    pub fn lines(
        self,
        columns: &'static [&'static str],
        first: bool,
        records: &[impl Serialize],
    ) -> std::io::Result<Bytes> {
        let mut bytes = Vec::new();
        match self {
            Self::Json => {
                for record in records {
                    serde_json::to_writer(&mut bytes, record)?;
                    bytes.push(b'\n');
                }
            }
            Self::Csv => {
                let mut rows = CsvRows::new(bytes, csv::Terminator::CRLF, columns);
                if first {
                    rows.header()?;
                }
                for record in records {
                    rows.row(record)?;
                }
                bytes = rows.finish()?;
            }
        }
        Ok(Bytes::from(bytes))
    }
}

/// Records of a search, and where the next ones begin; no place: these are the last.
pub(super) struct ExportStep<T, P> {
    pub records: Vec<T>,
    pub next: Option<P>,
}

/// Reads the records that begin at a place; at none: the first.
type ReadStep<T, P> = Box<dyn FnMut(Option<P>) -> Result<ExportStep<T, P>, String> + Send>;

/// A search as a file that is sent while it is read.
struct SentSearch<T, P> {
    format: ExportFormat,
    columns: &'static [&'static str],
    read: ReadStep<T, P>,
    after: Option<P>,
    begun: bool,
    ended: bool,
}

impl<T: Serialize, P> SentSearch<T, P> {
    /// The next part of the file. An error in the middle ends the connection: a truncated file must not look whole.
    fn next(&mut self) -> Option<Result<Bytes, String>> {
        if self.ended {
            return None;
        }
        let part = self.part();
        self.ended |= part.is_err();
        Some(part)
    }

    fn part(&mut self) -> Result<Bytes, String> {
        let step = (self.read)(self.after.take())?;
        self.ended = step.next.is_none();
        self.after = step.next;
        let first = !std::mem::replace(&mut self.begun, true);
        let lines = self.format.lines(self.columns, first, &step.records);
        lines.map_err(|error| error.to_string())
    }
}

pub(super) struct ItemsExport {
    format: ExportFormat,
    search: Search,
    description: String,
}

impl EvidenceRequest for ItemsExport {
    fn read(parts: &Parts, _: &Evidence) -> Result<Self, RefusedRequest> {
        let request: SearchRequest = query(parts)?;
        Ok(Self {
            format: ExportFormat::parse(&request.format)?,
            search: request.search()?,
            description: request.description(),
        })
    }

    fn access(&self) -> AccessEntry {
        AccessEntry::exported(&self.description)
    }
}

pub(super) async fn evidence(
    axum::extract::State(state): axum::extract::State<Arc<WebState>>,
    LoggedRequest {
        request, evidence, ..
    }: LoggedRequest<ItemsExport>,
) -> Response {
    let ItemsExport { format, search, .. } = request;
    let name = format!("{}-evidence", state.station_name);
    format.searched(&name, ITEM_COLUMNS, move |after| {
        let archive = evidence.archive().map_err(|_| "no journal")?;
        let found = archive.journal.search(&search, after, STEP);
        let found = found.map_err(|error| error.to_string())?;
        Ok(ExportStep {
            records: found.items,
            next: found.next,
        })
    })
}

pub(super) struct DaysExport {
    format: ExportFormat,
    from: String,
    to: String,
}

impl EvidenceRequest for DaysExport {
    fn read(parts: &Parts, _: &Evidence) -> Result<Self, RefusedRequest> {
        let request: DaysRequest = query(parts)?;
        let format = ExportFormat::parse(&request.format)?;
        let (from, to) = request.range()?;
        Ok(Self { format, from, to })
    }

    fn access(&self) -> AccessEntry {
        AccessEntry::exported(format!("completeness from={} to={}", self.from, self.to))
    }
}

pub(super) async fn completeness(
    axum::extract::State(state): axum::extract::State<Arc<WebState>>,
    LoggedRequest {
        request, evidence, ..
    }: LoggedRequest<DaysExport>,
) -> Result<Response, RefusedRequest> {
    let DaysExport { format, from, to } = request;
    let days = tokio::task::block_in_place(|| days(&evidence, &from, &to, DAYS_EXPORTED_MAX))?;
    let lines = format.lines(DAY_COLUMNS, true, &days).map_err(|error| {
        RefusedRequest::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string())
    })?;
    let whole = stream::iter([Ok::<_, Infallible>(lines)]);
    let name = format!("{}-completeness", state.station_name);
    Ok(format.response(&name, Body::from_stream(whole)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::CameraDay;

    #[test]
    fn columns_are_the_fields_in_their_order() {
        let day = CameraDay {
            day: "2026-01-31".into(),
            camera: Some("=folder/1,2".into()),
            ..CameraDay::default()
        };
        let value = serde_json::to_value(&day).unwrap();
        let names: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
        assert_eq!(names, DAY_COLUMNS);
        let lines = ExportFormat::Csv.lines(DAY_COLUMNS, true, &[day]).unwrap();
        let heading = DAY_COLUMNS.join(",");
        let row = "2026-01-31,\"'=folder/1,2\",,0,0,0,0,0,0,0";
        assert_eq!(lines, format!("{heading}\r\n{row}\r\n"));
    }
}

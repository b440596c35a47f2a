//! The office's page *Find*: recordings of all stations, and the same as files. An access is entered in the office's log before
//! anything is shown.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use serde_json::Value;

use super::access_log::{AccessEntry, EvidenceRequest, LoggedRequest};
use super::evidence::query;
use super::export::ExportFormat;
use super::recording_search::{
    FindRequest, FoundFile, RecordingPage, RecordingSearch, SearchPlace,
};
use super::today::{OfficeBackend, OfficeState};
use super::{RefusedRequest, assets};
use crate::model::codes;

const PAGE: u32 = 50;
const PAGE_MAX: u32 = 200;
/// Recordings read at a time for a file.
const STEP: u32 = 500;

const COLUMNS: &[&str] = &[
    "station",
    "evidence",
    "recording",
    "camera",
    "officer",
    "path",
    "bytes",
    "kind",
    "flagged",
    "camera_time",
    "sealed_at",
    "stored_at",
    "undecided",
    "findings",
    "log_entry",
];

pub(super) async fn page(State(state): State<OfficeState>) -> Response {
    assets::page(assets::FIND, &state.entrance.language)
}

pub(super) struct Listed {
    search: RecordingSearch,
    after: Option<SearchPlace>,
    limit: u32,
    description: String,
}

impl EvidenceRequest<dyn OfficeBackend> for Listed {
    fn read(parts: &Parts, _: &(dyn OfficeBackend + 'static)) -> Result<Self, RefusedRequest> {
        let request: FindRequest = query(parts)?;
        Ok(Self {
            search: request.search()?,
            after: request.place()?,
            limit: request.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX),
            description: request.description(),
        })
    }

    fn access(&self) -> AccessEntry {
        AccessEntry::listed(&self.description)
    }
}

pub(super) async fn list(
    LoggedRequest { request, evidence }: LoggedRequest<Listed, dyn OfficeBackend>,
) -> Result<axum::Json<RecordingPage>, RefusedRequest> {
    let Listed {
        search,
        after,
        limit,
        ..
    } = request;
    let found = tokio::task::block_in_place(|| evidence.find(&search, after, limit));
    Ok(axum::Json(found.map_err(unreadable)?))
}

/// What the floor above could not read.
pub(super) fn unreadable((code, why): (&'static str, String)) -> RefusedRequest {
    let next_step = codes::find(code).map_or("", |code| code.next_step);
    tracing::error!(
        code,
        why,
        next_step,
        "the office's page cannot show what it was asked for"
    );
    let text = format!("{why}: {next_step}\n");
    RefusedRequest::new(StatusCode::SERVICE_UNAVAILABLE, text).coded(code)
}

pub(super) struct Exported {
    search: RecordingSearch,
    format: ExportFormat,
    description: String,
}

impl EvidenceRequest<dyn OfficeBackend> for Exported {
    fn read(parts: &Parts, _: &(dyn OfficeBackend + 'static)) -> Result<Self, RefusedRequest> {
        let request: FindRequest = query(parts)?;
        Ok(Self {
            search: request.search()?,
            format: ExportFormat::parse(&request.format)?,
            description: request.description(),
        })
    }

    fn access(&self) -> AccessEntry {
        AccessEntry::exported(&self.description)
    }
}

/// A file that is sent while it is read.
struct FoundFiles {
    backend: Arc<dyn OfficeBackend>,
    search: RecordingSearch,
    format: ExportFormat,
    after: Option<SearchPlace>,
    begun: bool,
    ended: bool,
}

impl FoundFiles {
    /// The next part of the file. An error in the middle ends the connection: a truncated file must not look whole.
    fn next(&mut self) -> Option<Result<Bytes, String>> {
        if self.ended {
            return None;
        }
        let part = self.read();
        self.ended |= part.is_err();
        Some(part)
    }

    fn read(&mut self) -> Result<Bytes, String> {
        let found = self.backend.find(&self.search, self.after, STEP);
        let found = found.map_err(|(_, why)| why)?;
        self.after = found.next;
        self.ended = found.next.is_none();
        let files = found.recordings.iter().flat_map(|recording| {
            let sidecars = recording.sidecars.iter();
            [&recording.file].into_iter().chain(sidecars)
        });
        let lines: Vec<_> = files.map(|file| line(file, self.format)).collect();
        let first = !std::mem::replace(&mut self.begun, true);
        let lines = self.format.lines(COLUMNS, first, &lines);
        lines.map_err(|error| error.to_string())
    }
}

/// A table has one cell for all findings.
fn line(file: &FoundFile, format: ExportFormat) -> Value {
    let mut line = serde_json::to_value(file).unwrap_or_default();
    if format == ExportFormat::Csv {
        line["findings"] = file.findings.join(" ").into();
    }
    line
}

pub(super) async fn export(
    LoggedRequest { request, evidence }: LoggedRequest<Exported, dyn OfficeBackend>,
) -> Response {
    let format = request.format;
    let file = FoundFiles {
        backend: evidence,
        search: request.search,
        format,
        after: None,
        begun: false,
        ended: false,
    };
    let body = stream::unfold(file, |mut file| async move {
        let part = tokio::task::block_in_place(|| file.next())?;
        Some((part, file))
    });
    format.response("recordings", Body::from_stream(body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::EvidenceId;

    #[test]
    fn columns_are_the_fields_in_their_order() {
        let file = FoundFile {
            station: "one".parse().unwrap(),
            evidence: EvidenceId::from_bytes([1; 16]),
            recording: None,
            camera: Some("=acme/X1".into()),
            officer: None,
            path: "D/A.MP4".into(),
            bytes: 7,
            kind: "video".into(),
            flagged: true,
            camera_time: None,
            sealed_at: None,
            stored_at: None,
            undecided: false,
            findings: vec!["missing".into(), "covered".into()],
            log_entry: 3,
        };
        let value = line(&file, ExportFormat::Csv);
        let names: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
        assert_eq!(names, COLUMNS);
        let lines = ExportFormat::Csv.lines(COLUMNS, false, &[value]).unwrap();
        let id = file.evidence;
        let row =
            format!("one,{id},,'=acme/X1,,D/A.MP4,7,video,true,,,,false,missing covered,3\r\n");
        assert_eq!(lines, row);
    }
}

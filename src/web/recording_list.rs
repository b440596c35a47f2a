//! The office's page *Find*: recordings of all stations, and the same as files. An access is entered in the office's log before
//! anything is shown.

use axum::extract::State;
use axum::http::request::Parts;
use axum::response::Response;
use serde_json::Value;

use super::access_log::{AccessEntry, EvidenceRequest, LoggedRequest, query};
use super::export::{ExportFormat, ExportStep};
use super::office::{OfficeBackend, OfficeState};
use super::recording_search::{
    FindRequest, FoundFile, RecordingPage, RecordingSearch, SearchPlace,
};
use super::{Duty, RefusedRequest, assets};

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
    "source",
    "derived_from",
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
    LoggedRequest {
        request,
        evidence,
        viewer,
    }: LoggedRequest<Listed, dyn OfficeBackend>,
) -> Result<axum::Json<RecordingPage>, RefusedRequest> {
    let Listed {
        search,
        after,
        limit,
        ..
    } = request;
    let found =
        tokio::task::block_in_place(|| evidence.find(&viewer.sight(), &search, after, limit));
    Ok(axum::Json(RecordingPage {
        may_decide: viewer.may(Duty::Decide),
        ..found?
    }))
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

/// A table has one cell for all findings.
fn line(file: &FoundFile, format: ExportFormat) -> Value {
    let mut line = serde_json::to_value(file).unwrap_or_default();
    if format == ExportFormat::Csv {
        line["findings"] = file.findings.join(" ").into();
    }
    line
}

pub(super) async fn export(
    LoggedRequest {
        request,
        evidence,
        viewer,
    }: LoggedRequest<Exported, dyn OfficeBackend>,
) -> Response {
    let Exported { search, format, .. } = request;
    let sight = viewer.sight();
    format.searched("recordings", COLUMNS, move |after| {
        let found = evidence.find(&sight, &search, after, STEP);
        let found = found.map_err(|unreadable| unreadable.why)?;
        let files = found.recordings.iter().flat_map(|recording| {
            let sidecars = recording.sidecars.iter();
            [&recording.file].into_iter().chain(sidecars)
        });
        Ok(ExportStep {
            records: files.map(|file| line(file, format)).collect(),
            next: found.next,
        })
    })
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
            source: Some("=a disc".into()),
            derived_from: None,
        };
        let value = line(&file, ExportFormat::Csv);
        let names: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
        assert_eq!(names, COLUMNS);
        let lines = ExportFormat::Csv.lines(COLUMNS, false, &[value]).unwrap();
        let id = file.evidence;
        let row = format!(
            "one,{id},,'=acme/X1,,D/A.MP4,7,video,true,,,,false,missing covered,3,'=a disc,\r\n"
        );
        assert_eq!(lines, row);
    }
}

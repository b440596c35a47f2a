//! The office's page of a quarter's report, made to be printed, and the same for programs. It shows what the floor above counted.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::Response;
use serde::Deserialize;

use super::access_log::{AccessEntry, EvidenceRequest, LoggedRequest, query};
use super::office::{OfficeBackend, OfficeState};
use super::{RefusedRequest, assets};

/// `2026-Q4`; a longer text is no quarter.
const QUARTER_MAX: usize = 7;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ReportRequest {
    /// If empty: the present one.
    quarter: String,
}

fn no_quarter() -> RefusedRequest {
    RefusedRequest::new(StatusCode::BAD_REQUEST, "a quarter is written as 2026-Q4\n")
}

pub(super) async fn page(State(state): State<OfficeState>) -> Response {
    assets::page(assets::REPORT, &state.entrance.language)
}

impl EvidenceRequest<dyn OfficeBackend> for ReportRequest {
    fn read(parts: &Parts, _: &(dyn OfficeBackend + 'static)) -> Result<Self, RefusedRequest> {
        let request: Self = query(parts)?;
        let fine = request.quarter.len() <= QUARTER_MAX && request.quarter.is_ascii();
        fine.then_some(request).ok_or_else(no_quarter)
    }

    fn access(&self) -> AccessEntry {
        AccessEntry::listed(format!("report {}", self.quarter))
    }
}

pub(super) async fn report(
    LoggedRequest {
        request,
        evidence,
        viewer,
    }: LoggedRequest<ReportRequest, dyn OfficeBackend>,
) -> Result<axum::Json<serde_json::Value>, RefusedRequest> {
    let made = tokio::task::block_in_place(|| evidence.report(&viewer.reach, &request.quarter));
    made?.map(axum::Json).ok_or_else(no_quarter)
}

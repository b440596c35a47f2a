//! The station's status for operations. It names items that are being uploaded, so it is an access like any other.

use axum::http::StatusCode;
use axum::http::request::Parts;

use super::access_log::{AccessEntry, EvidenceRequest, LoggedRequest};
use super::{Backend, RefusedRequest};
use crate::model::StatusView;

pub(super) struct StatusRequest;

impl EvidenceRequest<dyn Backend> for StatusRequest {
    fn read(_: &Parts, _: &(dyn Backend + 'static)) -> Result<Self, RefusedRequest> {
        Ok(Self)
    }

    fn access(&self) -> AccessEntry {
        AccessEntry::listed("status")
    }
}

pub(super) async fn status(
    LoggedRequest { evidence, .. }: LoggedRequest<StatusRequest, dyn Backend>,
) -> Result<axum::Json<StatusView>, RefusedRequest> {
    let view = tokio::task::block_in_place(|| evidence.status());
    let view = view.map_err(|text| RefusedRequest::new(StatusCode::SERVICE_UNAVAILABLE, text))?;
    Ok(axum::Json(view))
}

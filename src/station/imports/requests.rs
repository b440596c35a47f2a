//! The import socket: orders of `camdock import`, and how far they have come. A request is one line of JSON, and so is its reply.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Imports;
use crate::ingest::{IngestError, JobEnd};
use crate::model::{BayName, BayView, CameraId, Explain, ImportFacts, NotTaken, SessionId};
use crate::web::{Socket, answer_line};

const WITHIN: Duration = Duration::from_secs(30);
/// At a time; further ones are turned away.
const CONNECTIONS: usize = 32;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportRequest {
    Begin(Box<ImportOrder>),
    Progress(SessionId),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportOrder {
    /// Absolute, as the station's machine has it.
    pub path: PathBuf,
    pub facts: ImportFacts,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "import", rename_all = "snake_case")]
pub enum ImportReply {
    Begun(ImportStarted),
    Refused(ImportRefusal),
    Running {
        /// `None`: it has not shown anything yet.
        view: Option<Box<BayView>>,
    },
    Ended(Box<ImportReport>),
    /// No import of this run of the station.
    Unknown,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportStarted {
    pub session: SessionId,
    pub bay: BayName,
    /// See [`ImportFacts::source_id`].
    pub source: CameraId,
    /// Of a derived import: whether this station has the original.
    pub original_known: Option<bool>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportRefusal {
    pub code: String,
    pub reason: String,
    pub next_step: String,
}

impl ImportRefusal {
    pub fn of(error: &impl Explain) -> Self {
        Self {
            code: error.label().to_owned(),
            reason: error.to_string(),
            next_step: error.next_step(),
        }
    }
}

/// Files and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportFigures {
    pub files: u64,
    pub bytes: u64,
}

/// The outcome of an import.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportReport {
    pub session: SessionId,
    pub source: CameraId,
    /// Everything that was there is sealed here and in the signed log.
    pub complete: bool,
    /// Why it ended.
    pub reason: String,
    pub taken: ImportFigures,
    /// Taken by an earlier import of this source.
    pub held: ImportFigures,
    /// Files and entries that were seen and not taken.
    pub missing: u64,
    /// Some of them by name.
    pub not_taken: Vec<NotTaken>,
    /// The witnesses that this station waits for had not cosigned yet.
    pub waits_for_witness: bool,
    /// The fault of the station that ended it.
    pub fault: Option<ImportRefusal>,
}

impl ImportReport {
    pub(super) fn new(begun: &ImportStarted, ended: Result<JobEnd, IngestError>) -> Self {
        let mut report = Self {
            session: begun.session,
            source: begun.source.clone(),
            complete: false,
            reason: String::new(),
            taken: ImportFigures::default(),
            held: ImportFigures::default(),
            missing: 0,
            not_taken: Vec::new(),
            waits_for_witness: false,
            fault: None,
        };
        match ended {
            Ok(end) => {
                let figures = |files, bytes| ImportFigures { files, bytes };
                let (secured, held) = (end.counts.secured, end.counts.held);
                report.complete = end.complete;
                report.reason = end.reason;
                report.taken = figures(secured.files, secured.bytes);
                report.held = figures(held.files, held.bytes);
                report.missing = end.missing;
                report.not_taken = end.not_taken;
                report.waits_for_witness = end.unwitnessed;
            }
            Err(error) => {
                report.reason = error.to_string();
                report.fault = Some(ImportRefusal::of(&error));
            }
        }
        report
    }
}

/// Opens the socket.
pub fn open(path: PathBuf, imports: Arc<Imports>) -> std::io::Result<Socket> {
    Socket::open(path, CONNECTIONS, move |stream| {
        let imports = Arc::clone(&imports);
        async move {
            let serve = answer_line(stream, async |request, peer| {
                tokio::task::block_in_place(|| answer(&imports, request, peer))
            });
            if let Ok(Err(error)) = tokio::time::timeout(WITHIN, serve).await {
                tracing::debug!(%error, "an import's request could not be answered");
            }
        }
    })
}

fn answer(
    imports: &Arc<Imports>,
    request: Result<ImportRequest, serde_json::Error>,
    peer: String,
) -> ImportReply {
    match request {
        Ok(ImportRequest::Begin(order)) => match imports.begin(*order, peer) {
            Ok(begun) => ImportReply::Begun(begun),
            Err(refusal) => ImportReply::Refused(refusal),
        },
        Ok(ImportRequest::Progress(session)) => {
            imports.progress(session).unwrap_or(ImportReply::Unknown)
        }
        Err(error) => ImportReply::Refused(ImportRefusal {
            code: "import_refused".into(),
            reason: format!("this is not a request: {error}"),
            next_step: "Use the `camdock` of the station's own version.".into(),
        }),
    }
}

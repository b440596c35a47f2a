//! Sealed files that are damaged or gone before the store has them: named in the log, then pulled again from a camera that
//! still has them; until that is done, an alarm.

use super::{IngestError, Shared};
use crate::durable;
use crate::failpoint::reached;
use crate::journal::ItemRow;
use crate::metrics;
use crate::model::{Event, Explain as _, ItemFailed, Problem};
use crate::seal::SealError;
use crate::upload::UploadError;

/// The label of items that are no longer on their way.
pub const DAMAGED: &str = "spool_damaged";

/// Attempts to read a file before the disk is believed.
const TRIES: u32 = 3;

/// Whether the file could not be read this time: another attempt may.
pub fn may_pass(error: &IngestError) -> bool {
    let IngestError::Upload(UploadError::SpoolDamaged { source, .. }) = error else {
        return false;
    };
    matches!(source.downcast_ref::<SealError>(),
        Some(SealError::Read(e)) if e.kind() != std::io::ErrorKind::NotFound)
}

/// Whether `error`, the item's `failures`th in a row, means that its sealed file is lost.
pub fn is_lost(error: &IngestError, failures: u32) -> bool {
    // It may have been the cable; content that does not verify never will.
    matches!(error, IngestError::Upload(UploadError::SpoolDamaged { .. }))
        && (failures >= TRIES || !may_pass(error))
}

impl Shared {
    /// Gives up a sealed file: its source is to be taken anew. First the log, then the journal. Blocks.
    pub(super) fn lose(
        &self,
        row: &ItemRow,
        code: &'static str,
        reason: String,
    ) -> Result<(), IngestError> {
        let failed = ItemFailed {
            path: Some(row.facts.path.clone()),
            name: None,
            evidence: Some(row.id),
            size: Some(row.facts.size),
            code: code.to_owned(),
            reason,
            retried: true,
        };
        self.log_event(Some(row.session), Event::ItemFailed(failed))?;
        reached!("damaged: logged");
        self.journal.mark_damaged(row.id)?;
        // Kept for who can still make something of it.
        let path = self.spool.sealed(row.id);
        if path.exists() {
            durable::rename_unsynced(&path, &self.spool.damaged(row.id))?;
        }
        metrics::file("failed", row.facts.size);
        tracing::error!(code, evidence = %row.id, path = %row.facts.path, next_step = next_step(),
            "a sealed item was lost on this station before it was stored; it is taken again from its camera");
        Ok(())
    }
}

/// What people see for as long as the recording was not taken again.
pub fn alarm(row: &ItemRow) -> Problem {
    Problem {
        code: DAMAGED.into(),
        reason: format!(
            "{} of {} was damaged on this station's disk before it was stored",
            row.facts.path,
            row.camera
                .as_ref()
                .map_or("an unknown camera", |camera| camera.as_str())
        ),
        next_step: next_step(),
        since: super::now(),
        needs_person: true,
    }
}

fn next_step() -> String {
    let damaged = UploadError::SpoolDamaged {
        key: String::new(),
        offset: 0,
        source: "".into(),
    };
    damaged.next_step()
}

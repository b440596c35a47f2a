//! Sealed files that are damaged or gone before the store has them. They are named in the log, then pulled again from a camera
//! that still has them; until then there is an alarm.

use super::{IngestError, Shared};
use crate::durable;
use crate::failpoint::reached;
use crate::journal::ItemRow;
use crate::metrics;
use crate::model::{Event, Explain as _, ItemFailed, Problem};
use crate::seal::SealError;
use crate::upload::UploadError;

/// The code of items that were given up.
pub const DAMAGED: &str = "spool_damaged";

/// Failed attempts to read a file after which it counts as lost.
const TRIES: u32 = 3;

/// Whether another attempt to read the file may succeed.
pub fn may_pass(error: &IngestError) -> bool {
    let IngestError::Upload(UploadError::SpoolDamaged { source, .. }) = error else {
        return false;
    };
    matches!(source.downcast_ref::<SealError>(),
        Some(SealError::Read(e)) if e.kind() != std::io::ErrorKind::NotFound)
}

/// Whether `error`, the item's `failures`th in a row, means that its sealed file is lost.
pub fn is_lost(error: &IngestError, failures: u32) -> bool {
    // A read may fail because of a cable; content that does not verify never will.
    matches!(error, IngestError::Upload(UploadError::SpoolDamaged { .. }))
        && (failures >= TRIES || !may_pass(error))
}

impl Shared {
    /// Gives up a sealed file: its source is to be taken again. First the log, then the journal. Blocks.
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
        // Kept for whoever may still recover something from it.
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

/// The alarm that stands until the recording has been taken again.
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

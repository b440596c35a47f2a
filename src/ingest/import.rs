//! What makes a session an import: it begins with what people declared, its items name that, and it ends by itself.

use std::sync::OnceLock;
use std::time::Duration;

use super::{IngestError, Shared};
use crate::journal::SessionRow;
use crate::model::{CameraId, Event, ImportDeclared, ImportFacts, ImportOrigin};
use crate::sys;

/// A file that is written to for so many settling times is named as not taken: an import is not to wait for ever.
const SETTLING_TIMES: u32 = 20;

pub struct Import {
    facts: ImportFacts,
    /// Whoever ordered it, as the kernel or the configuration says.
    peer: String,
    /// It ends once all was looked at; otherwise it lasts until what is imported is gone.
    ends: bool,
    /// The index of its `import.declared`.
    entry: OnceLock<u64>,
}

impl Import {
    pub const fn new(facts: ImportFacts, peer: String) -> Self {
        Self {
            facts,
            peer,
            ends: true,
            entry: OnceLock::new(),
        }
    }

    /// Of a place where evidence keeps coming.
    pub fn standing(facts: ImportFacts, peer: String) -> Self {
        Self {
            ends: false,
            ..Self::new(facts, peer)
        }
    }

    pub(super) const fn ends(&self) -> bool {
        self.ends
    }

    /// Enters the declaration, before anything is read.
    pub(super) fn declare(
        &self,
        shared: &Shared,
        session: &SessionRow,
        camera: &CameraId,
    ) -> Result<(), IngestError> {
        let declared = ImportDeclared {
            bay: session.bay.clone(),
            camera: camera.clone(),
            facts: self.facts.clone(),
            peer: self.peer.clone(),
            clock: sys::clock_state(),
        };
        let event = Event::ImportDeclared(Box::new(declared));
        let entry = shared.log_event(Some(session.id), event)?;
        self.entry.get_or_init(|| entry);
        Ok(())
    }

    /// `None` before it is declared.
    pub(super) fn origin(&self) -> Option<ImportOrigin> {
        Some(ImportOrigin {
            entry: *self.entry.get()?,
            derived_from: self.facts.derived.as_ref().map(|derived| derived.from),
        })
    }

    pub(super) fn source_id(&self) -> CameraId {
        self.facts.source_id()
    }

    /// Between looks at a place where evidence keeps coming.
    pub(super) fn rescan(settle: Duration) -> Duration {
        (settle * 5).clamp(Duration::from_secs(1), Duration::from_secs(30))
    }

    /// The longest wait for a file that does not stay as it is.
    pub(super) fn patience(settle: Duration) -> Duration {
        settle.saturating_mul(SETTLING_TIMES)
    }
}

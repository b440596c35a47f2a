//! The pure state of a dock session. What the bay may show follows from it and from nothing else (promise 2).

#[cfg(test)]
mod tests;

use std::time::Duration;

use super::bays::REMOVED_EARLY;
use crate::journal::{FileTotals, InventoryCounts};
use crate::model::BayStatus;

/// The next step for a camera that hardly answers.
pub const CRAWLING: &str = "What it delivers is taken for as long as it stays docked. Clean its contacts and dock it in another bay; if it is as \
     slow there, leave it docked and tell operations: the camera or its card may be failing.";

/// The next step for a camera that shows no files, which may be a failure to answer.
pub const EMPTY_NEXT_STEP: &str = "Unlock the camera or switch it off and on, check its card, and dock it again. If it was emptied on purpose, it \
     may be removed; otherwise call the evidence manager.";

/// The phase of a dock session. One method per legal step; an illegal step is refused, and the caller logs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// The camera is being listed for the first time: nothing is known to be safe.
    Listing,
    Pulling,
    /// Waits for room in the spool, for a file to stop growing, or for the disk.
    Waiting {
        code: &'static str,
        reason: String,
        next_step: String,
    },
    /// Everything is stored; files that are proven to be stored are being deleted from the camera.
    Wiping,
    /// A listing found nothing new, and all that was seen is secured, held, or failed with a reason in the log.
    Settled,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a dock session cannot become settled while {pending} files are pending and {uncommitted} uncommitted"
)]
pub struct NotSettled {
    pub pending: u64,
    pub uncommitted: u64,
}

/// One dock session as the bay shows it.
#[derive(Debug, Clone)]
pub struct SessionState {
    phase: Phase,
    counts: InventoryCounts,
    /// Files and bytes that were taken since they were counted.
    taken: FileTotals,
    /// Bytes a second, of a camera that hardly answers.
    crawling: Option<u64>,
    /// Bytes of the file that is being read now.
    in_file: u64,
    elapsed: Duration,
    bytes_read: u64,
    unstored: u64,
    /// Files that were deleted by rule and are not taken again.
    disposed: u64,
    /// Entries on the camera that are not files, or cannot be named or reached; the log names each.
    refused: u64,
    quarantine: Option<String>,
    /// The camera shows nothing at all, which may be a failure to answer.
    silent: Option<Silence>,
    /// The size of the log that has every entry of what was settled, and how much had been seen on the camera then. It stays
    /// while nothing new is seen.
    covering: Option<(u64, u64)>,
    /// The size of the log that the witnesses' quorum has cosigned, where safe waits for it.
    witnessed: Option<u64>,
}

/// The reason why a camera that shows no file may not be called empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Silence {
    /// Files were taken from it that nobody deleted here.
    HeldBefore(u64),
    /// The listing shows an empty folder, which may be the place where a card is to be mounted.
    EmptyFolder,
}

impl SessionState {
    pub fn new(quarantine: Option<String>) -> Self {
        Self {
            refused: 0,
            phase: Phase::Listing,
            counts: InventoryCounts::default(),
            taken: FileTotals::default(),
            crawling: None,
            in_file: 0,
            elapsed: Duration::ZERO,
            bytes_read: 0,
            unstored: 0,
            disposed: 0,
            quarantine,
            silent: None,
            covering: None,
            witnessed: None,
        }
    }

    pub const fn phase(&self) -> &Phase {
        &self.phase
    }

    /// Sets how many entries of this session's listings are not taken.
    pub fn refused(&mut self, refused: u64) {
        self.refused = refused;
    }

    /// A listing saw something new, or pulling continues.
    pub fn pulling(&mut self, counts: InventoryCounts) {
        self.counts = counts;
        self.taken = FileTotals::default();
        self.in_file = 0;
        self.covering = None;
        self.phase = Phase::Pulling;
    }

    pub fn waiting(&mut self, code: &'static str, reason: String, next_step: String) {
        self.phase = Phase::Waiting {
            code,
            reason,
            next_step,
        };
    }

    pub fn progress(&mut self, in_file: u64, bytes_read: u64, elapsed: Duration) {
        self.in_file = in_file;
        self.bytes_read = bytes_read;
        self.elapsed = elapsed;
    }

    /// Returns what it was before.
    pub fn crawling(&mut self, speed: Option<u64>) -> Option<u64> {
        std::mem::replace(&mut self.crawling, speed)
    }

    /// One more file of the counted ones is done with.
    pub fn took(&mut self, size: u64, bytes_read: u64, elapsed: Duration) {
        self.taken.files += 1;
        self.taken.bytes += size;
        self.progress(0, bytes_read, elapsed);
    }

    /// Files and bytes that are still pending; files that were taken may not be committed yet.
    fn pending(&self) -> FileTotals {
        let FileTotals { files, bytes } = self.counts.pending;
        FileTotals {
            files: files.saturating_sub(self.taken.files),
            bytes: bytes.saturating_sub(self.taken.bytes),
        }
    }

    /// The only step to "safe": refused while anything is pending or not yet in the signed log.
    pub fn settled(
        &mut self,
        counts: InventoryCounts,
        uncommitted: u64,
        unstored: u64,
    ) -> Result<(), NotSettled> {
        if counts.pending.files > 0 || uncommitted > 0 {
            self.covering = None;
            return Err(NotSettled {
                pending: counts.pending.files,
                uncommitted,
            });
        }
        self.counts = counts;
        self.taken = FileTotals::default();
        self.unstored = unstored;
        self.in_file = 0;
        self.phase = Phase::Settled;
        Ok(())
    }

    /// Says which size of the log covers what is settled now, unless it is known already.
    pub fn covered_by(&mut self, size: u64, counts: &InventoryCounts) {
        let seen = counts.files() + self.refused;
        if self.covering.is_none_or(|(_, before)| before != seen) {
            self.covering = Some((size, seen));
        }
    }

    /// Sets what the witnesses' quorum has cosigned; `true` when the bay shows something else by that.
    pub fn witnessed(&mut self, size: Option<u64>) -> bool {
        let before = self.waits_for_witness();
        self.witnessed = size;
        before != self.waits_for_witness()
    }

    /// Where safe waits for the witnesses, and what is settled is not covered, or nobody said by which size it is.
    pub fn waits_for_witness(&self) -> bool {
        let covered = |witnessed| self.covering.is_some_and(|(size, _)| size <= witnessed);
        self.witnessed.is_some_and(|witnessed| !covered(witnessed))
    }

    /// Only out of "all stored": refused, and nothing is deleted, while anything is not secured, not stored, not taken or
    /// in quarantine.
    pub fn wiping(&mut self) -> bool {
        let all = matches!(self.phase, Phase::Settled)
            && self.left_behind() == 0
            && self.unstored == 0
            && self.silent.is_none()
            && !self.waits_for_witness()
            && self.quarantine.is_none();
        if all {
            self.phase = Phase::Wiping;
        }
        all
    }

    /// The wiping has ended; the files are stored as before.
    pub fn wiped(&mut self) {
        if self.phase == Phase::Wiping {
            self.phase = Phase::Settled;
        }
    }

    /// Sets whether the listing that settled the session may be a failure to answer.
    pub fn silent(&mut self, silent: Option<Silence>) {
        self.silent = silent;
    }

    pub const fn is_silent(&self) -> bool {
        self.silent.is_some()
    }

    /// The last counts of a session that ends.
    pub fn counted(&mut self, counts: InventoryCounts) {
        self.counts = counts;
        self.taken = FileTotals::default();
    }

    /// Files and entries that were seen and are not secured.
    pub const fn left_behind(&self) -> u64 {
        self.counts.pending.files + self.counts.failed.files + self.refused
    }

    pub fn unstored(&mut self, unstored: u64) {
        self.unstored = unstored;
    }

    pub fn disposed(&mut self, disposed: u64) {
        self.disposed = disposed;
    }

    /// The bay's state for people.
    pub fn status(&self) -> BayStatus {
        let counts = &self.counts;
        let files = counts.files();
        let pending = self.pending();
        let done = files - pending.files;
        match &self.phase {
            Phase::Listing => {
                BayStatus::Reading { files_done: 0, files_total: 0, bytes_done: 0, bytes_total: 0, seconds_left: None }
            }
            Phase::Waiting { code, reason, next_step } => BayStatus::NeedsAttention {
                code: (*code).into(),
                reason: reason.clone(),
                next_step: next_step.clone(),
                files_done: done,
                files_total: files,
            },
            Phase::Pulling => match self.crawling {
                Some(speed) => BayStatus::NeedsAttention {
                    code: "camera_slow".into(),
                    reason: format!("The camera hardly answers: {speed} bytes a second"),
                    next_step: CRAWLING.into(),
                    files_done: done,
                    files_total: files,
                },
                None => BayStatus::Reading {
                    files_done: done,
                    files_total: files,
                    bytes_done: (counts.bytes() - pending.bytes + self.in_file).min(counts.bytes()),
                    bytes_total: counts.bytes(),
                    seconds_left: self.seconds_left(),
                },
            },
            Phase::Wiping => BayStatus::Wiping { files },
            Phase::Settled if counts.failed.files > 0 => BayStatus::NeedsAttention {
                code: "files_failed".into(),
                reason: format!("{} of {files} files could not be read", counts.failed.files),
                next_step: "Leave the camera docked and tell the evidence manager: the log names each file and why.".into(),
                files_done: done - counts.failed.files,
                files_total: files,
            },
            Phase::Settled => self.safe(),
        }
    }

    fn safe(&self) -> BayStatus {
        let (files, bytes) = (self.counts.files(), self.counts.bytes());
        if let Some(silence) = self.silent {
            return BayStatus::NeedsAttention {
                code: "camera_empty".into(),
                reason: match silence {
                    Silence::HeldBefore(1) => {
                        "The camera shows no files, but held one that was not deleted here".into()
                    }
                    Silence::HeldBefore(files) => format!(
                        "The camera shows no files, but held {files} that were not deleted here"
                    ),
                    Silence::EmptyFolder => {
                        "The camera's folder is empty: its card may not be mounted".into()
                    }
                },
                next_step: EMPTY_NEXT_STEP.into(),
                files_done: 0,
                files_total: 0,
            };
        }
        match &self.quarantine {
            _ if self.refused > 0 => BayStatus::NeedsAttention {
                code: "not_taken".into(),
                reason: format!(
                    "{} entries on the camera are not files that can be taken{}",
                    self.refused,
                    match &self.quarantine {
                        Some(reason) => format!("; the rest is in quarantine: {reason}"),
                        None => String::new(),
                    }
                ),
                next_step: "Tell the evidence manager: the log names each entry and why. Everything else is secured."
                    .into(),
                files_done: files,
                files_total: files,
            },
            _ if self.waits_for_witness() => BayStatus::WaitingForWitness {
                files,
                bytes,
                waiting_for_store: self.unstored,
                disposed: self.disposed,
            },
            Some(reason) => BayStatus::NeedsAttention {
                code: "quarantine".into(),
                reason: format!("Everything was taken, in quarantine: {reason}"),
                next_step:
                    "The camera may be removed. The evidence manager decides on the quarantine."
                        .into(),
                files_done: files,
                files_total: files,
            },
            None if self.unstored > 0 => BayStatus::SafeToRemove {
                files,
                bytes,
                waiting_for_store: self.unstored,
                disposed: self.disposed,
            },
            None => BayStatus::AllStored {
                files,
                bytes,
                disposed: self.disposed,
            },
        }
    }

    fn seconds_left(&self) -> Option<u64> {
        let seconds = self.elapsed.as_secs_f64();
        if self.bytes_read == 0 || seconds < 1.0 {
            return None;
        }
        let left = self.pending().bytes.saturating_sub(self.in_file) as f64;
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        Some((left * seconds / self.bytes_read as f64).ceil().min(1e9) as u64)
    }
}

/// The bay's state after its camera left before everything was secured.
pub fn removed_early(counts: &InventoryCounts, missing: u64) -> BayStatus {
    let reason = if counts.files() == 0 {
        "The camera was removed before it could be read".to_owned()
    } else {
        format!("The camera was removed too early; missing files: {missing}")
    };
    BayStatus::NeedsAttention {
        code: REMOVED_EARLY.into(),
        reason,
        next_step: "Dock this camera again, in any bay: the station continues where it stopped."
            .into(),
        files_done: counts.secured.files + counts.held.files,
        files_total: counts.files(),
    }
}

//! The report of `camdock verify`: what was looked at, what was not, and what is wrong.

use std::fmt;
use std::io::Write as _;

use serde::Serialize;

use super::disposed::ReportedDisposal;
use crate::audit::{ClockStep, ItemTwice, LogFinding};
use crate::cli::Outcome;
use crate::model::EvidenceId;

/// The code of entries that are dated before an earlier one.
pub const TIME_BACKWARDS: &str = "time_backwards";

/// Deletions that the text names one by one.
const DISPOSED_SHOWN: usize = 100;

/// The extent of a verification, and every finding.
#[derive(Debug, Default, Serialize)]
pub struct VerifyReport {
    pub log_entries: u64,
    /// The result of comparing the station's copy of the log with the bucket's.
    pub copies: Option<String>,
    pub anchors: AnchorCounts,
    /// The newest checkpoint that each witness of the policy is known to have cosigned.
    pub witnesses: Vec<CosignedBy>,
    /// Runs of entries that are dated before an earlier one: not a finding, because clocks get adjusted.
    pub clock_steps: Vec<ClockStep>,
    /// Only a copy of the log was verified, and no store asked.
    pub log_only: bool,
    pub items_sealed: usize,
    pub items_stored: usize,
    /// Sealed on the station, not yet in the store.
    pub items_waiting: usize,
    /// Stored so recently that their receipts may still be on their way.
    pub receipts_waiting: usize,
    /// Logged without a lock.
    pub items_without_lock: usize,
    /// Every byte of them was read back from the store.
    pub items_read: usize,
    pub items_opened: usize,
    /// Signed notes in the bucket that somebody opened an item; `None` if nobody could list them.
    pub view_notes: Option<usize>,
    /// Of these, by keys of `[views]` in camdock.toml.
    pub view_notes_signed: usize,
    /// Storyboards and preview videos in the store.
    pub previews: usize,
    /// Objects for which the store named the checksum of the log.
    pub checksums_named: usize,
    /// Objects for which the store named no checksum, and whose bytes were not read.
    pub by_size_only: usize,
    /// Deleted by rule, and seen to be gone.
    pub items_disposed: usize,
    /// What a trusted office's log says was deleted by rule.
    pub disposed: Vec<ReportedDisposal>,
    pub findings: Vec<ReportedFinding>,
    /// Findings of the log beyond those listed.
    pub more: u64,
    /// Items and files that could not be looked at. A missing answer is not a finding.
    pub unchecked: Vec<ReportedFinding>,
}

/// The number of signed checkpoints outside the log that were compared with it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct AnchorCounts {
    /// Given with `--since`.
    pub kept: usize,
    /// Below `checkpoints/` in the bucket, with a lock that has not ended.
    pub locked: usize,
    /// The same without.
    pub unlocked: usize,
    /// In the items' receipts.
    pub receipts: usize,
    /// Cosigned by a witness and kept on the station.
    pub cosigned: usize,
}

/// What one witness has cosigned, by a signature that was verified.
#[derive(Debug, Clone, Serialize)]
pub struct CosignedBy {
    /// In the policy.
    pub witness: String,
    pub key: String,
    pub entries: u64,
    /// As the witness says.
    pub at: jiff::Timestamp,
}

impl AnchorCounts {
    pub const fn total(self) -> usize {
        self.kept + self.locked + self.unlocked + self.receipts + self.cosigned
    }
}

#[derive(Debug, Clone, Serialize, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReportedFinding {
    pub code: String,
    pub evidence: Option<EvidenceId>,
    pub what: String,
    pub next_step: String,
}

/// Code, words and next step, as they follow the word for how bad it is.
impl fmt::Display for ReportedFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "({}): {}\n    next: {}",
            self.code, self.what, self.next_step
        )
    }
}

impl ReportedFinding {
    /// A finding about the log itself.
    pub fn of_log(finding: &LogFinding) -> Self {
        Self {
            code: finding.label().to_owned(),
            evidence: None,
            what: finding.to_string(),
            next_step: finding.next_step().to_owned(),
        }
    }

    pub fn of_item_twice(twice: &ItemTwice) -> Self {
        Self {
            code: ItemTwice::CODE.to_owned(),
            evidence: Some(twice.evidence),
            what: twice.to_string(),
            next_step: ItemTwice::NEXT_STEP.to_owned(),
        }
    }
}

impl VerifyReport {
    pub fn print(&self, json: bool) -> anyhow::Result<Outcome> {
        let mut out = std::io::stdout().lock();
        if json {
            writeln!(out, "{}", serde_json::to_string_pretty(self)?)?;
        } else {
            self.print_text(&mut out)?;
        }
        Ok(if self.findings.is_empty() {
            Outcome::Fine
        } else {
            Outcome::VerificationFailed
        })
    }

    fn print_text(&self, out: &mut dyn std::io::Write) -> std::io::Result<()> {
        writeln!(
            out,
            "custody log: {} entries, each of them read",
            self.log_entries
        )?;
        if let Some(copies) = &self.copies {
            writeln!(out, "             {copies}")?;
        }
        let AnchorCounts {
            kept,
            locked,
            unlocked,
            receipts,
            cosigned,
        } = self.anchors;
        writeln!(
            out,
            "anchors:     {} signed checkpoints were compared with it: {locked} locked ones and {unlocked} without a lock in the bucket, {receipts} in receipts, {cosigned} cosigned by witnesses, {kept} kept elsewhere",
            self.anchors.total()
        )?;
        for CosignedBy {
            witness,
            key,
            entries,
            at,
        } in &self.witnesses
        {
            let name = witness.escape_debug();
            writeln!(
                out,
                "witness:     {name} cosigned {entries} entries at {at}, with {key}"
            )?;
        }
        if !self.log_only {
            writeln!(
                out,
                "items:       {} sealed, {} stored, {} waiting for the store; {} previews",
                self.items_sealed, self.items_stored, self.items_waiting, self.previews
            )?;
            writeln!(
                out,
                "             {} read back whole, {} opened",
                self.items_read, self.items_opened
            )?;
            if let Some(notes) = self.view_notes.filter(|notes| *notes > 0) {
                writeln!(
                    out,
                    "             {notes} signed notes in the bucket say that somebody opened an item, {} of them by keys of [views]",
                    self.view_notes_signed
                )?;
            }
        }
        for disposed in self.disposed.iter().take(DISPOSED_SHOWN) {
            writeln!(out, "disposed:    {} {}", disposed.evidence, disposed.told)?;
        }
        if self.disposed.len() > DISPOSED_SHOWN {
            writeln!(
                out,
                "             {} in all (--json names each)",
                self.disposed.len()
            )?;
        }
        for step in &self.clock_steps {
            writeln!(
                out,
                "NOTE ({TIME_BACKWARDS}): {step}: the station's clock was set back, or they were entered late"
            )?;
        }
        for found in &self.findings {
            writeln!(out, "WRONG {found}")?;
        }
        if self.more > 0 {
            writeln!(out, "… and {} more findings", self.more)?;
        }
        for missed in &self.unchecked {
            writeln!(out, "NOT CHECKED {missed}")?;
        }
        writeln!(out, "{}", self.verdict())
    }

    /// Says no more than what was looked at.
    fn verdict(&self) -> String {
        if !self.findings.is_empty() {
            return "NOT verified: see above".into();
        }
        let mut said = vec![match self.anchors.total() {
            0 => "the log is whole and as it was signed last; no older checkpoint was there to compare it with".to_owned(),
            _ => "the log is whole, and continues every checkpoint that was found".to_owned(),
        }];
        if self.log_only {
            said.push("no store was asked, so no item was looked at".into());
        } else if !self.unchecked.is_empty() {
            said.push("NOT everything could be looked at: see above".into());
        } else if self.items_stored == 0 {
            said.push("nothing is stored yet, so no item was looked at".into());
        } else {
            self.say_stored(&mut said);
            if self.items_opened > 0 {
                said.push(format!(
                    "{} were opened and have the SHA-256 of the log",
                    self.items_opened
                ));
            }
        }
        if self.items_without_lock > 0 {
            said.push(format!(
                "{} were stored without a lock, as the log says",
                self.items_without_lock
            ));
        }
        if self.receipts_waiting > 0 {
            said.push(format!(
                "{} receipts are not in the store yet, of items that were stored within a day",
                self.receipts_waiting
            ));
        }
        if self.items_waiting > 0 {
            said.push(format!(
                "{} items wait on the station and were not looked at",
                self.items_waiting
            ));
        }
        format!("verified: {}", said.join("; "))
    }

    /// Describes the stored items when nothing is wrong with them.
    fn say_stored(&self, said: &mut Vec<String>) {
        let (stored, read) = (self.items_stored - self.items_disposed, self.items_read);
        if self.items_disposed > 0 {
            said.push(format!(
                "{} items were deleted by rule, as the office's log says, and the store says that they are gone",
                self.items_disposed
            ));
        }
        if self.by_size_only == 0 {
            said.push(format!(
                "each of the {stored} stored items is in the store with the size and the checksum of the log"
            ));
            if read < stored {
                said.push(format!(
                    "the store says so of {}, whose bytes were not read (--deep does)",
                    stored - read
                ));
            }
            return;
        }
        said.push(format!(
            "each of the {stored} stored items is in the store with the size of the log"
        ));
        said.push(format!(
            "{} objects were compared by size only, because the store named no SHA-256 for them (--deep reads their bytes)",
            self.by_size_only
        ));
        if self.checksums_named > 0 {
            said.push(format!(
                "the store named the checksum of the log for {} objects",
                self.checksums_named
            ));
        }
        if read > 0 {
            said.push(format!(
                "{read} items were read back and have the checksum of the log"
            ));
        }
    }
}

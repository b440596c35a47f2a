//! The report of `camdock audit gaps`, as text and as JSON.

use std::collections::BTreeMap;
use std::io::Write as _;

use jiff::Timestamp;
use serde::Serialize;

use crate::audit::{Accepted, ClockStep, Gap, GapKind, LogHistory};
use crate::cli::Outcome;
use crate::cli::verify::{ReportedDisposal, ReportedFinding, TIME_BACKWARDS};
use crate::model::Completeness;

/// Gaps of one kind in the text; JSON has all of them.
const SHOWN: usize = 50;

#[derive(Debug, Serialize)]
struct ExplainedGap {
    #[serde(flatten)]
    gap: Gap,
    accepted: Accepted,
}

#[derive(Debug, Serialize)]
struct OpenGap {
    #[serde(flatten)]
    gap: Gap,
    next_step: &'static str,
}

#[derive(Debug, Serialize)]
pub struct GapReport {
    time: Timestamp,
    log_entries: u64,
    /// The result of comparing the station's copy of the log with the bucket's.
    copies: Option<String>,
    store_compared: bool,
    /// Stored so recently that their receipts may still be on their way.
    pub receipts_waiting: u64,
    /// What the office's log says was deleted by rule.
    pub disposed: Vec<ReportedDisposal>,
    /// Why the office's log could not be read.
    pub unread: Option<ReportedFinding>,
    /// Runs of entries that are dated before an earlier one: not a finding, because clocks get adjusted.
    clock_steps: Vec<ClockStep>,
    /// Findings about the log itself.
    findings: Vec<ReportedFinding>,
    gaps: Vec<OpenGap>,
    accepted: Vec<ExplainedGap>,
}

impl GapReport {
    pub fn new(
        book: &LogHistory,
        gaps: Vec<Gap>,
        findings: Vec<ReportedFinding>,
        copies: Option<String>,
        store_compared: bool,
    ) -> Self {
        let mut report = Self {
            time: Timestamp::now(),
            log_entries: book.entries(),
            copies,
            store_compared,
            receipts_waiting: 0,
            disposed: Vec::new(),
            unread: None,
            clock_steps: book.clock_steps().to_vec(),
            findings,
            gaps: Vec::new(),
            accepted: Vec::new(),
        };
        for gap in gaps {
            match book.accepted(&gap).cloned() {
                // An explanation cannot settle a contradiction.
                Some(accepted) if !gap.code.is_contradiction() => {
                    report.accepted.push(ExplainedGap { gap, accepted });
                }
                _ => {
                    let next_step = gap.code.next_step();
                    report.gaps.push(OpenGap { gap, next_step });
                }
            }
        }
        report
    }

    pub fn completeness(&self) -> Completeness {
        let mut gaps: BTreeMap<String, u64> = GapKind::ALL
            .iter()
            .map(|kind| (kind.code().to_owned(), 0))
            .collect();
        for open in &self.gaps {
            *gaps.entry(open.gap.code.code().to_owned()).or_default() += 1;
        }
        Completeness {
            time: self.time,
            gaps,
        }
    }

    /// Keeps only one camera's gaps.
    pub fn only(mut self, camera: Option<&str>) -> Self {
        if let Some(camera) = camera {
            let of = |gap: &Gap| gap.camera.as_ref().is_some_and(|c| c.as_str() == camera);
            self.gaps.retain(|open| of(&open.gap));
            self.accepted.retain(|explained| of(&explained.gap));
        }
        self
    }

    pub fn print(&self, accepted: bool, json: bool) -> anyhow::Result<Outcome> {
        let mut out = std::io::stdout().lock();
        if json {
            serde_json::to_writer_pretty(&mut out, self)?;
            writeln!(out)?;
        } else {
            self.print_text(&mut out, accepted)?;
        }
        let contradiction = self
            .gaps
            .iter()
            .any(|open| open.gap.code.is_contradiction());
        Ok(if contradiction || !self.findings.is_empty() {
            Outcome::VerificationFailed
        } else if self.gaps.is_empty() {
            Outcome::Fine
        } else {
            Outcome::NeedsAttention
        })
    }

    fn print_text(&self, out: &mut dyn std::io::Write, accepted: bool) -> std::io::Result<()> {
        writeln!(out, "custody log: {} entries", self.log_entries)?;
        if let Some(copies) = &self.copies {
            writeln!(out, "             {copies}")?;
        }
        if !self.store_compared {
            writeln!(out, "store:       not compared")?;
        }
        if self.receipts_waiting > 0 {
            writeln!(
                out,
                "waiting:     {} receipts are not in the store yet, of items that were stored within a day",
                self.receipts_waiting
            )?;
        }
        for disposed in self.disposed.iter().take(SHOWN) {
            writeln!(out, "disposed:    {} {}", disposed.evidence, disposed.told)?;
        }
        if self.disposed.len() > SHOWN {
            let more = self.disposed.len() - SHOWN;
            writeln!(out, "disposed:    … and {more} more; --json names all")?;
        }
        if let Some(unread) = &self.unread {
            writeln!(out, "NOT LOOKED AT {unread}")?;
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
        for kind in GapKind::ALL {
            let of: Vec<_> = self
                .gaps
                .iter()
                .filter(|open| open.gap.code == kind)
                .collect();
            if of.is_empty() {
                continue;
            }
            writeln!(out, "\n{} ({}): {}", title(kind), kind.code(), of.len())?;
            for open in of.iter().take(SHOWN) {
                let officer = open
                    .gap
                    .officer
                    .as_ref()
                    .map_or_else(String::new, |o| format!("   officer {o}"));
                writeln!(out, "  {}\n      {}{officer}", open.gap.what, open.gap.gap)?;
            }
            if of.len() > SHOWN {
                writeln!(out, "  … and {} more; --json names all", of.len() - SHOWN)?;
            }
            writeln!(out, "  next: {}", kind.next_step())?;
        }
        if accepted {
            for explained in &self.accepted {
                let by = &explained.accepted;
                writeln!(
                    out,
                    "\nexplained: {}\n    {} by {} on {}: {}",
                    explained.gap.what,
                    explained.gap.gap,
                    by.operator,
                    by.at.strftime("%Y-%m-%d"),
                    by.reason
                )?;
            }
        }
        writeln!(
            out,
            "\n{}; {} explained{}",
            match self.gaps.len() {
                0 => "no gaps".to_owned(),
                1 => "1 gap".to_owned(),
                n => format!("{n} gaps"),
            },
            self.accepted.len(),
            if accepted || self.accepted.is_empty() {
                ""
            } else {
                " (--accepted shows them)"
            }
        )
    }
}

const fn title(kind: GapKind) -> &'static str {
    match kind {
        GapKind::GapObjectCovered => "Covered in the store by something newer",
        GapKind::GapObjectMissing => "Not in the store, though the log says so",
        GapKind::GapObjectUnknown => "In the store, and unknown to the log",
        GapKind::GapObjectSize => "Of another size in the store than in the log",
        GapKind::GapObjectUnlocked => "Not locked in the store as in the log",
        GapKind::GapNeverTaken => "Seen on a camera and never taken",
        GapKind::GapNotTaken => "Could not be taken",
        GapKind::GapWaiting => "Sealed, and waiting long for the store",
        GapKind::GapSession => "Stays cut short and never finished",
        GapKind::GapNumber => "Numbers missing in a camera's recordings",
        GapKind::GapCamera => "Cameras not docked for long",
    }
}

use std::fmt;

use super::Checkpoint;

/// Findings beyond this number are counted but not listed.
pub(super) const FINDINGS_MAX: usize = 1000;

/// The result of verifying a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogReport {
    /// Entries according to the signed checkpoint; 0 when none could be trusted.
    pub size: u64,
    /// If empty, every entry is exactly what the key signed.
    pub findings: Vec<LogFinding>,
    /// Findings beyond the first 1,000.
    pub more: u64,
    /// The checkpoint that everything was verified against, and its note as it was read.
    pub signed: Option<(Checkpoint, String)>,
}

impl LogReport {
    pub const fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// Findings, listed or not.
    pub(super) const fn count(&self) -> u64 {
        self.findings.len() as u64 + self.more
    }

    pub(super) fn add(&mut self, finding: LogFinding) {
        if self.findings.contains(&finding) {
            return;
        }
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        } else {
            self.more += 1;
        }
    }
}

/// One thing that is wrong with a log. Its `Display` is a sentence; [`Self::next_step`] says what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LogFinding {
    /// An entry is not the one that was signed.
    Edited { index: u64 },
    /// Something from `first` to `last` was changed, and the tiles with it.
    EditedWithin { first: u64, last: u64 },
    /// Entries are gone, or the whole file that held them.
    Removed { first: u64, last: u64 },
    /// Too much before `first` is missing or wrong, so the rest was not looked at.
    NotSearched { first: u64, last: u64 },
    /// An entry that was never signed stands after `index`.
    Added { index: u64 },
    /// The entries of one bundle are the signed ones in another order.
    Reordered { first: u64, last: u64 },
    /// The log ends earlier than it once did.
    Truncated { had: u64, has: u64 },
    /// The checkpoint is signed, but not by the expected key.
    ReplacedKey { found: String },
    /// Two histories under one key: the remembered checkpoint is not one of this log's.
    Fork { size: u64 },
    /// A signed checkpoint at `place` is of a longer log.
    CutOff { had: u64, has: u64, place: String },
    /// A signed checkpoint at `place` differs: something from `first` to `last` is not what was signed then.
    Rewritten {
        first: u64,
        last: u64,
        place: String,
    },
    /// The key signed two logs of one size.
    SignedTwice {
        size: u64,
        one: String,
        other: String,
    },
    /// The checkpoint is missing, malformed or its signature is wrong.
    BadSignature { reason: String },
    /// A hash tile is missing or wrong; the entries themselves may be good.
    TileMismatch { key: String },
    /// A signed entry that is not RFC 8785 canonical JSON.
    NotCanonical { index: u64 },
}

impl LogFinding {
    /// A stable label for scripts.
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Edited { .. } | Self::EditedWithin { .. } => "edited",
            Self::Removed { .. } | Self::NotSearched { .. } => "removed",
            Self::Added { .. } => "added",
            Self::Reordered { .. } => "reordered",
            Self::Truncated { .. } | Self::CutOff { .. } => "truncated",
            Self::ReplacedKey { .. } => "replaced_key",
            Self::Fork { .. } | Self::Rewritten { .. } | Self::SignedTwice { .. } => "fork",
            Self::BadSignature { .. } => "bad_signature",
            Self::TileMismatch { .. } => "tile_mismatch",
            Self::NotCanonical { .. } => "not_canonical",
        }
    }

    /// Advice for the person who reads the finding.
    pub const fn next_step(&self) -> &'static str {
        match self {
            Self::Edited { .. }
            | Self::EditedWithin { .. }
            | Self::Removed { .. }
            | Self::NotSearched { .. }
            | Self::Added { .. }
            | Self::Reordered { .. } => {
                "Keep this copy as it is, verify the other one (`camdock verify`, `camdock verify --bucket`), and call the evidence manager."
            }
            Self::Truncated { .. } | Self::CutOff { .. } => {
                "Keep this copy as it is, look for the missing end in the other one (station or bucket), and call the evidence manager."
            }
            Self::ReplacedKey { .. } => {
                "Compare the log key with the one on paper. If it is right, somebody replaced the log: keep it as it is and call the evidence manager."
            }
            Self::Fork { .. } | Self::Rewritten { .. } | Self::SignedTwice { .. } => {
                "Keep both histories and find out who else holds the station's log key."
            }
            Self::BadSignature { .. } => {
                "Fetch the checkpoint again from the other copy; nothing here is proven without it."
            }
            Self::TileMismatch { .. } => {
                "Fetch this file again from the other copy, then verify once more."
            }
            Self::NotCanonical { .. } => {
                "Report it as a fault of the program that wrote the entry; the entry is as signed."
            }
        }
    }
}

impl fmt::Display for LogFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Edited { index } => write!(f, "Entry {index} was edited.")?,
            Self::EditedWithin { first, last } => write!(
                f,
                "Entries {first} to {last} are not those that were signed: at least one was changed, and the tiles with it."
            )?,
            Self::Removed { first, last } if first == last => {
                write!(f, "Entry {first} was removed.")?;
            }
            Self::Removed { first, last } => {
                write!(f, "Entries {first} to {last} were removed.")?;
            }
            Self::NotSearched { first, last } => write!(
                f,
                "Entries {first} to {last} were not looked at: too much before them is missing or wrong."
            )?,
            Self::Added { index } => {
                write!(f, "An entry that was never signed was added at {index}.")?;
            }
            Self::Reordered { first, last } => {
                write!(f, "Entries between {first} and {last} were reordered.")?;
            }
            Self::Truncated { had, has } => {
                write!(
                    f,
                    "The log was cut off: it had {had} entries and has {has}."
                )?;
            }
            Self::ReplacedKey { found } => {
                write!(f, "The checkpoint is signed by another key ({found}).")?;
            }
            Self::Fork { size } => write!(
                f,
                "The log was rewritten: its first {size} entries are not those of the checkpoint remembered."
            )?,
            Self::CutOff { had, has, place } => write!(
                f,
                "The log was cut off: it has {has} entries, and the station signed {had} of them in {place}."
            )?,
            Self::Rewritten { first, last, place } => write!(
                f,
                "The log was rewritten and signed again: of the entries {first} to {last}, at least one is not what the station signed in {place}."
            )?,
            Self::SignedTwice { size, one, other } => write!(
                f,
                "The station's key signed two different logs of {size} entries: in {one} and in {other}."
            )?,
            Self::BadSignature { reason } => {
                write!(f, "The checkpoint proves nothing: {reason}.")?;
            }
            Self::TileMismatch { key } => {
                write!(f, "{key} is missing or does not fit the signed checkpoint.")?;
            }
            Self::NotCanonical { index } => {
                write!(f, "Entry {index} is not canonical JSON.")?;
            }
        }
        Ok(())
    }
}

//! A dock session's memory of its camera's files from pass to pass: failed reads, changes, growth, and what it refused.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::ingest::growth::Growth;
use crate::ingest::inventory::Refusals;
use crate::model::{FileFacts, NotTaken, SourcePath};

/// Read errors of one file before it is named as failed.
const TRIES: u32 = 3;
/// Changes of a file during its reads after which the bay says so.
const CHANGES: u32 = 10;
/// Files that are named to whoever ordered an import; the log names all.
const SHOWN_MAX: usize = 1000;

#[derive(Default)]
pub(super) struct FileHistory {
    failed_reads: HashMap<SourcePath, u32>,
    changes: HashMap<SourcePath, u32>,
    growth: Growth,
    /// Size and time of files that were compared with earlier items and differ from them.
    new: HashMap<SourcePath, (u64, Option<Timestamp>)>,
    pub refusals: Refusals,
    /// Since when files have not stayed as they are.
    unsteady: HashMap<SourcePath, Instant>,
    /// Those that were named as not taken for that.
    given_up: HashSet<SourcePath>,
    /// Something else than those was looked at in this pass.
    others: bool,
    failed: Vec<NotTaken>,
}

impl FileHistory {
    /// A pass begins.
    pub fn new_pass(&mut self) {
        self.others = false;
    }

    /// Whether the file was given up before; in the pass, it was looked at.
    pub fn is_given_up(&mut self, path: &SourcePath) -> bool {
        let given_up = self.given_up.contains(path);
        self.others |= !given_up;
        given_up
    }

    /// The pass met nothing but files that were given up.
    pub const fn only_given_up(&self) -> bool {
        !self.others
    }

    /// The file does not stay as it is; `true` when it did not for longer than that, and is given up.
    pub fn gives_up(&mut self, path: &SourcePath, patience: Duration) -> bool {
        let since = self.unsteady.entry(path.clone());
        let gives_up = since.or_insert_with(Instant::now).elapsed() >= patience;
        if gives_up {
            self.given_up.insert(path.clone());
        }
        gives_up
    }

    /// Keeps that a file was named as failed.
    pub fn not_taken_for(&mut self, path: &SourcePath, code: &str, reason: String) {
        if self.failed.len() < SHOWN_MAX {
            self.failed.push(NotTaken::new(path, code, reason));
        }
    }

    /// What was not taken, as far as it is kept.
    pub fn not_taken(&self) -> Vec<NotTaken> {
        let refused = self.refusals.iter().map(|(name, (code, reason))| NotTaken {
            file: name.clone(),
            code: (*code).to_owned(),
            reason: reason.clone(),
        });
        let all = self.failed.iter().cloned().chain(refused);
        all.take(SHOWN_MAX).collect()
    }

    /// Whether the file can be believed to have its final content.
    pub fn is_complete(&mut self, file: &FileFacts, settle: Duration) -> bool {
        self.growth.has_ended(file, settle)
    }

    /// Whether the file is known to differ from those taken before: it need not be compared again.
    pub fn is_new(&self, file: &FileFacts) -> bool {
        self.new.get(&file.path) == Some(&(file.size, file.modified))
    }

    pub fn set_new(&mut self, file: &FileFacts) {
        let version = (file.size, file.modified);
        self.new.insert(file.path.clone(), version);
    }

    pub fn taken(&mut self, path: &SourcePath) {
        self.failed_reads.remove(path);
        self.new.remove(path);
    }

    /// Counts a failed read; `true` while another try is worth it.
    pub fn failed(&mut self, path: &SourcePath) -> bool {
        let failed = self.failed_reads.entry(path.clone()).or_default();
        *failed += 1;
        *failed < TRIES
    }

    /// Counts a change during a read; `true` when it is written to repeatedly.
    pub fn changed(&mut self, path: &SourcePath) -> bool {
        let changes = self.changes.entry(path.clone()).or_default();
        *changes += 1;
        *changes > CHANGES
    }
}

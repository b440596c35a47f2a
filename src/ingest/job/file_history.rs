//! A dock session's memory of its camera's files from pass to pass: failed reads, changes, growth, and what it refused.

use std::collections::HashMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::ingest::growth::Growth;
use crate::ingest::inventory::Refusals;
use crate::model::{FileFacts, SourcePath};

/// Read errors of one file before it is named as failed.
const TRIES: u32 = 3;
/// Changes of a file during its reads after which the bay says so.
const CHANGES: u32 = 10;

#[derive(Default)]
pub(super) struct FileHistory {
    failed_reads: HashMap<SourcePath, u32>,
    changes: HashMap<SourcePath, u32>,
    growth: Growth,
    /// Size and time of files that were compared with earlier items and differ from them.
    new: HashMap<SourcePath, (u64, Option<Timestamp>)>,
    pub refusals: Refusals,
}

impl FileHistory {
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

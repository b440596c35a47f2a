//! The custody log: entries, Merkle tiles, checkpoints, proofs, verification.
//!
//! Keeps the promise that the log cannot be rewritten unnoticed. It knows nothing of cameras or stores: it takes entries
//! and gives files and proofs.

mod anchors;
mod canonical;
mod canonical_scan;
mod checkpoint;
mod clock_steps;
mod confirmation;
mod diagnose;
mod disposals;
mod entries;
mod error;
mod first_entries;
mod gaps;
mod keys;
mod log;
#[cfg(test)]
mod memory;
mod note;
mod policy;
mod proof;
mod receipt;
mod recovery;
mod report;
mod single_entries;
mod source;
mod tiles;
mod tree;
mod verify;
mod viewing;
mod wal;
mod wipe;
mod witness;
mod writer;

pub use anchors::{Anchor, check_anchors, signed_checkpoints};
pub use canonical::{ENTRY_MAX, encode_entry, is_canonical};
pub use checkpoint::Checkpoint;
pub use clock_steps::{ClockStep, ClockSteps};
pub use confirmation::{CONFIRMATION_MAX, Confirmation};
pub use disposals::{Disposal, DisposalHistory, is_late_enough};
pub use entries::{NextEntries, ProvenEntries, ReadPrefix};
pub use error::AuditError;
pub use first_entries::{FirstEntries, ItemTwice};
pub use gaps::{Accepted, Gap, GapKind, GapRules, LogHistory, LoggedObject};
pub use keys::{LogKey, VerifierKey};
pub use log::Log;
#[cfg(test)]
pub use memory::MemoryLog;
pub use policy::{PolicyWitness, WitnessPolicy};
pub use receipt::{claimed_indices, claimed_size, entries_from, entry_at, verify_receipt};
pub use report::{LogFinding, LogReport};
pub use single_entries::EntryReader;
pub use source::{BUNDLE_MAX, DirSource, LogSource};
pub use verify::{Standing, compare, verify_log};
pub use viewing::{VIEWING_MAX, Viewing};
#[cfg(test)]
pub(crate) use wipe::proof_desk;
pub use wipe::{WipeTrust, prove};
pub use witness::{AddCheckpoint, LogGrowth, WitnessKey, consistency_proof, growth, has_grown};
pub use writer::{Committed, LogHandle};

/// Whether `key` is a tile or an entry bundle that never changes any more.
pub fn is_full_tile(key: &str) -> bool {
    tiles::Tile::parse(key).is_some_and(tiles::Tile::is_full)
}

/// The keys of all files, except the checkpoint, of a log with `size` entries.
pub fn log_files(size: u64) -> impl Iterator<Item = String> {
    tiles::tiles_between(0, size).map(tiles::Tile::key)
}

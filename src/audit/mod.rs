//! The custody log: entries, Merkle tiles, checkpoints, proofs, verification.
//!
//! Keeps promise 6. Knows nothing of cameras or stores: it is handed entries and hands out files and proofs.

mod canonical;
mod checkpoint;
mod error;
mod keys;
mod log;
mod note;
mod proof;
mod receipt;
mod recovery;
mod source;
mod tiles;
mod tree;
mod wal;
mod writer;

pub use canonical::{ENTRY_MAX, encode_entry, is_canonical};
pub use checkpoint::Checkpoint;
pub use error::AuditError;
pub use keys::{LogKey, VerifierKey};
pub use log::Log;
pub use receipt::verify_receipt;
pub use source::{DirSource, LogSource};
pub use writer::{Committed, LogHandle};

//! The custody log: entries, Merkle tiles, checkpoints, proofs, verification.
//!
//! Keeps promise 6. Knows nothing of cameras or stores: it is handed entries and hands out files and proofs.

//! Shared by the test files: a real SeaweedFS, a store that fails on demand, and content made from a seed.

#![allow(
    dead_code,
    unused_imports,
    reason = "each test file uses its own share"
)]

mod faulty;
mod seaweed;
mod source;

pub use faulty::{Fault, Faulty, Op};
pub use seaweed::{SeaweedFs, Station, find_weed};
pub use source::{MemoryLedger, SeededSource};

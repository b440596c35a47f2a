//! Shared by the test files: a real SeaweedFS, a store that fails on demand, and content made from a seed.

#![allow(
    dead_code,
    unused_imports,
    reason = "each test file uses its own share"
)]

mod faulty;
mod seaweed;
mod source;
mod tools;

pub use faulty::{Fault, Faulty, Op};
pub use seaweed::{SeaweedFs, Station};
pub use source::{MemoryLedger, SeededSource};
pub use tools::{tool, tools_dir};

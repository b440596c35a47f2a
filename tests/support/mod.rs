//! What the test files share: a real SeaweedFS, and a store that fails on demand.

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
pub use source::Made;

//! What the test files share: a real SeaweedFS, and a store that fails on demand.

#![allow(dead_code, reason = "each test file uses its own share")]

mod faulty;
mod seaweed;

pub use faulty::{Fault, Faulty, Op};
pub use seaweed::{SeaweedFs, Station};

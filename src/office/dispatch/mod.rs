//! Files of dispatch (CAD): which recording was made in the time of which row, by the officer and by the camera's measured clock.
//!
//! A match is a proposal with its confidence and nothing more: whoever tags by it decides, and every doubt is listed instead.

mod file;
mod matching;
mod times;

pub use file::{DispatchFile, DispatchRow, FILE_MAX, RowProblem};
pub use matching::{Finding, Matches, find_matches};

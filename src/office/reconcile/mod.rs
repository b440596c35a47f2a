//! Compares a station's folder in the bucket with what its log says is there.
//!
//! It only reads. What was not answered was not looked at: nothing is called fine, missing or foreign for the want of an answer.

mod listing;
mod sweep;

pub use listing::Listing;
pub use sweep::sweep;

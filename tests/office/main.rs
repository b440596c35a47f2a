//! The evidence office through its own program, against a real store: stations' logs that grow, and logs that were tampered
//! with by somebody who has the station's key and the bucket.

#[path = "../support/mod.rs"]
mod support;

mod acts;
mod bed;
mod decisions;
mod follow;
mod interface;
mod link;

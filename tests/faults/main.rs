//! Everything that can break on the way of an item, broken on purpose: stops at every step, stores and disks that fail.

mod disk;
#[path = "../support/footage.rs"]
#[allow(dead_code, reason = "shared with other test files")]
mod footage;
#[path = "../station/place.rs"]
#[allow(dead_code, reason = "shared with the station's tests")]
mod place;
mod points;
mod proxy;
mod store;
#[path = "../support/mod.rs"]
mod support;
mod sweep;
mod whole;

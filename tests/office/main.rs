//! The evidence office through its own program, against a real store: stations' logs that grow, and logs that were tampered
//! with by somebody who has the station's key and the bucket.

#[path = "../support/mod.rs"]
mod support;

mod acts;
mod bed;
mod browser;
mod bucket;
mod copies;
mod decisions;
mod dispatch;
mod disposals;
mod disposer;
#[path = "../browser/driver.rs"]
mod driver;
mod endless;
mod follow;
#[path = "../support/footage.rs"]
#[allow(dead_code, reason = "shared with the previews' tests")]
mod footage;
mod gaps;
mod holds;
mod imports;
mod interface;
mod keeping_page;
mod keydesk;
mod link;
mod locks;
mod outsiders;
mod packs;
mod person_keys;
#[allow(dead_code, reason = "the station's tests use the rest")]
#[path = "../station/place.rs"]
mod place;
mod recipients;
mod recording;
mod report;
mod restricted;
mod roles;
mod rotation;
mod searches;
mod seeking;
mod setup;
mod share_reader;
mod shared_recordings;
mod shares;
mod sign_in;
mod tags;
mod views;
mod watching;

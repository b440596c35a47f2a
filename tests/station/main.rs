//! The whole station through its own program, against a real store: what people rely on and what can go wrong.

mod bad_input;
mod bay_changes;
mod confirm;
mod covered_objects;
mod day;
mod decisions;
mod demo;
mod device_flood;
mod disposed;
mod end_to_end;
mod file_changes;
mod first_lock;
#[path = "../support/footage.rs"]
mod footage;
mod gaps;
mod imports;
mod kills;
mod lifetime;
mod load;
mod log_rewrites;
mod lost_journal;
mod people;
mod place;
mod plaintext_watch;
mod policy;
mod preview_need;
mod previews;
mod readiness;
mod recipients;
mod resealed_items;
mod safe_display;
mod setup;
mod stolen_station;
mod store;
#[path = "../support/mod.rs"]
mod support;
mod usb;
mod views;
mod weekly_verification;
mod witness;

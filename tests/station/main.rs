//! The whole station through its own program, against a real store: what people rely on and what can go wrong.

mod changing;
mod confirm;
mod covered;
mod day;
mod decisions;
mod demo;
mod end_to_end;
mod flood;
#[path = "../support/footage.rs"]
mod footage;
mod gaps;
mod hostile;
mod interrupted;
mod lifetime;
mod load;
mod moved;
mod people;
mod place;
mod policy;
mod previews;
mod ready;
mod rewritten;
mod safe;
mod sealed_again;
mod setup;
mod stolen;
mod store;
#[path = "../support/mod.rs"]
mod support;
mod usb;
mod verified;
mod witness;

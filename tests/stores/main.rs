//! Stores of several makers, and stores that do less than they are asked: what is put there is confirmed and locked, or nothing
//! more is put there; and nothing ever gets a second version. What is kept is renewed, held and deleted by version.

mod ceph;
mod keeping;
mod lax;
mod lax_store;
mod makers;
mod moto;
mod process;
mod round;
#[path = "../support/mod.rs"]
mod support;

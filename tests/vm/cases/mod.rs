//! One file a kind of camera; names begin with `vm_`, by which the quick run leaves them out.

mod corrupt;
mod folder;
mod gadget;
mod locked;
mod many;
mod mtp;
mod package;
mod power;
mod service;
mod storage;
mod trouble;
mod wipe;
mod wipe_confirmed;
mod wipe_mtp;
mod wipe_tricked;

/// No test: `make vm`.
#[test]
#[ignore = "wants a person at the terminal: make vm"]
fn shell_in_the_guest() {
    crate::bed::Guest::on_terminal();
}

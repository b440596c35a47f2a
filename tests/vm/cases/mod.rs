//! One file for each kind of camera or trouble. Names begin with `vm_`: the quick run leaves these tests out.

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

/// Not a test: `make vm` runs it.
#[test]
#[ignore = "wants a person at the terminal: make vm"]
fn shell_in_the_guest() {
    crate::bed::Guest::on_terminal();
}

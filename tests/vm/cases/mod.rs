//! One file for each kind of camera or trouble. Names begin with `vm_`: the quick run leaves these tests out.

mod corrupt;
mod disc;
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

/// Not a test: `run_tests.sh` runs it before the tests, so that no case's time limit has to cover a new Debian guest, and
/// none waits until the others leave the machines that were made before.
#[test]
#[ignore = "run_tests.sh makes the guest before it starts the tests"]
fn the_guest_is_made() {
    drop(crate::bed::Guest::installed());
}

/// Not a test: `make vm` runs it.
#[test]
#[ignore = "wants a person at the terminal: make vm"]
fn shell_in_the_guest() {
    crate::bed::Guest::on_terminal();
}

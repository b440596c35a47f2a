//! The service in a real Debian guest under QEMU (software emulation, no network): installed as a user would, its store
//! beside it, cameras plugged and pulled over the control socket.
//!
//! One test is one case. The first to need them makes the guest's image, boots it and installs the service; that is
//! kept in the build folder as a snapshot of the running machine, from which each case resumes in a second. One case
//! runs at a time. `make vm` opens a shell in such a guest; `make vm-case CASE=name` runs one case and shows all of it.

mod bed;
mod cases;
#[path = "../support/mod.rs"]
mod support;

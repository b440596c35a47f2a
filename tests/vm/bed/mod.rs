//! The test bed: makes and keeps guests, plugs devices into them, and talks to the station in them.

mod agent;
mod disk;
mod drive;
mod exfat;
mod fat;
mod guest;
mod install;
mod kept;
mod medium;
mod plug;
mod qemu;
mod redir;
mod station;

pub use fat::Fat;
pub use guest::Guest;
pub use medium::{Layout, Medium, empty_udf};
pub use plug::Media;
pub use qemu::again_if_qemu_crashes;
pub use redir::{Form, Part, Setup};
pub use station::{FILMED, Footage};

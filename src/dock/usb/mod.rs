//! USB devices: read from sysfs, judged by profiles, given to bays. libusb only hurries the scan.

pub mod descriptors;
mod hints;
mod judge;
#[cfg(test)]
mod made_up;
mod plugged;
mod ports;
mod sysfs;

#[cfg(test)]
pub(crate) use made_up::{DISK, Tree, made};

pub use judge::{Verdict, hostile, judge};
pub use sysfs::{BlockNode, Plug, PlugState, Sysfs};

pub(super) use hints::Hints;
pub(super) use plugged::{Around, Plugged};
pub use ports::Ports;

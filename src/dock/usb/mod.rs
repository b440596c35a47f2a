//! USB devices: reads them from sysfs, matches them with profiles, and assigns them to bays. libusb only speeds up the scan.

pub mod descriptors;
mod hotplug;
mod ports;
mod slots;
mod sysfs;
#[cfg(test)]
mod test_tree;
mod verdict;

#[cfg(test)]
pub(crate) use test_tree::{DISK, SysfsTree, descriptor_bytes};

pub use sysfs::{BlockNode, Plug, PlugState, Sysfs};
pub use verdict::{UsbVerdict, hostile, judge};

pub(super) use hotplug::HotplugListener;
pub use ports::Ports;
pub(super) use slots::{ScanContext, UsbSlots};

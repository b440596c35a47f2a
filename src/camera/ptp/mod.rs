//! PTP and MTP over USB: a small client that only reads, except for the clock where a profile says so, and for `erase`, which
//! deletes one proven file at a time where wiping is switched on.
//!
//! Keeps promises 1, 3 and 10. A device is untrusted: each answer is bounded in length, number and time before it is
//! believed, and names become source paths and nothing else.
//!
//! From outside: [`UsbTransport::open`] claims a device's interface, [`PtpCamera::open`] makes a
//! [`crate::camera::Camera`] of any [`BulkTransport`]. The facts behind the tolerance are in CAMERAS.md, section 2.

mod camera;
mod condition;
mod dataset;
mod erase;
mod error;
mod file;
mod link;
mod lists;
mod name;
mod object;
mod property;
mod reader;
mod recovery;
mod session;
mod transport;
mod tree;
mod usb;
mod way;
mod wire;

pub use camera::{PtpCamera, PtpFacts};
pub use dataset::{DeviceInfo, DeviceStatus, ObjectInfo, StorageInfo, parse_handles};
pub use error::PtpError;
pub use link::{Pace, Stop};
pub use property::{Form, ObjectProp, PropDesc, Value, parse_prop_list};
pub use reader::{Malformed, PtpDate, PtpString, Reader};
pub use transport::{BulkTransport, Presence, Setup, TransportError};
pub use usb::{Claim, UsbTransport};
pub use wire::{Header, Response, command, container, op, prop, rc};

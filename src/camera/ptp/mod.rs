//! PTP and MTP over USB: a small client that only reads. The exceptions are the clock, where a profile says so, and `erase`,
//! which deletes one proven file at a time where wiping is switched on.
//!
//! Keeps promises 1, 3 and 10. A device is untrusted: each answer is bounded in length, number and time before it is
//! believed, and names become source paths and nothing else.
//!
//! [`UsbTransport::open`] claims a device's interface, and [`PtpCamera::open`] makes a [`crate::camera::Camera`] of any
//! [`BulkTransport`].

mod camera;
mod condition;
mod dataset;
mod erase;
mod error;
mod file;
mod link;
mod name;
mod object;
mod object_path;
mod object_walk;
mod prop_lists;
mod property;
mod reader;
mod recovery;
mod session;
mod transport;
mod usb;
mod wire;

pub use camera::{PtpCamera, PtpFacts};
pub use dataset::{DeviceInfo, DeviceStatus, ObjectInfo, StorageInfo, parse_handles};
pub use error::PtpError;
pub use link::{LinkTiming, Stop};
pub use property::{Form, ObjectProp, PropDesc, Value, parse_prop_list};
pub use reader::{DatasetReader, Malformed, PtpDate, PtpString};
pub use transport::{BulkTransport, Presence, Setup, TransportError};
pub use usb::{InterfaceClaim, UsbTransport};
pub use wire::{ContainerHeader, Response, command, container, op, prop, rc};

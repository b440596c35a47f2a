//! Reports arrivals and departures of cameras in bays.
//!
//! Decides nothing about footage and never reads it. A slow scan decides what is docked; notify and hotplug events only make
//! it faster. The first scan, hotplug and missed events all go through the same pure functions.

mod docked_folders;
mod event_log;
mod folder_scan;
pub mod usb;
mod watch;

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

pub use watch::{DockWatch, UsbWatchSettings, WatchSettings};

use crate::model::{BayName, Explain, Mounted, RetryClass, UsbDevice};

/// Where a docked camera can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A folder that something else mounts or fills.
    Folder { root: PathBuf },
    /// A USB disk that the mount helper mounted; each storage is a folder of `root`.
    Mounted { root: PathBuf, mounted: Mounted },
    /// A USB device to be opened: PTP and MTP.
    Usb(UsbDevice),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DockEvent {
    /// A camera is in a bay. No two docked cameras share a bay's name.
    Arrived {
        bay: BayName,
        target: Target,
        /// For a folder, as configured where it appeared; a marker may name another. For a USB device, the one that matches.
        profile: String,
    },
    /// A USB disk is being mounted: its arrival follows, or a refusal with the reason.
    Plugged {
        bay: BayName,
        device: UsbDevice,
        profile: String,
    },
    /// A locked camera: after the profile's unlock step it comes back in the same bay as another device.
    Locked {
        bay: BayName,
        device: UsbDevice,
        profile: String,
    },
    Left {
        bay: BayName,
        reason: LeftReason,
    },
    /// Something that is in a bay but is never read; reported once for as long as it stays.
    Refused {
        bay: BayName,
        /// One clause, such as `is a symbolic link`.
        reason: String,
    },
    /// A hint that something changed inside a docked folder or about its storages, about once a second at most. Hints can
    /// get lost, so the camera must also be listed from time to time without one.
    Touched {
        bay: BayName,
    },
    /// A configured folder is missing or can't be read; reported once. If it is missing, its cameras have left.
    RootMissing {
        root: PathBuf,
        reason: String,
    },
    RootBack {
        root: PathBuf,
    },
    /// Each configured folder and USB were scanned once since the start: every camera docked before has been reported.
    FirstLookDone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftReason {
    /// Its folder is gone.
    Removed,
    /// A folder, or a device, is in its place: another one, or the same one again.
    Replaced,
    /// The configured folder it was in is gone.
    RootGone,
    /// It did not come back after it was unlocked.
    NotBack,
    /// It turned out to be a disk of the station's own.
    Own,
}

impl fmt::Display for LeftReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Removed => "the camera was removed",
            Self::Replaced => "the camera was removed and a device was docked in its place",
            Self::RootGone => "the docked folder's parent is gone",
            Self::Own => "it is a disk of the station's own",
            Self::NotBack => "the camera did not come back after it was unlocked",
        })
    }
}

#[derive(Debug, Error)]
pub enum DockError {
    #[error("cannot start the thread that watches {what}")]
    Thread {
        /// A folder's path, or USB.
        what: String,
        #[source]
        source: std::io::Error,
    },
}

impl Explain for DockError {
    fn retry_class(&self) -> RetryClass {
        RetryClass::Operator
    }

    fn label(&self) -> &'static str {
        "dock_start"
    }

    fn next_step(&self) -> String {
        "Raise the limit of tasks for the service (TasksMax) or free memory, then restart it."
            .into()
    }
}

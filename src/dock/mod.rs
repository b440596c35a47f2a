//! What is plugged where: arrivals and departures of cameras in bays, from one classifier.
//!
//! Decides nothing about footage and never reads it. The slow scan is the truth, notify only makes it quick:
//! start, hot-plug and a missed event all go through the same pure function.

mod classify;
mod scan;
mod watch;

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

pub use watch::FolderWatch;

use crate::model::{BayName, Explain, RetryClass};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DockEvent {
    /// A camera is in a bay. No two docked cameras share a bay's name.
    Arrived {
        bay: BayName,
        /// The camera's own folder.
        root: PathBuf,
        /// As configured for the folder it appeared in; a marker may name another.
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
    /// A hint that something changed inside a docked folder, at most about one a second. Hints can get lost: look again
    /// now and then without them, too.
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
    /// Each configured folder was looked at once since the start: all that was docked before has been reported.
    FirstLookDone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeftReason {
    /// Its folder is gone.
    Removed,
    /// Another folder took its place under the same name.
    Replaced,
    /// The configured folder it was in is gone.
    RootGone,
}

impl fmt::Display for LeftReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Removed => "the camera was removed",
            Self::Replaced => "another camera took its place",
            Self::RootGone => "the docked folder's parent is gone",
        })
    }
}

#[derive(Debug, Error)]
pub enum DockError {
    #[error("cannot start the thread that watches {}", root.display())]
    Thread {
        root: PathBuf,
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

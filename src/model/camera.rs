use std::fmt;

use serde::{Deserialize, Serialize};

/// Longest serial that is accepted, in bytes; a longer one is cut and the camera treated as unknown.
pub const SERIAL_MAX: usize = 128;

/// A camera's stable name, `<make>/<serial>`, printable ASCII without spaces: the key of the roster and of what is held.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CameraId(String);

impl CameraId {
    /// From what a device says; `None` when the serial is empty, too long or has other than printable ASCII.
    pub fn new(make: &str, serial: &str) -> Option<Self> {
        let serial = serial.trim();
        let clean = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic());
        (clean(serial) && serial.len() <= SERIAL_MAX && clean(make) && make.len() <= 64)
            .then(|| Self(format!("{make}/{serial}")))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part after the make.
    pub fn serial(&self) -> &str {
        self.0.split_once('/').map_or(&self.0, |(_, serial)| serial)
    }
}

impl fmt::Display for CameraId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Who a docked device says it is, as far as it could be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CameraIdentity {
    /// `None`: the camera gave no usable serial; its footage is taken and quarantined.
    pub id: Option<CameraId>,
    /// Name of the profile that matched.
    pub profile: String,
    /// How it is read: `folder`, `mass-storage`, `ptp`.
    pub access: String,
}

impl CameraIdentity {
    /// For the encryption context and for people; `unknown` when there is no serial.
    pub fn label(&self) -> &str {
        self.id.as_ref().map_or("unknown", CameraId::as_str)
    }
}

/// An officer's badge id as the roster gives it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Officer(pub String);

impl fmt::Display for Officer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use super::{CameraClock, CameraDevice, ClockMethod, UnknownName};

/// Longest serial that is accepted, in bytes; a longer one is cut and the camera treated as unknown.
pub const SERIAL_MAX: usize = 128;

/// A camera's stable name, `<make>/<serial>`, printable ASCII without spaces. The key of the roster and of held items.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CameraId(String);

impl CameraId {
    /// From a device's own texts; `None` when the serial is empty, too long or not printable ASCII.
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

impl FromStr for CameraId {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let parsed = text
            .split_once('/')
            .and_then(|(make, serial)| Self::new(make, serial));
        parsed.ok_or_else(|| UnknownName {
            what: "a camera id (make/serial)",
            text: text.chars().take(256).collect(),
        })
    }
}

impl fmt::Display for CameraId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A docked camera's identity, as far as it could be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CameraIdentity {
    /// `None`: the camera gave no usable serial; its footage is taken and quarantined.
    pub id: Option<CameraId>,
    /// Name of the profile that matched.
    pub profile: String,
    /// The access: `folder`, `mass-storage`, `ptp`.
    pub access: String,
}

impl CameraIdentity {
    /// For the encryption context and for people; `unknown` when there is no serial.
    pub fn label(&self) -> &str {
        self.id.as_ref().map_or("unknown", CameraId::as_str)
    }
}

/// The reading of the times of a camera's files. Used only to bound the error of its clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileTimes {
    /// UTC, also where the zone is unknown.
    Utc,
    /// Local times of this zone, which the file times hold as if they were UTC.
    Local(TimeZone),
}

impl FileTimes {
    /// The bound that the newest file gives at the station's time `now`.
    pub fn bound(&self, newest: Timestamp, now: Timestamp) -> Option<CameraClock> {
        let (instant, zone) = match self {
            Self::Utc => (newest, None),
            Self::Local(zone) => {
                let wall = TimeZone::UTC.to_datetime(newest);
                (
                    zone.to_timestamp(wall).ok()?,
                    zone.iana_name().map(str::to_owned),
                )
            }
        };
        Some(CameraClock {
            method: ClockMethod::NewestFile,
            at: now,
            reads: Some(newest.to_string()),
            time_zone: zone,
            ahead_seconds: None,
            ahead_at_least_seconds: Some(instant.as_second() - now.as_second()),
            set: None,
        })
    }
}

/// A camera's description of itself, apart from its files. Read once, when its session begins.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Condition {
    /// `None`: its clock can't be read.
    pub clock: Option<CameraClock>,
    /// Where its clock can't be read: the newest file's time is a bound, read in this zone. `None`: the files' times are
    /// not the camera's own.
    pub file_times: Option<FileTimes>,
    /// Percent.
    pub battery: Option<u8>,
    /// The camera's USB device.
    pub device: Option<CameraDevice>,
    /// For the log and the operator, one sentence each, for example that a factory password works.
    pub warnings: Vec<String>,
}

/// An officer's badge id as the roster gives it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Officer(pub String);

impl Officer {
    /// One word of at most 64 characters.
    pub fn is_badge(&self) -> bool {
        (1..=64).contains(&self.0.chars().count())
            && !(self.0.chars()).any(|c| c.is_control() || c.is_whitespace())
    }
}

impl fmt::Display for Officer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_file_is_a_bound_on_the_cameras_clock_in_its_own_zone() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let (newest, now) = (at("2026-07-01T12:00:00Z"), at("2026-07-01T11:30:00Z"));
        let utc = FileTimes::Utc.bound(newest, now).unwrap();
        assert_eq!(utc.ahead_at_least_seconds, Some(1800));
        assert_eq!((utc.ahead_seconds, utc.time_zone), (None, None));
        // Noon on a London camera's clock in summer is 11:00 UTC: half an hour ago.
        let london = FileTimes::Local(TimeZone::get("Europe/London").unwrap());
        let bound = london.bound(newest, now).unwrap();
        assert_eq!(bound.ahead_at_least_seconds, Some(-1800));
        assert_eq!(bound.time_zone.as_deref(), Some("Europe/London"));
        assert_eq!(bound.reads.as_deref(), Some("2026-07-01T12:00:00Z"));
        // A camera can claim anything.
        for wild in [Timestamp::MIN, Timestamp::MAX] {
            let _ = london.bound(wild, now);
            assert!(FileTimes::Utc.bound(wild, now).is_some());
        }
    }
}

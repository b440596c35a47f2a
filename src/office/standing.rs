//! How each followed log stands, kept beside the witness's record for `camdock office status`.

use std::fs;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::OfficeError;
use super::witness::WitnessedLog;
use crate::config::OfficeConfig;
use crate::durable;
use crate::metrics;
use crate::model::{Sha256Digest, StationName};

const FILE: &str = "standing.json";

/// What the office saw when it last looked at a log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogStanding {
    pub station: StationName,
    pub looked_at: Timestamp,
    /// Entries in the checkpoint that was cosigned last; 0 before the first.
    pub cosigned_entries: u64,
    pub cosigned_at: Option<Timestamp>,
    /// The problem's code, and in words what was seen.
    pub code: Option<String>,
    pub problem: Option<String>,
    /// A person retired it: its silence is in order.
    #[serde(default)]
    pub closed: bool,
}

/// Looks that fail to come are noticed after so many of them, but not within ten minutes.
const LOOKS_MISSED: u32 = 10;
const MISSED_AT_LEAST: Duration = Duration::from_mins(10);

impl LogStanding {
    /// Nobody has looked for long: the office has ended, or hangs. What it saw before says nothing of now.
    pub fn is_stale(&self, interval: Duration, now: Timestamp) -> bool {
        let limit = (interval * LOOKS_MISSED).max(MISSED_AT_LEAST);
        let passed = now.duration_since(self.looked_at);
        Duration::try_from(passed).is_ok_and(|passed| passed > limit)
    }

    /// Keeps it and shows it in the metrics. It is made again at each look, so no sync is needed.
    pub fn keep(&self, log: &WitnessedLog) -> Result<(), OfficeError> {
        metrics::followed_log(
            self.station.as_str(),
            self.cosigned_entries,
            self.cosigned_at.map(Timestamp::as_second),
            self.code.is_some(),
        );
        let json = serde_json::to_vec(self).unwrap_or_default();
        durable::create_dir(log.dir())?;
        Ok(durable::write_unsynced(&log.dir().join(FILE), &json)?)
    }
}

/// What was last seen of each configured station; `None` for one that was never looked at.
pub fn standings(
    config: &OfficeConfig,
) -> Result<Vec<(StationName, Option<LogStanding>)>, OfficeError> {
    let read = |station: &crate::config::FollowedStation| {
        let origin = super::station_key(station)?;
        let hash = Sha256Digest::of(origin.name().as_bytes()).to_string();
        let text = fs::read(config.witness_dir().join(hash).join(FILE)).ok();
        let standing = text.and_then(|text| serde_json::from_slice(&text).ok());
        Ok((station.name.clone(), standing))
    };
    config.stations.iter().map(read).collect()
}

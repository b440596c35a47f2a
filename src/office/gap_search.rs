//! Looks for what is missing between a station's cameras and its log, in the bucket's copy of the log alone: every entry is proven
//! to lie below a checkpoint that was cosigned here.

use jiff::{SignedDuration, Timestamp};

use super::OfficeError;
use crate::audit::{Checkpoint, Gap, GapKind, GapRules, LogHistory, NextEntries, ReadPrefix};
use crate::model::{Entry, StationName};
use crate::publish::BucketLog;

/// Between two searches of one log.
pub const PERIOD: SignedDuration = SignedDuration::from_hours(24);
/// Bytes of entries that are proven together.
const STEP_BYTES: usize = 8 << 20;
/// A log with more entries is not searched: what is known of it has to be in memory at once.
const ENTRIES_MAX: u64 = 2_000_000;

pub struct FoundGaps {
    pub gaps: Vec<Gap>,
    /// As many more were explained at the station.
    pub explained: u64,
}

/// The gaps of a log up to a checkpoint. Blocks, and reads the whole log.
pub fn find(
    source: &BucketLog,
    station: &StationName,
    now: &Checkpoint,
) -> Result<FoundGaps, OfficeError> {
    if now.size > ENTRIES_MAX {
        return Err(OfficeError::LogTooLong {
            station: station.clone(),
            most: ENTRIES_MAX,
        });
    }
    let (mut history, mut prefix) = (LogHistory::default(), ReadPrefix::default());
    loop {
        match prefix.read_on(source, now, STEP_BYTES)? {
            NextEntries::Proven(entries) => {
                for (_, bytes) in entries.iter() {
                    // What makes no sense is counted by the index, and explains nothing here.
                    if let Ok(entry) = serde_json::from_slice::<Entry>(bytes)
                        && entry.station == *station
                    {
                        history.enter(&entry);
                    }
                }
                prefix = entries.prefix;
            }
            NextEntries::NoneLeft => break,
            NextEntries::OtherLog | NextEntries::Unfit => {
                let station = station.clone();
                return Err(OfficeError::EntriesUnfit { station });
            }
        }
    }
    // What waits for the store is told apart; which cameras a station should see, its log does not say.
    let all = history.gaps(&GapRules::usual(Timestamp::now()));
    let all = all
        .into_iter()
        .filter(|gap| gap.code != GapKind::GapWaiting);
    let (explained, gaps): (Vec<_>, Vec<_>) = all.partition(|gap| history.accepted(gap).is_some());
    Ok(FoundGaps {
        gaps,
        explained: explained.len() as u64,
    })
}

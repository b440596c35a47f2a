//! When a recording was made, by the station's clock.

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use super::file::once;
use super::matching::SLACK;
use crate::office::index::DatedRecording;

/// The time of a recording, corrected where the camera's clock was measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordingTime {
    Measured {
        at: Timestamp,
        ahead: i64,
    },
    /// As the camera says it; why that is all.
    Claimed {
        at: Timestamp,
        why: &'static str,
    },
    None(&'static str),
}

pub fn of(recording: &DatedRecording) -> RecordingTime {
    let Some(recorded) = recording.recorded else {
        return RecordingTime::None("the camera gave no time");
    };
    let clock = &recording.clock;
    // A camera whose profile names its zone has local times, which stand in the log as if they were UTC. An offset in its place is the
    // camera's own, and then its times are instants.
    let named = clock.zone.as_deref();
    let named = named.filter(|zone| zone.starts_with(|c: char| c.is_ascii_alphabetic()));
    let at = match named.map(TimeZone::get) {
        None => recorded,
        Some(Ok(zone)) => match once(TimeZone::UTC.to_datetime(recorded), &zone) {
            Some(at) => at,
            None => {
                return RecordingTime::None(
                    "its local time is when the clocks are changed: it never was, or was twice",
                );
            }
        },
        Some(Err(_)) => return RecordingTime::None("the zone of its camera is not known here"),
    };
    let claimed = |why| RecordingTime::Claimed { at, why };
    match (clock.ahead, clock.ahead_at_least) {
        (Some(_), _) if clock.synchronised != Some(true) => {
            claimed("the station's own clock was not synchronised when it measured the camera's")
        }
        (Some(ahead), _) => match at.checked_sub(SignedDuration::from_secs(ahead)) {
            Ok(at) => RecordingTime::Measured { at, ahead },
            Err(_) => RecordingTime::None("its corrected time is none"),
        },
        (None, Some(ahead)) if ahead > SLACK.as_secs() => {
            RecordingTime::None("its camera's clock is ahead, and by how much nobody could measure")
        }
        (None, _) => claimed("its camera's clock was not measured"),
    }
}

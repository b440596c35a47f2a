//! Which recording was made in the time of which row.

use std::collections::{BTreeMap, HashSet};
use std::ops::ControlFlow;

use jiff::{SignedDuration, Timestamp};

use super::file::{DispatchRow, LONGEST};
use super::times::{self, RecordingTime};
use crate::model::{MatchConfidence, Officer, StationName};
use crate::office::OfficeError;
use crate::office::index::{DatedRecording, Index};

/// People switch a camera on before they are dispatched, and dispatch clears them late.
pub(super) const SLACK: SignedDuration = SignedDuration::from_mins(5);
/// Rows that are named for one recording; of more nobody chooses.
const CANDIDATES_MAX: usize = 20;
/// Recordings of one file.
const FOUND_MAX: usize = 200_000;

/// What became of a recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// It was made in the time of this row, by its place among the rows.
    Match {
        row: usize,
        confidence: MatchConfidence,
        ahead: Option<i64>,
        at: Timestamp,
    },
    /// It fits this row, and a person has tagged it.
    Kept { row: usize },
    /// It fits this row with less confidence than was asked for.
    LessSure {
        row: usize,
        confidence: MatchConfidence,
    },
    /// It fits rows of several incidents, by their places.
    SeveralRows(Vec<usize>),
    /// It fits these rows only by a clock that nobody measured.
    ClockUnmeasured { rows: Vec<usize>, why: &'static str },
    /// It was made in the time of the file, and in that of no row.
    NoRow,
    /// It was sealed in the time of the file, and nobody knows when it was made.
    NoTime(&'static str),
}

#[derive(Debug, Default)]
pub struct Matches {
    pub found: Vec<(Officer, DatedRecording, Finding)>,
    /// The places of rows that no recording fits.
    pub without_recording: Vec<usize>,
    /// There are more recordings than are looked at.
    pub cut: bool,
}

/// Compares rows with the recordings of these stations. Below the confidence `least`, a match is listed as what it lacks. Blocks.
pub fn find_matches(
    index: &Index,
    rows: &[DispatchRow],
    stations: &[StationName],
    least: MatchConfidence,
) -> Result<Matches, OfficeError> {
    let mut of_officer: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (place, row) in rows.iter().enumerate() {
        of_officer.entry(&row.badge.0).or_default().push(place);
    }
    let (begin, end) = (
        rows.iter().map(|row| row.start).min(),
        rows.iter().map(|row| row.end).max(),
    );
    let (Some(begin), Some(end)) = (begin, end) else {
        return Ok(Matches::default());
    };
    let mut matches = Matches::default();
    let mut met: HashSet<usize> = HashSet::new();
    for (badge, mut places) in of_officer {
        places.sort_by_key(|place| (rows[*place].start, *place));
        let own = OfficerRows { rows, places };
        index.recordings_of(badge, |recording| {
            if !stations.contains(&recording.station) {
                return ControlFlow::Continue(());
            }
            let found = own.find(&recording, least, begin..=end);
            let Some(found) = found else {
                return ControlFlow::Continue(());
            };
            if matches.found.len() >= FOUND_MAX {
                matches.cut = true;
                return ControlFlow::Break(());
            }
            match &found {
                Finding::Match { row, .. }
                | Finding::Kept { row }
                | Finding::LessSure { row, .. } => {
                    met.insert(*row);
                }
                Finding::SeveralRows(rows) | Finding::ClockUnmeasured { rows, .. } => {
                    met.extend(rows);
                }
                Finding::NoRow | Finding::NoTime(_) => {}
            }
            matches
                .found
                .push((Officer(badge.to_owned()), recording, found));
            ControlFlow::Continue(())
        })?;
    }
    matches.without_recording = (0..rows.len())
        .filter(|place| !met.contains(place))
        .collect();
    Ok(matches)
}

/// The rows of one officer, in the order of their beginnings.
struct OfficerRows<'a> {
    rows: &'a [DispatchRow],
    places: Vec<usize>,
}

impl OfficerRows<'_> {
    /// `None` for a recording that has nothing to do with the file.
    fn find(
        &self,
        recording: &DatedRecording,
        least: MatchConfidence,
        file: std::ops::RangeInclusive<Timestamp>,
    ) -> Option<Finding> {
        let (at, ahead, why) = match times::of(recording) {
            RecordingTime::Measured { at, ahead } => (at, Some(ahead), ""),
            RecordingTime::Claimed { at, why } => (at, None, why),
            RecordingTime::None(why) => {
                let sealed_then = file.contains(&recording.sealed);
                return sealed_then.then_some(Finding::NoTime(why));
            }
        };
        let near = self.near(at);
        if near.is_empty() {
            return file.contains(&at).then_some(Finding::NoRow);
        }
        let sure = |place: &&usize| is_inside(&self.rows[**place], at, recording.duration);
        let inside: Vec<usize> = near.iter().filter(sure).copied().collect();
        let (rows, confidence) = match (ahead, inside.is_empty()) {
            (Some(_), false) => (inside, MatchConfidence::High),
            (Some(_), true) => (near, MatchConfidence::Medium),
            (None, false) => (inside, MatchConfidence::Low),
            (None, true) => (near, MatchConfidence::Low),
        };
        let first = rows[0];
        Some(if !self.agree(&rows) {
            Finding::SeveralRows(rows)
        } else if recording.tagged.is_some_and(|by| !by.is_file()) {
            Finding::Kept { row: first }
        } else if confidence >= least {
            Finding::Match {
                row: first,
                confidence,
                ahead,
                at,
            }
        } else if ahead.is_none() {
            Finding::ClockUnmeasured { rows, why }
        } else {
            Finding::LessSure {
                row: first,
                confidence,
            }
        })
    }

    /// The rows in whose time it was made, with the slack around them.
    fn near(&self, at: Timestamp) -> Vec<usize> {
        let earliest = at.checked_sub(LONGEST + SLACK).unwrap_or(Timestamp::MIN);
        let latest = at.checked_add(SLACK).unwrap_or(Timestamp::MAX);
        let begin = (self.places).partition_point(|place| self.rows[*place].start < earliest);
        let began = self.places[begin..].iter();
        began
            .take_while(|place| self.rows[**place].start <= latest)
            .filter(|place| {
                let end = self.rows[**place].end;
                end.checked_add(SLACK).is_ok_and(|end| at <= end)
            })
            .take(CANDIDATES_MAX)
            .copied()
            .collect()
    }

    /// Whether they say the same.
    fn agree(&self, places: &[usize]) -> bool {
        let said = |place: &usize| (&self.rows[*place].incident, &self.rows[*place].category);
        let mut all = places.iter().map(said);
        let first = all.next();
        all.all(|other| Some(other) == first)
    }
}

/// Whether all of the recording lies in the row's time. A camera dates a file when it begins or when it ends it, so both have to fit;
/// the beginning may be earlier by the slack.
fn is_inside(row: &DispatchRow, at: Timestamp, duration: Option<SignedDuration>) -> bool {
    let begun = duration.and_then(|duration| at.checked_sub(duration).ok());
    let early = row.start.checked_sub(SLACK).unwrap_or(Timestamp::MIN);
    (row.start..=row.end).contains(&at) && begun.is_some_and(|begun| begun >= early)
}

//! The search of the office's page *Find*, as its address has it, and what it finds.

use std::fmt;
use std::str::FromStr;

use axum::extract::Query;
use axum::http::StatusCode;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde::{Deserialize, Serialize};

use super::RefusedRequest;
use crate::model::{EvidenceId, ItemKind, StationName, Tags, written_as};

const TEXT_MAX: usize = 200;

/// The criteria of a search over all stations; empty fields match everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordingSearch {
    /// Both inclusive, by the camera's time, or by that of sealing where the camera's cannot be right.
    pub from: Option<Timestamp>,
    pub to: Option<Timestamp>,
    pub officer: Option<String>,
    /// `make/serial`, or the serial alone.
    pub camera: Option<String>,
    pub station: Option<StationName>,
    pub state: Option<RecordingState>,
    pub kind: Option<ItemKind>,
    pub flagged: bool,
    /// Part of the path, or an evidence id.
    pub text: Option<String>,
    /// As the office's log tags the recording; letters match in either case.
    pub incident: Option<String>,
    pub category: Option<String>,
    pub exhibit: Option<String>,
    /// Only what a hold keeps.
    pub held: bool,
    /// Only what is restricted.
    pub restricted: bool,
}

/// The states that recordings can be searched by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordingState {
    /// Sealed at the station, and not in the store.
    Waiting,
    Stored,
    /// In quarantine, and nobody has decided.
    Undecided,
    /// The bucket differs from the log in some way; the others name the way.
    Found,
    Missing,
    Foreign,
    WrongSize,
    Covered,
    Unlocked,
    Checksum,
}

written_as!(
    RecordingState,
    "a state to search by",
    Waiting = "waiting",
    Stored = "stored",
    Undecided = "undecided",
    Found = "found",
    Missing = "missing",
    Foreign = "foreign",
    WrongSize = "wrong_size",
    Covered = "covered",
    Unlocked = "unlocked",
    Checksum = "checksum",
);

/// One file of a camera.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FoundFile {
    pub station: StationName,
    pub evidence: EvidenceId,
    /// The recording that it is a sidecar of.
    pub recording: Option<EvidenceId>,
    pub camera: Option<String>,
    /// After any reassignment.
    pub officer: Option<String>,
    /// With invisible characters escaped.
    pub path: String,
    pub bytes: u64,
    pub kind: String,
    pub flagged: bool,
    /// The camera's own time, never corrected.
    pub camera_time: Option<Timestamp>,
    pub sealed_at: Option<Timestamp>,
    pub stored_at: Option<Timestamp>,
    /// In quarantine, and nobody has decided.
    pub undecided: bool,
    /// How the bucket differs from the log.
    pub findings: Vec<String>,
    /// The entry of its sealing in the station's log.
    pub log_entry: u64,
    /// What its import was declared to be; absent where a camera brought it.
    pub source: Option<String>,
    /// The item that it was declared to be made from.
    pub derived_from: Option<EvidenceId>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FoundRecording {
    #[serde(flatten)]
    pub file: FoundFile,
    pub tags: Tags,
    /// A hold keeps it, whatever its class says.
    pub held: bool,
    pub sidecars: Vec<FoundFile>,
}

/// One page of a search: what is flagged first, then the newest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RecordingPage {
    pub recordings: Vec<FoundRecording>,
    /// Where the search goes on; absent at its end.
    pub next: Option<SearchPlace>,
    /// On the first page: stations that were not read to their end, so that recordings may be missing here.
    pub behind: Vec<StationName>,
    /// The search was long: it has come to recordings of this time, and goes on from there.
    pub searched_to: Option<Timestamp>,
    /// Whoever searches may decide about what they find.
    pub may_decide: bool,
}

/// A place in the order of the recordings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SearchPlace {
    pub rank: i64,
    pub number: i64,
}

impl fmt::Display for SearchPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.rank, self.number)
    }
}

impl FromStr for SearchPlace {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (rank, number) = text.split_once('.').ok_or(())?;
        let number_of = |text: &str| text.parse::<i64>().map_err(|_| ());
        Ok(Self {
            rank: number_of(rank)?,
            number: number_of(number)?,
        })
    }
}

impl Serialize for SearchPlace {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The search as the page's address has it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct FindRequest {
    from: String,
    to: String,
    officer: String,
    camera: String,
    station: String,
    state: String,
    kind: String,
    flagged: String,
    text: String,
    incident: String,
    category: String,
    exhibit: String,
    held: String,
    restricted: String,
    /// Where the page before ended.
    after: String,
    pub limit: Option<u32>,
    pub format: String,
}

impl RecordingSearch {
    /// The search that the page's address has behind its `?`; `None` where it makes none.
    pub fn of_query(query: &str) -> Option<Self> {
        let address = format!("/?{query}").parse().ok()?;
        let request = Query::<FindRequest>::try_from_uri(&address).ok()?;
        request.0.search().ok()
    }
}

impl FindRequest {
    pub fn search(&self) -> Result<RecordingSearch, RefusedRequest> {
        Ok(RecordingSearch {
            from: time(&self.from, false)?,
            to: time(&self.to, true)?,
            officer: given(&self.officer)?,
            camera: given(&self.camera)?,
            station: parsed(&self.station, "there is no such station\n")?,
            state: parsed(&self.state, "there is no such state\n")?,
            kind: parsed(&self.kind, "there is no such kind\n")?,
            flagged: one(&self.flagged, "flagged is 1 or nothing\n")?,
            text: given(&self.text)?,
            incident: given(&self.incident)?,
            category: given(&self.category)?,
            exhibit: given(&self.exhibit)?,
            held: one(&self.held, "held is 1 or nothing\n")?,
            restricted: one(&self.restricted, "restricted is 1 or nothing\n")?,
        })
    }

    pub fn place(&self) -> Result<Option<SearchPlace>, RefusedRequest> {
        parsed(&self.after, "there is no such page\n")
    }

    /// What is searched for, as the office's log has it: without the position in the results.
    pub fn description(&self) -> String {
        let fields = [
            ("from", &self.from),
            ("to", &self.to),
            ("officer", &self.officer),
            ("camera", &self.camera),
            ("station", &self.station),
            ("state", &self.state),
            ("kind", &self.kind),
            ("flagged", &self.flagged),
            ("text", &self.text),
            ("incident", &self.incident),
            ("category", &self.category),
            ("exhibit", &self.exhibit),
            ("held", &self.held),
            ("restricted", &self.restricted),
        ];
        let given = fields.iter().filter(|(_, value)| !value.trim().is_empty());
        let given: Vec<_> = given
            .map(|(name, value)| format!("{name}={}", value.trim()))
            .collect();
        if given.is_empty() {
            "everything".into()
        } else {
            given.join(" ")
        }
    }
}

fn bad_request(text: &str) -> RefusedRequest {
    RefusedRequest::new(StatusCode::BAD_REQUEST, text)
}

fn one(text: &str, wrong: &'static str) -> Result<bool, RefusedRequest> {
    match text.trim() {
        "" | "0" => Ok(false),
        "1" => Ok(true),
        _ => Err(bad_request(wrong)),
    }
}

fn given(text: &str) -> Result<Option<String>, RefusedRequest> {
    let text = text.trim();
    if text.chars().count() > TEXT_MAX {
        return Err(bad_request(
            "a text to search for has at most 200 characters\n",
        ));
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

fn parsed<T: FromStr>(text: &str, wrong: &'static str) -> Result<Option<T>, RefusedRequest> {
    given(text)?
        .map(|text| text.parse().map_err(|_| bad_request(wrong)))
        .transpose()
}

/// A day, hour, minute or second of UTC. It begins a search with its first moment, or ends it with its `last`.
fn time(text: &str, last: bool) -> Result<Option<Timestamp>, RefusedRequest> {
    let Some(text) = given(text)? else {
        return Ok(None);
    };
    let wrong = || bad_request("a time is written as 2026-01-31 or 2026-01-31T14:30Z, in UTC\n");
    let text = text.strip_suffix('Z').unwrap_or(&text);
    // The calendar's reader would pass over an offset.
    let after_day = text.get(10..).unwrap_or_default();
    if !(after_day.bytes()).all(|b| b.is_ascii_digit() || matches!(b, b'T' | b':')) {
        return Err(wrong());
    }
    let (begin, span) = match text.len() {
        10 => {
            let day: Date = text.parse().map_err(|_| wrong())?;
            (day.to_datetime(jiff::civil::Time::midnight()), 1.day())
        }
        length @ (13 | 16 | 19) => {
            let (rest, span) = match length {
                13 => (":00:00", 1.hour()),
                16 => (":00", 1.minute()),
                _ => ("", 1.second()),
            };
            let moment: DateTime = format!("{text}{rest}").parse().map_err(|_| wrong())?;
            (moment, span)
        }
        _ => return Err(wrong()),
    };
    let moment = if last {
        let end = begin.checked_add(span).map_err(|_| wrong())?;
        end.checked_sub(1.millisecond()).map_err(|_| wrong())?
    } else {
        begin
    };
    let moment = TimeZone::UTC.to_timestamp(moment).map_err(|_| wrong())?;
    Ok(Some(moment))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_means_as_much_as_is_written() {
        let read = |text: &str, last| time(text, last).ok().flatten().map(|t| t.to_string());
        for (text, first, last) in [
            (
                "2026-01-31",
                "2026-01-31T00:00:00Z",
                "2026-01-31T23:59:59.999Z",
            ),
            (
                "2026-01-31T14",
                "2026-01-31T14:00:00Z",
                "2026-01-31T14:59:59.999Z",
            ),
            (
                "2026-01-31T14:30Z",
                "2026-01-31T14:30:00Z",
                "2026-01-31T14:30:59.999Z",
            ),
            (
                "2026-12-31T23:59:59",
                "2026-12-31T23:59:59Z",
                "2026-12-31T23:59:59.999Z",
            ),
        ] {
            assert_eq!(read(text, false).as_deref(), Some(first), "{text}");
            assert_eq!(read(text, true).as_deref(), Some(last), "{text}");
        }
        assert_eq!(read(" ", false), None);
        for wrong in [
            "today",
            "2026-02-30",
            "2026-01-31T25",
            "2026-01-31T14:61",
            "9999-12-31",
            "+99999-01-01",
            "2026-01-31Z5",
            "äöüäö",
            "2026-01-31T14:30+02",
        ] {
            assert!(time(wrong, true).is_err(), "{wrong}");
        }
    }
}

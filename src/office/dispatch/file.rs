//! A file of dispatch: CSV of any program, with hostile bytes in it for all that is known.

use std::collections::HashMap;

use csv::{ByteRecord, ReaderBuilder};
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, civil};

use crate::config::{DispatchFormat, TagSettings};
use crate::model::{Officer, Sha256Digest, TagChange};

/// Bytes of a file that are read.
pub const FILE_MAX: u64 = 32 << 20;
const ROWS_MAX: usize = 100_000;
const FIELD_MAX: usize = 1000;
/// A row that is longer was never cleared, or is no call.
pub(super) const LONGEST: SignedDuration = SignedDuration::from_hours(12);

/// A column's heading in office.toml when nobody changed it, and as Axon publishes the format.
const PUBLISHED: [(&str, &str); 5] = [
    ("badge", "officer badge id"),
    ("start", "officer dispatched datetime"),
    ("end", "officer cleared datetime"),
    ("incident", "event id"),
    ("category", "call type"),
];

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DispatchFile {
    pub sha256: Sha256Digest,
    pub rows: Vec<DispatchRow>,
    /// The rows that are none.
    pub problems: Vec<RowProblem>,
}

/// An officer was at an incident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DispatchRow {
    pub line: u64,
    pub badge: Officer,
    pub start: Timestamp,
    pub end: Timestamp,
    pub incident: String,
    pub category: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowProblem {
    pub line: u64,
    pub why: String,
}

/// Where the columns are.
struct Columns {
    badge: usize,
    start: usize,
    end: usize,
    incident: usize,
    category: Option<usize>,
}

impl DispatchFile {
    /// Refuses, in words, what is no such file; a row that makes no sense is a problem of its own.
    pub fn read(bytes: &[u8], tags: &TagSettings) -> Result<Self, String> {
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let mut reader = ReaderBuilder::new()
            .delimiter(delimiter(text))
            .flexible(true)
            .from_reader(text);
        let headings = reader.byte_headers().map_err(|e| e.to_string())?.clone();
        let columns = Columns::find(&headings, &tags.dispatch)?;
        let mut read = Self {
            sha256: Sha256Digest::of(bytes),
            rows: Vec::new(),
            problems: Vec::new(),
        };
        let mut record = ByteRecord::new();
        let mut lines = Lines {
            text,
            at: 0,
            line: 1,
        };
        while reader
            .read_byte_record(&mut record)
            .map_err(|e| e.to_string())?
        {
            if read.rows.len() + read.problems.len() >= ROWS_MAX {
                return Err(format!(
                    "it has more than {ROWS_MAX} rows; give it in parts"
                ));
            }
            let begin = record.position().map_or(0, csv::Position::byte);
            let line = lines.of(usize::try_from(begin).unwrap_or(usize::MAX));
            match columns.row(line, &record, tags) {
                Ok(row) => read.rows.push(row),
                Err(why) => read.problems.push(RowProblem { line, why }),
            }
        }
        Ok(read)
    }
}

/// Counts lines; the reader's own count lags behind where lines end with CR and LF.
struct Lines<'a> {
    text: &'a [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line of what begins at this byte, or behind the ends of lines that are there. Bytes are asked for in their order.
    fn of(&mut self, begin: usize) -> u64 {
        let is_end = |byte: &u8| matches!(byte, b'\r' | b'\n');
        let rest = self.text.get(begin..).unwrap_or_default();
        let begin = begin + rest.iter().take_while(|byte| is_end(byte)).count();
        let passed = self.text.get(self.at..begin).unwrap_or_default();
        self.line += times(passed, b'\n');
        self.at = self.at.max(begin);
        self.line
    }
}

/// How often this byte stands there.
fn times(bytes: &[u8], wanted: u8) -> u64 {
    bytes.split(|byte| *byte == wanted).skip(1).count() as u64
}

/// The one of the usual delimiters that the first line has most of.
fn delimiter(text: &[u8]) -> u8 {
    let first = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let mut found = b',';
    for other in [b';', b'\t'] {
        if times(first, other) > times(first, found) {
            found = other;
        }
    }
    found
}

impl Columns {
    fn find(headings: &ByteRecord, format: &DispatchFormat) -> Result<Self, String> {
        // Blanks and underscores are one, and so are the letters' cases.
        let plain = |heading: &str| heading.trim().replace('_', " ").to_lowercase();
        let mut places: HashMap<String, usize> = HashMap::new();
        for (at, heading) in headings.iter().enumerate() {
            let heading = plain(&String::from_utf8_lossy(heading));
            if places.insert(heading.clone(), at).is_some() && !heading.is_empty() {
                let shown: String = heading.chars().take(80).collect();
                return Err(format!("two of its columns have the heading {shown:?}"));
            }
        }
        let place = |wanted: &str| {
            let published = PUBLISHED.iter().find(|(usual, _)| *usual == wanted);
            let published = published.and_then(|(_, published)| places.get(*published));
            places.get(&plain(wanted)).or(published).copied()
        };
        let needed = |wanted: &str| {
            place(wanted).ok_or_else(|| {
                format!("its first line has no column {wanted:?}; [tags] of office.toml or --column says how the columns are headed")
            })
        };
        Ok(Self {
            badge: needed(&format.badge)?,
            start: needed(&format.start)?,
            end: needed(&format.end)?,
            incident: needed(&format.incident)?,
            category: place(&format.category),
        })
    }

    fn row(
        &self,
        line: u64,
        record: &ByteRecord,
        tags: &TagSettings,
    ) -> Result<DispatchRow, String> {
        let field = |at: usize, what: &str| {
            let bytes = record.get(at).unwrap_or_default();
            let text = str::from_utf8(bytes).map_err(|_| format!("its {what} is not UTF-8"))?;
            let text = text.trim();
            if text.len() > FIELD_MAX {
                return Err(format!("its {what} is too long"));
            }
            Ok(text)
        };
        let badge = Officer(field(self.badge, "badge")?.to_owned());
        if !badge.is_badge() {
            return Err("its badge is no word of at most 64 characters".into());
        }
        let incident = field(self.incident, "incident")?.to_owned();
        if incident.is_empty() {
            return Err("it has no incident".into());
        }
        let category = self.category.map(|at| field(at, "category")).transpose()?;
        let category = category.filter(|category| !category.is_empty());
        let change = TagChange {
            incident: Some(incident.clone()),
            category: category.map(str::to_owned),
            ..TagChange::default()
        };
        change.check()?;
        let pattern = tags.incident_pattern.as_ref();
        if pattern.is_some_and(|pattern| !pattern.matches(&incident)) {
            return Err("its incident is not as incident_pattern of office.toml wants it".into());
        }
        let format = &tags.dispatch;
        let time = |at, what: &str| {
            instant(field(at, what)?, format).map_err(|why| format!("its {what} {why}"))
        };
        let (start, end) = (time(self.start, "start")?, time(self.end, "end")?);
        let length = end.duration_since(start);
        if length <= SignedDuration::ZERO || length > LONGEST {
            return Err(format!(
                "it lasts no time or more than {} hours",
                LONGEST.as_hours()
            ));
        }
        Ok(DispatchRow {
            line,
            badge,
            start,
            end,
            incident,
            category: change.category,
        })
    }
}

/// A time with its offset, or in the zone of office.toml. The error follows the field's name.
fn instant(text: &str, format: &DispatchFormat) -> Result<Timestamp, String> {
    const NO_TIME: &str = "is no time";
    let local: civil::DateTime = if format.time_format.is_empty() {
        if let Ok(time) = text.parse() {
            return Ok(time);
        }
        text.parse().map_err(|_| NO_TIME.to_owned())?
    } else {
        let read = strtime::parse(&format.time_format, text);
        let read = read.map_err(|_| "is no time of the form of time_format".to_owned())?;
        if let Ok(time) = read.to_timestamp() {
            return Ok(time);
        }
        read.to_datetime().map_err(|_| NO_TIME.to_owned())?
    };
    let zone = format.time_zone.as_ref().ok_or(
        "has no offset; say with time_zone in [tags] of office.toml or --time-zone whose time it is",
    )?;
    once(local, zone).ok_or_else(|| {
        "is when the clocks are changed, so that it never was or was twice; give its offset".into()
    })
}

/// The instant of a local time, if there is exactly one.
pub(super) fn once(local: civil::DateTime, zone: &TimeZone) -> Option<Timestamp> {
    zone.to_ambiguous_timestamp(local).unambiguous().ok()
}

//! The savings report of a quarter: figures out of the index alone, each with its formula and the range of the log that it comes
//! from, so that anybody can count again.

use std::fmt;
use std::str::FromStr;

use jiff::civil::date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::OfficeError;
use super::index::{Index, QuarterCounts};
use crate::config::{OfficeConfig, ReportSettings};
use crate::model::StationName;

/// Grows whenever a figure changes its meaning.
pub const FORMAT: &str = "camdock-report-1";

/// Each figure's name, unit and formula.
pub const FORMULAS: [(&str, &str, &str); 14] = [
    (
        "recordings",
        "recordings",
        "videos whose item.sealed is dated in the quarter",
    ),
    (
        "files",
        "files",
        "all items whose item.sealed is dated in the quarter",
    ),
    (
        "hours",
        "hours",
        "sum of probe.duration_ms in item.previewed of these recordings",
    ),
    (
        "recordings_timed",
        "recordings",
        "those of these recordings whose duration is known",
    ),
    (
        "dockings",
        "dockings",
        "sessions whose camera.docked is dated in the quarter and that sealed something",
    ),
    (
        "dock_to_safe_seconds",
        "seconds",
        "median over these dockings: last item.sealed of the session minus camera.docked; a wait for witnesses is in no log",
    ),
    (
        "dock_to_stored_seconds",
        "seconds",
        "median over these dockings of which all is stored: last item.stored of its items minus camera.docked",
    ),
    (
        "added_bytes",
        "bytes",
        "sealed bytes of originals and previews of these items, as item.stored and item.previewed say",
    ),
    (
        "stored_bytes",
        "bytes",
        "the same of all items of the log, whenever they were sealed",
    ),
    (
        "gaps_open",
        "gaps",
        "what the last search of the log found and nobody explained",
    ),
    (
        "gaps_explained",
        "gaps",
        "what it found and somebody explained, at the station or by gap.accepted",
    ),
    (
        "discs_saved",
        "discs",
        "recordings / [report] recordings_per_disc, rounded up",
    ),
    (
        "hours_saved",
        "hours",
        "recordings * [report] minutes_per_recording / 60",
    ),
    (
        "money_saved",
        "[report] currency",
        "hours_saved * [report] hour_price + discs_saved * [report] disc_price",
    ),
];

/// A quarter of a year of UTC, `2026-Q4`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quarter {
    year: i16,
    number: i8,
}

impl Quarter {
    /// Its first moment, and the first after it.
    pub fn range(self) -> (Timestamp, Timestamp) {
        let first = |year, month| {
            let day = date(year, month, 1).to_datetime(jiff::civil::Time::midnight());
            TimeZone::UTC.to_timestamp(day).unwrap_or_default()
        };
        let begin = first(self.year, self.number * 3 - 2);
        match self.number {
            4 => (begin, first(self.year + 1, 1)),
            number => (begin, first(self.year, number * 3 + 1)),
        }
    }

    /// The one that a moment is in.
    pub fn of(moment: Timestamp) -> Self {
        let day = moment.to_zoned_datetime(TimeZone::UTC).date();
        Self {
            year: day.year(),
            number: (day.month() + 2) / 3,
        }
    }
}

impl fmt::Display for Quarter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-Q{}", self.year, self.number)
    }
}

impl FromStr for Quarter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once("-Q").and_then(|(year, number)| {
            let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
            let fine = year.len() == 4 && number.len() == 1 && digits(year) && digits(number);
            let year = year
                .parse()
                .ok()
                .filter(|year| (2000..=9000).contains(year));
            let number = number
                .parse()
                .ok()
                .filter(|number| (1..=4).contains(number));
            Some(Self {
                year: year?,
                number: number?,
            })
            .filter(|_| fine)
        });
        parsed.ok_or_else(|| "a quarter is written as 2026-Q4".to_owned())
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    pub format: &'static str,
    pub office: StationName,
    pub made: Timestamp,
    pub quarter: String,
    pub from: Timestamp,
    /// Not in the quarter any more.
    pub to: Timestamp,
    pub formulas: Vec<Formula>,
    /// All stations together.
    pub force: Figures,
    pub stations: Vec<StationReport>,
    pub capacity: Capacity,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Formula {
    pub figure: &'static str,
    pub unit: &'static str,
    pub formula: &'static str,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StationReport {
    pub station: StationName,
    /// How much of its log was read: the figures say nothing of what comes later.
    pub entries_read: u64,
    /// The entries that sealed the first and the last of the quarter's items.
    pub first_entry: Option<u64>,
    pub last_entry: Option<u64>,
    /// When gaps were last looked for.
    pub gaps_at: Option<Timestamp>,
    pub figures: Figures,
}

/// See [`FORMULAS`]. Absent: nobody knows, or it is not configured.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Figures {
    pub recordings: u64,
    pub files: u64,
    pub hours: f64,
    pub recordings_timed: u64,
    pub dockings: u64,
    pub dock_to_safe_seconds: Option<f64>,
    pub dock_to_stored_seconds: Option<f64>,
    pub added_bytes: u64,
    pub stored_bytes: u64,
    pub gaps_open: u64,
    pub gaps_explained: u64,
    pub discs_saved: Option<u64>,
    pub hours_saved: Option<f64>,
    pub money_saved: Option<f64>,
}

/// What is known of where room ends.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Capacity {
    pub currency: String,
    pub store_bytes: Option<u64>,
    /// The bytes that a day of the quarter added: `added_bytes` / days of the quarter so far.
    pub bytes_a_day: Option<f64>,
    /// When the store is full at this rate: now + (`store_bytes` - `stored_bytes`) / `bytes_a_day`.
    pub store_full: Option<Timestamp>,
    /// A log does not say how much room a station's spool has.
    pub spool: &'static str,
}

/// Counts, out of the index as it is now.
pub fn report(config: &OfficeConfig, quarter: Quarter) -> Result<Report, OfficeError> {
    let now = Timestamp::now();
    let (from, to) = quarter.range();
    let index = Index::open_read_only(&config.index())?;
    let mut stations = Vec::new();
    let mut all = QuarterCounts::default();
    for station in &config.stations {
        let name = &station.name;
        let Some(index) = &index else { break };
        let (Some(row), Some(counts)) = (index.row(name, now)?, index.quarter(name, from, to)?)
        else {
            continue;
        };
        let gaps = (row.gaps, row.gaps_explained);
        stations.push(StationReport {
            station: name.clone(),
            entries_read: row.indexed_entries,
            first_entry: counts.first_entry,
            last_entry: counts.last_entry,
            gaps_at: row.gaps_at,
            figures: figures(&counts, gaps, &config.report),
        });
        all.add(counts);
    }
    let sum = |of: fn(&Figures) -> u64| stations.iter().map(|it| of(&it.figures)).sum();
    let gaps = (sum(|it| it.gaps_open), sum(|it| it.gaps_explained));
    let formulas = FORMULAS.map(|(figure, unit, formula)| Formula {
        figure,
        unit,
        formula,
    });
    let force = figures(&all, gaps, &config.report);
    Ok(Report {
        format: FORMAT,
        office: config.name.clone(),
        made: now,
        quarter: quarter.to_string(),
        from,
        to,
        formulas: formulas.into(),
        capacity: capacity(&force, from, to, now, &config.report),
        force,
        stations,
    })
}

fn figures(counts: &QuarterCounts, gaps: (u64, u64), old: &ReportSettings) -> Figures {
    let recordings = counts.recordings;
    let discs = (old.recordings_per_disc > 0)
        .then(|| recordings.div_ceil(u64::from(old.recordings_per_disc)));
    let hours = (old.minutes_per_recording > 0.0)
        .then(|| recordings as f64 * old.minutes_per_recording / 60.0);
    let priced = |count: Option<f64>, price: f64| count.filter(|_| price > 0.0).map(|n| n * price);
    let work = priced(hours, old.hour_price);
    let material = priced(discs.map(|n| n as f64), old.disc_price);
    let money = (work.is_some() || material.is_some())
        .then(|| work.unwrap_or(0.0) + material.unwrap_or(0.0));
    Figures {
        recordings,
        files: counts.files,
        hours: counts.duration_ms as f64 / 3_600_000.0,
        recordings_timed: counts.timed,
        dockings: counts.to_safe_ms.len() as u64,
        dock_to_safe_seconds: median(&counts.to_safe_ms),
        dock_to_stored_seconds: median(&counts.to_stored_ms),
        added_bytes: counts.added_bytes,
        stored_bytes: counts.stored_bytes,
        gaps_open: gaps.0,
        gaps_explained: gaps.1,
        discs_saved: discs,
        hours_saved: hours,
        money_saved: money,
    }
}

fn capacity(
    force: &Figures,
    from: Timestamp,
    to: Timestamp,
    now: Timestamp,
    settings: &ReportSettings,
) -> Capacity {
    let store_bytes = (settings.store_terabytes > 0.0).then(|| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is positive and bounded"
        )]
        let bytes = (settings.store_terabytes * 1e12).round() as u64;
        bytes
    });
    let days = now.min(to).duration_since(from).as_secs_f64() / 86_400.0;
    let rate = (days > 0.0 && force.added_bytes > 0).then(|| force.added_bytes as f64 / days);
    let full = store_bytes.zip(rate).and_then(|(store, rate)| {
        let seconds = store.saturating_sub(force.stored_bytes) as f64 / rate * 86_400.0;
        let left = SignedDuration::try_from_secs_f64(seconds).ok()?;
        now.checked_add(left).ok()
    });
    Capacity {
        currency: settings.currency.clone(),
        store_bytes,
        bytes_a_day: rate,
        store_full: full,
        spool: "no log says how much room a spool has: see camdock_spool_full_seconds of each station",
    }
}

/// Of milliseconds, in seconds.
fn median(sorted: &[i64]) -> Option<f64> {
    let mut sorted = sorted.to_vec();
    sorted.sort_unstable();
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = sorted[(sorted.len() - 1) / 2];
    Some((upper as f64 + lower as f64) / 2000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarter_is_read_and_written_and_has_its_days() {
        let quarter: Quarter = "2026-Q4".parse().unwrap();
        assert_eq!(quarter.to_string(), "2026-Q4");
        let (from, to) = quarter.range();
        assert_eq!(from.to_string(), "2026-10-01T00:00:00Z");
        assert_eq!(to.to_string(), "2027-01-01T00:00:00Z");
        for (moment, wanted) in [
            ("2026-01-01T00:00:00Z", "2026-Q1"),
            ("2026-06-30T23:59:59Z", "2026-Q2"),
            ("2026-07-01T00:00:00Z", "2026-Q3"),
        ] {
            let moment = moment.parse().unwrap();
            assert_eq!(Quarter::of(moment).to_string(), wanted);
        }
        for wrong in [
            "", "2026", "2026-Q0", "2026-Q5", "26-Q1", "2026-q1", "+026-Q1", "2026-Q+1",
        ] {
            assert!(wrong.parse::<Quarter>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_median_is_the_middle_one_or_between_the_two() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3000]), Some(3.0));
        assert_eq!(median(&[9000, 1000, 2000]), Some(2.0));
        assert_eq!(median(&[4000, 1000]), Some(2.5));
    }

    #[test]
    fn savings_are_counted_from_the_configuration_alone() {
        let counts = QuarterCounts {
            recordings: 7,
            ..QuarterCounts::default()
        };
        let none = figures(&counts, (0, 0), &ReportSettings::default());
        let saved = |it: &Figures| (it.discs_saved, it.hours_saved, it.money_saved);
        assert_eq!(saved(&none), (None, None, None));
        let old = ReportSettings {
            minutes_per_recording: 30.0,
            recordings_per_disc: 2,
            hour_price: 20.0,
            disc_price: 0.5,
            ..ReportSettings::default()
        };
        let some = figures(&counts, (0, 0), &old);
        assert_eq!(saved(&some), (Some(4), Some(3.5), Some(72.0)));
    }
}

//! The savings report of a quarter: figures out of the index alone, each with its formula and the range of the log that it comes
//! from, so that anybody can count again.

mod formulas;
mod quarter;

use std::collections::{BTreeMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

pub use formulas::{CLASS_FORMULAS, FORMULAS, Formula};
pub use quarter::Quarter;

use super::OfficeError;
use super::index::{Index, KeptCounts, QuarterCounts, StationRow};
use crate::config::{FollowedStation, Keeping, OfficeConfig, ReportSettings};
use crate::model::StationName;

/// Grows whenever a figure changes its meaning.
pub const FORMAT: &str = "camdock-report-2";

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
    pub class_formulas: Vec<Formula>,
    /// How much of the office's own log was read: it says which class an item has, and which are gone.
    pub office_entries_read: u64,
    /// All of `stations` together.
    pub force: Figures,
    pub classes: Vec<ClassFigures>,
    pub units: Vec<UnitReport>,
    pub stations: Vec<StationReport>,
    /// Stations whose logs were not read yet: no figure has anything of them.
    pub not_read: Vec<StationName>,
    pub capacity: Capacity,
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
    pub classes: Vec<ClassFigures>,
}

/// The stations that a group of [people] sees. One station may be of several.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UnitReport {
    pub unit: String,
    /// The figures are of these; the ranges of their logs are in their own reports.
    pub stations: Vec<StationName>,
    pub figures: Figures,
    pub classes: Vec<ClassFigures>,
}

/// See [`CLASS_FORMULAS`].
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ClassFigures {
    pub class: Option<String>,
    pub recordings: u64,
    pub files: u64,
    pub stored_bytes: u64,
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
    let office_entries_read = index.as_ref().map_or(Ok(0), Index::acts_read)?;
    let (mut read, mut not_read) = (Vec::new(), Vec::new());
    for FollowedStation { name, .. } in &config.stations {
        let found = match &index {
            Some(index) => index.row(name, now)?.zip(index.quarter(name, from, to)?),
            None => None,
        };
        match found {
            Some((row, counts)) => read.push(ReadStation { name, row, counts }),
            None => not_read.push(name.clone()),
        }
    }
    let stations = read.iter().map(|station| {
        let (figures, classes) = summed([station], config);
        StationReport {
            station: station.name.clone(),
            entries_read: station.row.indexed_entries,
            first_entry: station.counts.first_entry,
            last_entry: station.counts.last_entry,
            gaps_at: station.row.gaps_at,
            figures,
            classes,
        }
    });
    let stations = stations.collect();
    let units = units(config).map(|(unit, names)| {
        let own = read.iter().filter(|station| names.contains(station.name));
        let (figures, classes) = summed(own.clone(), config);
        UnitReport {
            unit: unit.to_owned(),
            stations: own.map(|station| station.name.clone()).collect(),
            figures,
            classes,
        }
    });
    let units = units.collect();
    let (force, classes) = summed(&read, config);
    Ok(Report {
        format: FORMAT,
        office: config.name.clone(),
        made: now,
        quarter: quarter.to_string(),
        from,
        to,
        formulas: FORMULAS.map(Formula::from).into(),
        class_formulas: CLASS_FORMULAS.map(Formula::from).into(),
        office_entries_read,
        capacity: capacity(&force, from, to, now, &config.report),
        force,
        classes,
        units,
        stations,
        not_read,
    })
}

/// What was read of one station.
struct ReadStation<'a> {
    name: &'a StationName,
    row: StationRow,
    counts: QuarterCounts,
}

/// The units of [people] all of whose stations are followed or seen here. Who sees all stations is of no unit.
fn units(config: &OfficeConfig) -> impl Iterator<Item = (&str, HashSet<&StationName>)> {
    let mut units = BTreeMap::<&str, HashSet<&StationName>>::new();
    let people = config.people.iter();
    for (group, stations) in people.flat_map(|people| &people.units) {
        if let Some(stations) = stations {
            units.entry(group).or_default().extend(stations);
        }
    }
    let seen = |name: &StationName| config.stations.iter().any(|station| station.name == *name);
    units.retain(|_, names| names.iter().all(|name| seen(name)));
    units.into_iter()
}

/// The figures of some stations together.
fn summed<'a>(
    stations: impl IntoIterator<Item = &'a ReadStation<'a>>,
    config: &OfficeConfig,
) -> (Figures, Vec<ClassFigures>) {
    let (mut all, mut gaps) = (QuarterCounts::default(), (0, 0));
    for ReadStation { row, counts, .. } in stations {
        all.add(counts);
        gaps = (gaps.0 + row.gaps, gaps.1 + row.gaps_explained);
    }
    let figures = figures(&all, gaps, &config.report);
    (figures, classes(&all.kept, &config.keeping))
}

/// What each class has; those without a class come first.
fn classes(kept: &[KeptCounts], keeping: &Keeping) -> Vec<ClassFigures> {
    let mut classes = BTreeMap::<Option<&str>, ClassFigures>::new();
    for group in kept {
        let class = group.class.as_deref();
        let class = class.or_else(|| keeping.first_class(group.flagged));
        let sum = classes.entry(class).or_default();
        sum.class = class.map(str::to_owned);
        sum.recordings += group.recordings;
        sum.files += group.files;
        sum.stored_bytes = sum.stored_bytes.saturating_add(group.bytes);
    }
    classes.into_values().collect()
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

//! `camdock audit days`: for each camera and day, what was seen on it and what became of it, as the journal has it.

use std::io::{self, Write};

use anyhow::bail;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};

use crate::cli::{Outcome, usage};
use crate::config::Config;
use crate::journal::{CameraDay, Journal};
use crate::web::CsvRows;

/// Rows of cameras and days in one list.
const MOST: u32 = 100_000;

const COLUMNS: &[&str] = &[
    "day",
    "camera",
    "officers",
    "sessions",
    "interrupted",
    "seen",
    "held",
    "sealed",
    "stored",
    "missing",
];

/// By day of docking (UTC). Held: taken at an earlier docking. Missing: seen, and not taken so far.
#[derive(clap::Args)]
#[command(after_help = "\
  camdock audit days                                      the last thirty days
  camdock audit days --from 2026-01-01 --to 2026-01-31 --csv > january.csv
Exit code 0: nothing is missing. 3: files are.")]
pub struct DaysArgs {
    /// Docked on this day or later; default: thirty days ago
    #[arg(long, value_name = "DAY")]
    from: Option<Date>,
    /// Docked on this day or earlier; default: today
    #[arg(long, value_name = "DAY")]
    to: Option<Date>,
    /// One JSON object a line
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    #[arg(long)]
    csv: bool,
}

pub fn run(config: &Config, args: &DaysArgs) -> anyhow::Result<Outcome> {
    let path = config.files.journal();
    if !path.exists() {
        return Err(usage(format!(
            "{} does not exist: this station has not run yet (`camdock run`)",
            path.display()
        )));
    }
    let today = Timestamp::now().to_zoned_datetime(TimeZone::UTC).date();
    let from = args.from.unwrap_or(today.saturating_sub(30.days()));
    let to = args.to.unwrap_or(today);
    let journal = Journal::open_read_only(&path)?;
    let days = journal.completeness(&from.to_string(), &to.to_string(), MOST + 1)?;
    // A truncated list must not look whole.
    if days.len() > MOST as usize {
        bail!("these days have more than {MOST} lines of cameras and days: ask for fewer days");
    }
    let out = io::stdout().lock();
    if args.csv {
        table(out, &days)?;
    } else if args.json {
        lines(out, &days)?;
    } else {
        text(out, &days, from, to)?;
    }
    Ok(if days.iter().any(|day| day.missing > 0) {
        Outcome::NeedsAttention
    } else {
        Outcome::Fine
    })
}

fn table(out: impl Write, days: &[CameraDay]) -> anyhow::Result<()> {
    let mut rows = CsvRows::new(out, csv::Terminator::Any(b'\n'), COLUMNS);
    rows.header()?;
    for day in days {
        rows.row(day)?;
    }
    Ok(rows.flush()?)
}

fn lines(mut out: impl Write, days: &[CameraDay]) -> anyhow::Result<()> {
    for day in days {
        writeln!(out, "{}", serde_json::to_string(day)?)?;
    }
    Ok(())
}

fn text(mut out: impl Write, days: &[CameraDay], from: Date, to: Date) -> io::Result<()> {
    for day in days {
        let camera = day.camera.as_deref().unwrap_or("unknown");
        let officers = if day.officers.is_empty() {
            "-"
        } else {
            &day.officers
        };
        writeln!(
            out,
            "{}  {camera:<20} {officers:<12} {} dockings, {} interrupted; {} files seen, {} held, {} sealed, {} stored, {} missing",
            day.day,
            day.sessions,
            day.interrupted,
            day.seen,
            day.held,
            day.sealed,
            day.stored,
            day.missing
        )?;
    }
    let sum = |of: fn(&CameraDay) -> u64| days.iter().map(of).sum::<u64>();
    writeln!(
        out,
        "{from} to {to}: {} files seen, {} missing",
        sum(|day| day.seen),
        sum(|day| day.missing)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_the_fields_in_their_order_and_a_cell_is_no_formula() {
        let day = CameraDay {
            day: "2026-01-31".into(),
            camera: Some("=folder/1,2".into()),
            ..CameraDay::default()
        };
        let value = serde_json::to_value(&day).unwrap();
        let names: Vec<_> = value.as_object().unwrap().keys().cloned().collect();
        assert_eq!(names, COLUMNS);
        let mut written = Vec::new();
        table(&mut written, &[day]).unwrap();
        let heading = COLUMNS.join(",");
        let row = "2026-01-31,\"'=folder/1,2\",,0,0,0,0,0,0,0";
        assert_eq!(
            String::from_utf8(written).unwrap(),
            format!("{heading}\n{row}\n")
        );
    }
}

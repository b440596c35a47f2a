//! `camdock office report`: a quarter in figures, for people and as JSON.

use std::io::Write;

use jiff::Timestamp;

use crate::cli::Outcome;
use crate::config::OfficeConfig;
use crate::model::StationName;
use crate::office::report::{ClassFigures, Figures, Formula, Quarter, Report, report};

pub fn run(config: &OfficeConfig, quarter: Option<Quarter>, json: bool) -> anyhow::Result<Outcome> {
    let quarter = quarter.unwrap_or_else(|| Quarter::of(Timestamp::now()));
    let made = report(config, quarter)?;
    let mut out = std::io::stdout().lock();
    if json {
        serde_json::to_writer_pretty(&mut out, &made)?;
        writeln!(out)?;
    } else {
        text(&mut out, &made)?;
    }
    Ok(Outcome::Fine)
}

fn text(out: &mut impl Write, report: &Report) -> anyhow::Result<()> {
    writeln!(
        out,
        "{} of {}: {} to {}, made {}",
        report.quarter, report.office, report.from, report.to, report.made
    )?;
    for station in &report.stations {
        let range = match (station.first_entry, station.last_entry) {
            (Some(first), Some(last)) => format!("entries {first} to {last}"),
            _ => "no entries".to_owned(),
        };
        writeln!(
            out,
            "\n{} ({range} of the {} that were read)",
            station.station, station.entries_read
        )?;
        lines(out, &station.figures, report)?;
        class_lines(out, &station.classes)?;
    }
    for unit in &report.units {
        let stations: Vec<_> = unit.stations.iter().map(StationName::as_str).collect();
        let stations = match stations.join(", ") {
            none if none.is_empty() => "no station was read".to_owned(),
            stations => format!("the entries above of {stations}"),
        };
        writeln!(out, "\nunit {} ({stations})", unit.unit)?;
        lines(out, &unit.figures, report)?;
        class_lines(out, &unit.classes)?;
    }
    writeln!(
        out,
        "\nall {} stations (the entries above of each)",
        report.stations.len()
    )?;
    lines(out, &report.force, report)?;
    class_lines(out, &report.classes)?;
    if !report.not_read.is_empty() {
        let names: Vec<_> = report.not_read.iter().map(StationName::as_str).collect();
        let names = names.join(", ");
        writeln!(out, "\nNot read yet, and in no figure: {names}.")?;
    }
    let capacity = &report.capacity;
    match (capacity.store_bytes, &capacity.store_full) {
        (Some(_), Some(full)) => writeln!(out, "\nAt this rate the store is full on {full}.")?,
        (Some(_), None) => writeln!(out, "\nAt this rate the store does not fill.")?,
        (None, _) => writeln!(
            out,
            "\nWhen the store is full is not known: give `store_terabytes` in [report]."
        )?,
    }
    writeln!(
        out,
        "Spools: {}.\n\nHow each figure is counted:",
        capacity.spool
    )?;
    formulas(out, &report.formulas)?;
    writeln!(
        out,
        "\nHow each class is counted, with {} entries of the office's own log:",
        report.office_entries_read
    )?;
    formulas(out, &report.class_formulas)
}

fn formulas(out: &mut impl Write, formulas: &[Formula]) -> anyhow::Result<()> {
    for formula in formulas {
        writeln!(out, "  {:<24} {}", formula.figure, formula.formula)?;
    }
    Ok(())
}

fn class_lines(out: &mut impl Write, classes: &[ClassFigures]) -> anyhow::Result<()> {
    for of in classes {
        let class = match &of.class {
            Some(class) => format!("class {class}"),
            None => "no class".to_owned(),
        };
        writeln!(
            out,
            "  {class:<24} {:>18} bytes of {} recordings, {} files",
            of.stored_bytes, of.recordings, of.files
        )?;
    }
    Ok(())
}

fn lines(out: &mut impl Write, figures: &Figures, report: &Report) -> anyhow::Result<()> {
    let figures = serde_json::to_value(figures)?;
    for formula in &report.formulas {
        let value = match &figures[formula.figure] {
            serde_json::Value::Null => "not known".to_owned(),
            serde_json::Value::Number(n) if n.is_f64() => {
                format!("{:.2}", n.as_f64().unwrap_or_default())
            }
            value => value.to_string(),
        };
        let unit = formula
            .unit
            .replace("[report] currency", &report.capacity.currency);
        writeln!(out, "  {:<24} {value:>18} {unit}", formula.figure)?;
    }
    Ok(())
}

//! `camdock office due`: items whose class has run out or soon will, and what still keeps each.

use std::io::Write as _;

use crate::cli::Outcome;
use crate::config::OfficeConfig;
use crate::model::Explain as _;
use crate::office::{DueItem, due};

pub fn run(config: &OfficeConfig, days: u16, limit: usize, json: bool) -> anyhow::Result<Outcome> {
    let (items, more) = due(config, days, limit)?;
    let mut out = std::io::stdout().lock();
    for item in &items {
        if json {
            writeln!(out, "{}", serde_json::to_string(item)?)?;
        } else {
            print(&mut out, item)?;
        }
    }
    if !json {
        let more = if more { " and more" } else { "" };
        writeln!(out, "{}{more} due within {days} days", items.len())?;
    }
    Ok(Outcome::Fine)
}

fn print(out: &mut impl std::io::Write, item: &DueItem) -> std::io::Result<()> {
    let class = item.class.as_deref().unwrap_or("no class");
    let end = item
        .due
        .map_or_else(|| "no date".to_owned(), |end| end.to_string());
    writeln!(
        out,
        "{}  {}  {class}, until {end}",
        item.evidence, item.station
    )?;
    match (item.obstacle, item.approved) {
        (Some(why), _) => writeln!(out, "    stays: {why} ({})", why.label())?,
        (None, Some(entry)) => writeln!(
            out,
            "    goes: approved by entry {entry} of the office's log; the disposer deletes it once that is 24 hours old"
        )?,
        (None, None) => {}
    }
    for overlap in &item.overlaps {
        let held = if overlap.held { "held" } else { "tagged" };
        let incident = overlap
            .incident
            .as_ref()
            .map_or_else(String::new, |incident| format!(", incident {incident:?}"));
        writeln!(
            out,
            "    overlaps {} of {}: {held}{incident}",
            overlap.evidence, overlap.station
        )?;
    }
    Ok(())
}

//! `camdock office gaps`: what is missing between the stations' cameras and their logs.

use std::io::Write;

use anyhow::Context as _;

use crate::cli::{Outcome, usage};
use crate::config::OfficeConfig;
use crate::model::{Escaped, StationName, codes};
use crate::office::{self, KnownGap, StationRow};

pub fn run(
    config: &OfficeConfig,
    only: Option<&StationName>,
    json: bool,
) -> anyhow::Result<Outcome> {
    let follows = |name: &StationName| config.stations.iter().any(|s| s.name == *name);
    if let Some(name) = only.filter(|name| !follows(name)) {
        return Err(usage(format!("this office follows no station {name}")));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let mut open = false;
    let mut out = std::io::stdout().lock();
    let told = |station: &StationName, row: &StationRow, gaps: &[KnownGap]| {
        open |= row.gaps > 0;
        tell(&mut out, station, row, gaps, json).context("cannot print them")
    };
    runtime.block_on(office::find_gaps(config, only, told))?;
    Ok(if open {
        Outcome::NeedsAttention
    } else {
        Outcome::Fine
    })
}

fn tell(
    out: &mut impl Write,
    station: &StationName,
    row: &StationRow,
    gaps: &[KnownGap],
    json: bool,
) -> anyhow::Result<()> {
    if json {
        for gap in gaps {
            let mut line = serde_json::to_value(gap)?;
            line["station"] = station.as_str().into();
            writeln!(out, "{line}")?;
        }
        return Ok(());
    }
    let when = row.gaps_at.map_or_else(
        || "nothing of its log is cosigned yet".into(),
        |at| at.to_string(),
    );
    writeln!(
        out,
        "{station:<24} {} gaps, {} more are explained ({when})",
        row.gaps, row.gaps_explained
    )?;
    for gap in gaps {
        let next = codes::find(&gap.code).map_or("", |code| code.next_step);
        writeln!(
            out,
            "  ! {} ({})\n    {}\n    next: {next}",
            Escaped(gap.what.as_bytes()),
            gap.code,
            Escaped(gap.gap.as_bytes())
        )?;
    }
    let more = row.gaps.saturating_sub(gaps.len() as u64);
    if more > 0 {
        writeln!(
            out,
            "  {more} more are not named one by one; explain these first"
        )?;
    }
    Ok(())
}

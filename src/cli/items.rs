use std::io::Write as _;
use std::path::Path;

use serde::Serialize;

use super::{Outcome, load_config, usage};
use crate::journal::{ItemFilter, ItemRow, Journal};
use crate::model::ItemState;
use crate::station::parts;

/// Lists the evidence of this station.
#[derive(clap::Args)]
#[command(after_help = "\
  camdock items --officer 4711 --state stored
  camdock items --camera X81234567 --csv > items.csv")]
pub struct Args {
    /// A camera, as `make/serial` or by its serial
    #[arg(long)]
    camera: Option<String>,
    /// An officer's badge id
    #[arg(long)]
    officer: Option<String>,
    /// Only items taken on this day (UTC), as 2026-01-31
    #[arg(long, value_name = "DAY")]
    date: Option<jiff::civil::Date>,
    /// pulling, sealed, logged, stored or released
    #[arg(long, value_parser = parse_state)]
    state: Option<ItemState>,
    /// At most so many
    #[arg(long)]
    limit: Option<u32>,
    /// One JSON object a line
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    #[arg(long)]
    csv: bool,
}

fn parse_state(text: &str) -> Result<ItemState, String> {
    serde_json::from_value(text.into())
        .map_err(|_| "use pulling, sealed, logged, stored or released".into())
}

#[derive(Serialize)]
struct Line {
    evidence: String,
    camera: Option<String>,
    officer: Option<String>,
    bay: Option<String>,
    path: String,
    bytes: u64,
    camera_time: Option<String>,
    state: ItemState,
    sha256: Option<String>,
    quarantine: Option<String>,
    stored_at: Option<String>,
}

pub fn run(config: &Path, args: Args) -> anyhow::Result<Outcome> {
    let config = load_config(config)?;
    let path = parts::journal_path(&config);
    if !path.exists() {
        return Err(usage(format!(
            "{} does not exist: this station has not run yet (`camdock run`)",
            path.display()
        )));
    }
    let journal = Journal::open_read_only(&path)?;
    let filter = ItemFilter {
        camera: args.camera.clone(),
        officer: args.officer.clone(),
        state: args.state,
        session: None,
        limit: if args.date.is_some() {
            None
        } else {
            args.limit
        },
    };
    let mut lines = Vec::new();
    for row in journal.find_items(&filter)? {
        let session = journal.session(row.session)?;
        let day = session
            .as_ref()
            .map(|s| s.started.to_zoned_datetime(jiff::tz::TimeZone::UTC).date());
        if args.date.is_none_or(|wanted| day == Some(wanted)) {
            lines.push(line(row, session));
        }
    }
    lines.truncate(args.limit.map_or(usize::MAX, |n| n as usize));
    let mut out = std::io::stdout().lock();
    let bytes: u64 = lines.iter().map(|l| l.bytes).sum();
    if args.csv {
        writeln!(
            out,
            "evidence,camera,officer,bay,path,bytes,camera_time,state,sha256,quarantine,stored_at"
        )?;
    }
    for l in &lines {
        if args.json {
            writeln!(out, "{}", serde_json::to_string(l)?)?;
        } else if args.csv {
            let state = state_name(l.state);
            let bytes = l.bytes.to_string();
            let text = |cell: &Option<String>| cell.clone().unwrap_or_default();
            let cells = [
                l.evidence.clone(),
                text(&l.camera),
                text(&l.officer),
                text(&l.bay),
                l.path.clone(),
                bytes,
                text(&l.camera_time),
                state,
                text(&l.sha256),
                text(&l.quarantine),
                text(&l.stored_at),
            ];
            writeln!(out, "{}", cells.map(|cell| csv_cell(&cell)).join(","))?;
        } else {
            let officer = l.officer.as_deref().unwrap_or("-");
            let camera = l.camera.as_deref().unwrap_or("unknown");
            let note = if l.quarantine.is_some() {
                "  QUARANTINE"
            } else {
                ""
            };
            writeln!(
                out,
                "{}  {:<9} {:>12}  {officer:<8} {camera:<20} {}{note}",
                l.evidence,
                state_name(l.state),
                l.bytes,
                l.path
            )?;
        }
    }
    if !args.json && !args.csv {
        writeln!(out, "{} items, {bytes} bytes", lines.len())?;
    }
    Ok(Outcome::Fine)
}

fn line(row: ItemRow, session: Option<crate::journal::SessionRow>) -> Line {
    Line {
        evidence: row.id.to_string(),
        camera: row.camera.map(|c| c.to_string()),
        officer: session
            .as_ref()
            .and_then(|s| s.officer.as_ref())
            .map(ToString::to_string),
        bay: session.map(|s| s.bay.to_string()),
        path: row.facts.path.to_string(),
        bytes: row.facts.size,
        camera_time: row.facts.modified.map(|t| t.to_string()),
        state: row.state,
        sha256: row.sealed.map(|s| s.sha256.to_string()),
        quarantine: row.quarantine,
        stored_at: row.stored_at.map(|t| t.to_string()),
    }
}

fn state_name(state: ItemState) -> String {
    format!("{state:?}").to_lowercase()
}

/// Quoted where needed; a cell that a spreadsheet would take for a formula gets a leading quote.
fn csv_cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t']);
    let text = if formula {
        format!("'{text}")
    } else {
        text.to_owned()
    };
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::csv_cell;

    #[test]
    fn a_cell_can_be_neither_a_formula_nor_break_its_row() {
        assert_eq!(csv_cell("=cmd|' /C calc'!A0"), "'=cmd|' /C calc'!A0");
        assert_eq!(csv_cell("a,\"b\"\n"), "\"a,\"\"b\"\"\n\"");
        assert_eq!(csv_cell("DCIM/A.MP4"), "DCIM/A.MP4");
    }
}

use std::io::Write;
use std::path::Path;

use serde::Serialize;

use super::{Outcome, load_config, usage};
use crate::journal::{FoundItem, ItemFilter, Journal};
use crate::model::ItemState;

/// Items read from the journal at a time.
const STEP: u32 = 1000;

/// Lists the evidence of this station, oldest first; officers as they are after any reassignment.
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
    decision: Option<String>,
    stored_at: Option<String>,
}

pub fn run(config: &Path, args: Args) -> anyhow::Result<Outcome> {
    let config = load_config(config)?;
    let path = config.files.journal();
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
        day: args.date.map(|day| day.to_string()),
    };
    let mut out = std::io::stdout().lock();
    if args.csv {
        writeln!(out, "{COLUMNS}")?;
    }
    let (mut after, mut items, mut bytes) = (None, 0u64, 0u64);
    let mut left = args.limit.unwrap_or(u32::MAX);
    while left > 0 {
        let found = journal.list(&filter, after, STEP.min(left))?;
        let Some(last) = found.last() else { break };
        after = Some(last.id);
        left -= u32::try_from(found.len()).unwrap_or(left);
        for item in found {
            items += 1;
            bytes += item.size;
            tell(&mut out, &args, item.needs_decision(), &Line::from(item))?;
        }
    }
    if !args.json && !args.csv {
        writeln!(out, "{items} items, {bytes} bytes")?;
    }
    Ok(Outcome::Fine)
}

const COLUMNS: &str =
    "evidence,camera,officer,bay,path,bytes,camera_time,state,sha256,quarantine,decision,stored_at";

fn tell(out: &mut impl Write, args: &Args, undecided: bool, line: &Line) -> anyhow::Result<()> {
    if args.json {
        writeln!(out, "{}", serde_json::to_string(line)?)?;
    } else if args.csv {
        let text = |cell: &Option<String>| cell.clone().unwrap_or_default();
        let cells = [
            line.evidence.clone(),
            text(&line.camera),
            text(&line.officer),
            text(&line.bay),
            line.path.clone(),
            line.bytes.to_string(),
            text(&line.camera_time),
            state_name(line.state),
            text(&line.sha256),
            text(&line.quarantine),
            text(&line.decision),
            text(&line.stored_at),
        ];
        writeln!(out, "{}", cells.map(|cell| csv_cell(&cell)).join(","))?;
    } else {
        let officer = line.officer.as_deref().unwrap_or("-");
        let camera = line.camera.as_deref().unwrap_or("unknown");
        let note = match &line.decision {
            _ if undecided => "  QUARANTINE".to_owned(),
            Some(decision) => format!("  quarantine: {decision}"),
            None => String::new(),
        };
        writeln!(
            out,
            "{}  {:<9} {:>12}  {officer:<8} {camera:<20} {}{note}",
            line.evidence,
            state_name(line.state),
            line.bytes,
            line.path
        )?;
    }
    Ok(())
}

impl From<FoundItem> for Line {
    fn from(item: FoundItem) -> Self {
        Self {
            evidence: item.id.to_string(),
            camera: item.camera.map(|c| c.to_string()),
            officer: item.officer.map(|o| o.to_string()),
            bay: item.bay.map(|b| b.to_string()),
            path: item.path.to_string(),
            bytes: item.size,
            camera_time: item.modified.map(|t| t.to_string()),
            state: item.state,
            sha256: item.sha256.map(|s| s.to_string()),
            quarantine: item.quarantine,
            decision: item.decision,
            stored_at: item.stored_at.map(|t| t.to_string()),
        }
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

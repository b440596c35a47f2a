use std::io::Write;
use std::path::Path;

use super::{Outcome, load_config, usage};
use crate::journal::{FoundItem, ItemFilter, Journal};
use crate::model::{CameraId, ItemState};
use crate::web::CsvRows;

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
    /// Recorded on this day or later (UTC, by the camera's clock; docked, where it gives no time), as 2026-01-31
    #[arg(long, value_name = "DAY")]
    from: Option<jiff::civil::Date>,
    /// Recorded on this day or earlier
    #[arg(long, value_name = "DAY")]
    to: Option<jiff::civil::Date>,
    /// Recorded on this day: the same as --from DAY --to DAY
    #[arg(long, value_name = "DAY", conflicts_with_all = ["from", "to"])]
    date: Option<jiff::civil::Date>,
    /// pulling, sealed, logged, stored or released
    #[arg(long, value_parser = parse_state)]
    state: Option<ItemState>,
    /// List at most this many items
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
        from_day: args.date.or(args.from).map(|day| day.to_string()),
        to_day: args.date.or(args.to).map(|day| day.to_string()),
        undecided: false,
    };
    let mut output = Output::new(&args, std::io::stdout().lock())?;
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
            output.item(&item)?;
        }
    }
    output.end(items, bytes)?;
    Ok(Outcome::Fine)
}

const COLUMNS: &[&str] = &[
    "evidence",
    "camera",
    "officer",
    "bay",
    "path",
    "bytes",
    "camera_time",
    "state",
    "sha256",
    "quarantine",
    "decision",
    "stored_at",
    "source",
    "disposed",
];

enum Output<W: Write> {
    Json(W),
    Csv(Box<CsvRows<W>>),
    Text(W),
}

impl<W: Write> Output<W> {
    fn new(args: &Args, out: W) -> anyhow::Result<Self> {
        if args.json {
            return Ok(Self::Json(out));
        }
        if !args.csv {
            return Ok(Self::Text(out));
        }
        let mut rows = CsvRows::new(out, csv::Terminator::Any(b'\n'), COLUMNS);
        rows.header()?;
        Ok(Self::Csv(Box::new(rows)))
    }

    fn item(&mut self, item: &FoundItem) -> anyhow::Result<()> {
        match self {
            Self::Json(out) => writeln!(out, "{}", serde_json::to_string(item)?)?,
            Self::Csv(rows) => rows.row(item)?,
            Self::Text(out) => text_line(out, item)?,
        }
        Ok(())
    }

    fn end(self, items: u64, bytes: u64) -> anyhow::Result<()> {
        match self {
            Self::Json(_) => {}
            Self::Csv(mut rows) => rows.flush()?,
            Self::Text(mut out) => writeln!(out, "{items} items, {bytes} bytes")?,
        }
        Ok(())
    }
}

fn text_line(out: &mut impl Write, item: &FoundItem) -> std::io::Result<()> {
    let officer = item.officer.as_ref().map_or("-", |o| &o.0);
    let camera = item.camera.as_ref().map_or("unknown", CameraId::as_str);
    let note = match &item.decision {
        _ if item.needs_decision() => "  QUARANTINE".to_owned(),
        Some(decision) => format!("  quarantine: {decision}"),
        None => String::new(),
    };
    let source = item.source.as_ref();
    let source = source.map_or(String::new(), |source| format!("  imported: {source:?}"));
    let disposed = item.disposed.as_ref();
    let disposed = disposed.map_or(String::new(), |it| format!("  {it}"));
    writeln!(
        out,
        "{}  {:<9} {:>12}  {officer:<8} {camera:<20} {}{note}{source}{disposed}",
        item.id,
        item.state.as_str(),
        item.size,
        item.path
    )
}

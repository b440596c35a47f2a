//! `camdock import`: evidence that no camera brought gets the same custody. The running station takes it in; this follows it.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;

use super::orders::ask;
use super::{Outcome, load_config, usage};
use crate::config::Config;
use crate::journal::{FoundItem, ItemFilter, Journal};
use crate::model::{BayStatus, BayView, Derivation, EvidenceId, ImportFacts, NotTaken, Officer};
use crate::station::{
    ImportOrder, ImportRefusal, ImportReply, ImportReport, ImportRequest, ImportStarted,
};

/// Takes evidence from a disc, a stick or a folder into the custody of the running station.
#[derive(clap::Args)]
#[command(after_help = "\
  camdock import /media/cdrom --source 'DVD-R, till camera' --received-from 'landlord, by hand'
  camdock import /srv/7.wav --source 'recorder 2' --received-from 'custody suite' --officer 4711
  camdock import clip.mp4 --source 'redacted copy' --received-from 'video unit' --derived-from ID
Every file is taken as it is, whatever its kind, with its folders in its name: hashed, sealed,
entered in the custody log, stored and locked. The source is only read. What cannot be taken
(links, devices, unreadable files) is named, here and in the log, and the rest goes on.
Given again with the same words, the command takes only what is missing.
What you declare stands in the custody log in clear text, for good: name people only where a
court needs it. The station goes on if this command is ended; `camdock status` shows how far it is.
Exit code 0: everything is secured here, and the upload goes on. 3: something was not taken.")]
pub struct Args {
    /// The folder, disc or single file; the user `camdock` must be able to read it
    path: PathBuf,
    /// What it is: a disc, a stick, another program's export
    #[arg(long, value_name = "TEXT")]
    source: String,
    /// The person or place that it was received from
    #[arg(long, value_name = "TEXT")]
    received_from: String,
    /// The badge id of the officer that it is assigned to
    #[arg(long, value_name = "BADGE")]
    officer: Option<String>,
    /// The incident's number
    #[arg(long, value_name = "NUMBER")]
    incident: Option<String>,
    /// The exhibit mark that it has
    #[arg(long, value_name = "MARK")]
    exhibit: Option<String>,
    /// The item that this is a clip or a redacted copy of
    #[arg(long, value_name = "ID")]
    derived_from: Option<EvidenceId>,
    /// Whoever made the copy
    #[arg(long, value_name = "TEXT", requires = "derived_from")]
    maker: Option<String>,
    /// The program that made it
    #[arg(long, value_name = "TEXT", requires = "derived_from")]
    tool: Option<String>,
    /// Your name, for the custody log; your account stands there anyway
    #[arg(long, value_name = "NAME")]
    operator: Option<String>,
    /// One JSON object at the end
    #[arg(long)]
    json: bool,
}

const NO_STATION: &str = "no station takes imports at {}; it must be running, and you must be root or in the group camdock";
const AGAIN: &str =
    "Give the same command again once the station runs: it takes only what is missing.";
const POLL: Duration = Duration::from_millis(200);
/// Items that are named in text.
const ITEMS_SHOWN: usize = 20;

pub fn run(config: &Path, args: Args) -> anyhow::Result<Outcome> {
    let config = load_config(config)?;
    let json = args.json;
    let order = order(args)?;
    let socket = config.files.import_socket();
    let reply = ask(&socket, &ImportRequest::Begin(Box::new(order)), NO_STATION)?;
    let begun: ImportStarted = match reply {
        ImportReply::Begun(begun) => begun,
        ImportReply::Refused(refusal) => return Err(refused(&refusal)),
        other => anyhow::bail!("the station answered {other:?}"),
    };
    if !json {
        println!(
            "import   {} as {} in {}",
            begun.session, begun.source, begun.bay
        );
        if begun.original_known == Some(false) {
            println!(
                "note     this station has not taken the original; the log says only what you declared"
            );
        }
    }
    let report = follow(&socket, &begun, json)?;
    let items = items(&config, &report)?;
    print(&report, &items, json)?;
    Ok(if report.complete {
        Outcome::Fine
    } else {
        Outcome::NeedsAttention
    })
}

/// In the station's own words.
fn refused(refusal: &ImportRefusal) -> anyhow::Error {
    let ImportRefusal {
        code,
        reason,
        next_step,
    } = refusal;
    usage(format!(
        "{reason}\nnext:  {next_step}\nmore:  camdock explain {code}"
    ))
}

fn order(args: Args) -> anyhow::Result<ImportOrder> {
    // The station's folder is not this one.
    let path = std::fs::canonicalize(&args.path)
        .map_err(|error| usage(format!("{}: {error}", args.path.display())))?;
    let facts = ImportFacts {
        source: args.source,
        received_from: args.received_from,
        officer: args.officer.map(Officer),
        incident: args.incident,
        exhibit: args.exhibit,
        derived: args.derived_from.map(|from| Derivation {
            from,
            sha256: None,
            maker: args.maker,
            tool: args.tool,
        }),
        operator: args.operator,
    };
    facts.check().map_err(usage)?;
    Ok(ImportOrder { path, facts })
}

/// Shows how far the import is until it has ended.
fn follow(socket: &Path, begun: &ImportStarted, quiet: bool) -> anyhow::Result<ImportReport> {
    let bar = if quiet {
        ProgressBar::hidden()
    } else {
        ProgressBar::new(0)
    };
    let template = "{bar:30} {bytes}/{total_bytes}, {bytes_per_sec}, {wide_msg}";
    bar.set_style(ProgressStyle::with_template(template)?);
    loop {
        let reply = ask(socket, &ImportRequest::Progress(begun.session), NO_STATION);
        match reply
            .with_context(|| format!("the station has stopped; what it took is kept. {AGAIN}"))?
        {
            ImportReply::Ended(report) => {
                bar.finish_and_clear();
                return Ok(*report);
            }
            ImportReply::Running { view } => {
                if let Some(view) = view {
                    show(&bar, *view);
                }
            }
            _ => anyhow::bail!("the station was started anew; what it took is kept. {AGAIN}"),
        }
        std::thread::sleep(POLL);
    }
}

fn show(bar: &ProgressBar, view: BayView) {
    match view.status {
        BayStatus::Reading {
            files_done,
            files_total,
            bytes_done,
            bytes_total,
            ..
        } => {
            bar.set_length(bytes_total);
            bar.set_position(bytes_done);
            let file = view.file.unwrap_or_default();
            bar.set_message(format!("{files_done}/{files_total} files {file}"));
        }
        BayStatus::NeedsAttention {
            reason, next_step, ..
        } => bar.set_message(format!("{reason}. {next_step}")),
        _ => {}
    }
}

/// The items that this import took, as far as they are named.
fn items(config: &Config, report: &ImportReport) -> anyhow::Result<Vec<FoundItem>> {
    let journal = Journal::open_read_only(&config.files.journal())?;
    let filter = ItemFilter {
        camera: Some(report.source.to_string()),
        ..ItemFilter::default()
    };
    let (mut taken, mut after) = (Vec::new(), None);
    loop {
        let found = journal.list(&filter, after, 1000)?;
        let Some(last) = found.last() else {
            return Ok(taken);
        };
        after = Some(last.id);
        taken.extend(
            found
                .into_iter()
                .filter(|item| item.session == report.session),
        );
    }
}

fn print(report: &ImportReport, items: &[FoundItem], json: bool) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    if json {
        let mut value = serde_json::to_value(report)?;
        let items = items.iter().map(|item| {
            json!({ "evidence": item.id, "path": item.path.to_string(), "bytes": item.size, "sha256": item.sha256 })
        });
        value["items"] = items.collect();
        writeln!(out, "{value}")?;
        return Ok(());
    }
    for item in items.iter().take(ITEMS_SHOWN) {
        writeln!(
            out,
            "item     {}  {:>12}  {}",
            item.id, item.size, item.path
        )?;
    }
    if items.len() > ITEMS_SHOWN {
        let more = items.len() - ITEMS_SHOWN;
        writeln!(
            out,
            "         and {more} more: camdock items --camera {}",
            report.source
        )?;
    }
    writeln!(
        out,
        "taken    {} files, {} bytes",
        report.taken.files, report.taken.bytes
    )?;
    if report.held.files > 0 {
        writeln!(
            out,
            "held     {} files that an earlier import took",
            report.held.files
        )?;
    }
    for NotTaken { file, code, reason } in &report.not_taken {
        writeln!(out, "NOT TAKEN {file}: {reason} ({code})")?;
    }
    let unnamed = report.missing.saturating_sub(report.not_taken.len() as u64);
    if unnamed > 0 {
        writeln!(out, "NOT TAKEN {unnamed} more; the custody log names each")?;
    }
    if let Some(fault) = &report.fault {
        writeln!(
            out,
            "! {} ({})\n  next: {}",
            fault.reason, fault.code, fault.next_step
        )?;
    }
    if report.waits_for_witness {
        writeln!(
            out,
            "note     the witnesses have not cosigned its entries yet; keep the source until `camdock status` says so"
        )?;
    }
    if report.complete {
        writeln!(
            out,
            "Everything is sealed on this station and in its signed log; the upload goes on. The source may be removed."
        )?;
    } else if report.taken.files + report.held.files + report.missing == 0 {
        writeln!(
            out,
            "Nothing was found there ({}).\n  next: Look whether the disc or stick is mounted, then give the command again.",
            report.reason
        )?;
    } else {
        writeln!(
            out,
            "NOT everything was taken ({}).\n  next: Keep the source. Mend what is named above, then give the same command again: it takes only what is missing.",
            report.reason
        )?;
    }
    Ok(())
}

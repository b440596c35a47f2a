use std::io::{BufRead as _, BufReader, IsTerminal as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;

use super::{Outcome, load_config};
use crate::model::{BayStatus, BayView, StatusView, WitnessingView};

/// Shows bays, uploads and problems of the running station.
#[derive(clap::Args)]
#[command(after_help = "Exit code 3 when something needs attention, 4 when no station runs here.")]
pub struct Args {
    /// Keep running and show every change
    #[arg(long, short)]
    watch: bool,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

/// Clears a terminal.
const CLEAR: &str = "\x1b[2J\x1b[H";

pub fn run(config: &Path, args: Args) -> anyhow::Result<Outcome> {
    let config = load_config(config)?;
    let path = config.files.status_socket();
    let stream = UnixStream::connect(&path).with_context(|| {
        format!(
            "no station answers at {}; start it with `systemctl start camdock`",
            path.display()
        )
    })?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let clear = args.watch && !args.json && std::io::stdout().is_terminal();
    for line in BufReader::new(stream).lines() {
        // A state that is no longer known must not stay on the screen.
        if clear && line.is_err() {
            print!("{CLEAR}");
        }
        let line = line.context("the station stopped answering")?;
        let view: StatusView =
            serde_json::from_str(&line).context("the station speaks another version")?;
        let outcome = if view.needs_person() {
            Outcome::NeedsAttention
        } else {
            Outcome::Fine
        };
        let mut out = std::io::stdout().lock();
        if args.json {
            writeln!(out, "{line}")?;
        } else {
            write!(out, "{}{}", if clear { CLEAR } else { "" }, text(&view))?;
            out.flush()?;
        }
        if !args.watch {
            return Ok(outcome);
        }
    }
    if clear {
        print!("{CLEAR}");
    }
    anyhow::bail!("the station has stopped");
}

fn text(view: &StatusView) -> String {
    let mut out = format!(
        "station {}  {}  log {} entries\n",
        view.station, view.time, view.log_entries
    );
    if view.bays.is_empty() {
        out.push_str("no camera is docked\n");
    }
    for bay in &view.bays {
        out.push_str(&bay_text(bay));
    }
    for total in &view.items {
        out.push_str(&format!(
            "{:<10} {:>8} items {:>16} bytes\n",
            total.state.as_str(),
            total.items,
            total.bytes
        ));
    }
    if let Some(witnessing) = &view.witnessing {
        out.push_str(&witnessing_text(witnessing, view.log_entries));
    }
    for upload in view.outbound.at_work.values() {
        let bar = bar(upload.bytes_done, upload.bytes_total);
        out.push_str(&format!("  uploading {bar} {}\n", upload.file));
    }
    for preview in view.outbound.previews.at_work.values() {
        let (part, file, seconds) = (preview.part, &preview.file, preview.done_ms / 1000);
        out.push_str(&format!("  making {part} {file}: {seconds} s done\n"));
    }
    let problems = view
        .outbound
        .problem
        .iter()
        .chain(&view.outbound.previews.problem)
        .chain(view.outbound.alarms.values())
        .chain(view.wiping.values())
        .chain(view.witnessing.iter().flat_map(WitnessingView::problems));
    for problem in problems {
        out.push_str(&format!(
            "! {} ({}) since {}\n  next: {}\n",
            problem.reason, problem.code, problem.since, problem.next_step
        ));
    }
    if !view.clock.synchronised {
        out.push_str("! the station's clock is not synchronised (clock_not_synchronised)\n  next: set up time synchronisation (for example systemd-timesyncd)\n");
    }
    if view.needs_person() {
        out.push_str("`camdock explain CODE` explains the codes in brackets\n");
    }
    out
}

fn witnessing_text(view: &WitnessingView, entries: u64) -> String {
    let behind = match view.behind_seconds {
        0 => String::new(),
        seconds => format!(", behind for {seconds} s"),
    };
    let mut out = format!(
        "witnesses  {} of {entries} entries cosigned by the quorum{behind}\n",
        view.quorum_entries
    );
    for witness in &view.witnesses {
        let at = (witness.cosigned_at).map_or_else(|| "never".to_owned(), |at| at.to_string());
        out.push_str(&format!(
            "  {:<16} {} entries, {at}\n",
            witness.name.escape_debug().to_string(),
            witness.cosigned_entries
        ));
    }
    out
}

fn bay_text(bay: &BayView) -> String {
    let who = bay
        .officer
        .as_ref()
        .map_or(String::new(), |o| format!(" officer {o}"));
    let camera = bay
        .camera
        .as_ref()
        .map_or(String::new(), |c| format!(" {c}"));
    let head = format!("bay {}{camera}{who}: ", bay.bay);
    let gone = |disposed: &u64| match disposed {
        0 => String::new(),
        n => format!("; {n} of them were deleted by rule and are not taken again"),
    };
    let rest = match &bay.status {
        BayStatus::Empty => "[ ] empty".to_owned(),
        BayStatus::NotRecognised {
            code,
            reason,
            next_step,
        } => {
            format!("[!] NOT RECOGNISED - {reason} ({code})\n  next: {next_step}")
        }
        BayStatus::Reading {
            files_done,
            files_total,
            bytes_done,
            bytes_total,
            seconds_left,
        } => {
            let left = seconds_left.map_or(String::new(), |s| format!(", about {s} s left"));
            format!(
                "[>] READING - LEAVE DOCKED {} {files_done}/{files_total} files{left}",
                bar(*bytes_done, *bytes_total)
            )
        }
        BayStatus::WaitingForWitness {
            files, disposed, ..
        } => {
            let gone = gone(disposed);
            format!("[>] SECURED HERE - WAITING FOR WITNESS - LEAVE DOCKED - {files} files{gone}")
        }
        BayStatus::SafeToRemove {
            files,
            waiting_for_store,
            disposed,
            ..
        } => {
            let gone = gone(disposed);
            format!(
                "[v] SAFE TO REMOVE - {files} files secured here, {waiting_for_store} waiting for the store{gone}"
            )
        }
        BayStatus::Wiping { files } => {
            format!("[>] EMPTYING - LEAVE DOCKED - {files} files, all stored")
        }
        BayStatus::AllStored {
            files, disposed, ..
        } => {
            format!("[v] ALL STORED - {files} files{}", gone(disposed))
        }
        BayStatus::NeedsAttention {
            code,
            reason,
            next_step,
            files_done,
            files_total,
        } => {
            format!(
                "[!] NEEDS ATTENTION - {reason} ({code}; {files_done}/{files_total} files done)\n  next: {next_step}"
            )
        }
    };
    format!("{head}{rest}\n")
}

/// A bar of twenty characters and the percentage.
fn bar(done: u64, of: u64) -> String {
    let share = if of == 0 {
        0
    } else {
        u128::from(done.min(of)) * 100 / u128::from(of)
    };
    let filled = usize::try_from(share / 5).unwrap_or(0);
    format!(
        "[{}{}] {share:>3}%",
        "#".repeat(filled),
        ".".repeat(20 - filled)
    )
}

#[cfg(test)]
mod tests {
    use super::bar;

    #[test]
    fn a_bar_never_overflows() {
        assert_eq!(bar(0, 0), "[....................]   0%");
        assert_eq!(bar(u64::MAX, 1), "[####################] 100%");
        assert_eq!(bar(1, 2), "[##########..........]  50%");
    }
}

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Subcommand, ValueEnum};

use super::{Outcome, load_config};
use crate::config::Config;
use crate::journal::{Journal, Search};
use crate::model::{EvidenceId, Officer};
use crate::station::{Answer, Order, Request};

/// Lists what waits in quarantine, and decides on it.
#[derive(clap::Args)]
#[command(after_help = "\
  camdock quarantine list
  camdock quarantine decide accept 0195f2c4-7b1e-7c3a-9a57-0d6f6e2f9b11 --operator 'M. Shah' --reason 'camera of a new officer'
Each decision is entered in the custody log with the operator's name, the reason and the user that gave the command.")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// What waits for a decision
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Decide on items in quarantine
    Decide {
        #[arg(value_enum)]
        decision: Decision,
        /// The evidence ids
        #[arg(required = true)]
        evidence: Vec<EvidenceId>,
        #[command(flatten)]
        who: Who,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Decision {
    /// It is evidence like any other
    Accept,
    /// It is not evidence; it stays stored as long as its retention says
    Reject,
}

#[derive(clap::Args)]
pub struct Who {
    /// Your name, for the custody log
    #[arg(long, value_name = "NAME")]
    operator: String,
    /// Why, for the custody log
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// Assigns items to another officer than the roster said.
#[derive(clap::Args)]
#[command(after_help = "\
  camdock reassign 0195f2c4-7b1e-7c3a-9a57-0d6f6e2f9b11 --officer 4712 --operator 'M. Shah' --reason 'camera was lent'
The custody log keeps both: whose camera it was when the footage was taken, and this change.")]
pub struct ReassignArgs {
    /// The evidence ids
    #[arg(required = true)]
    evidence: Vec<EvidenceId>,
    /// The officer's badge id
    #[arg(long, value_name = "BADGE")]
    officer: String,
    #[command(flatten)]
    who: Who,
}

pub fn quarantine(config: &Path, args: Args) -> anyhow::Result<Outcome> {
    let config = load_config(config)?;
    match args.what {
        What::List { json } => list(&config, json),
        What::Decide {
            decision,
            evidence,
            who,
        } => {
            let order = match decision {
                Decision::Accept => Order::Accept,
                Decision::Reject => Order::Reject,
            };
            ask(&config, order, evidence, who)
        }
    }
}

pub fn reassign(config: &Path, args: ReassignArgs) -> anyhow::Result<Outcome> {
    let config = load_config(config)?;
    let officer = Officer(args.officer);
    ask(
        &config,
        Order::Reassign { officer },
        args.evidence,
        args.who,
    )
}

fn list(config: &Config, json: bool) -> anyhow::Result<Outcome> {
    let journal = Journal::open_read_only(&config.files.journal())?;
    let search = Search {
        attention: true,
        ..Search::default()
    };
    let mut after = None;
    let mut out = std::io::stdout().lock();
    let mut count = 0;
    loop {
        let found = journal.search(&search, after, 1000)?;
        for item in &found.items {
            count += 1;
            let reason = item.quarantine.as_deref().unwrap_or_default();
            let camera = item.camera.as_ref().map_or("unknown", |c| c.as_str());
            if json {
                let line = serde_json::json!({ "evidence": item.id, "camera": item.camera, "path": item.path.to_string(),
                    "bytes": item.size, "reason": reason });
                writeln!(out, "{line}")?;
            } else {
                writeln!(out, "{}  {camera:<20} {}  {reason}", item.id, item.path)?;
            }
        }
        after = found.next;
        if after.is_none() {
            break;
        }
    }
    if !json {
        writeln!(out, "{count} items wait for a decision")?;
    }
    Ok(if count == 0 {
        Outcome::Fine
    } else {
        Outcome::NeedsAttention
    })
}

/// Hands the order to the running station, which alone writes log and journal.
pub(super) fn ask(
    config: &Config,
    order: Order,
    evidence: Vec<EvidenceId>,
    who: Who,
) -> anyhow::Result<Outcome> {
    let path = config.files.command_socket();
    let mut stream = UnixStream::connect(&path).with_context(|| {
        format!(
            "no station takes commands at {}; it must be running, and you must be root or in the group camdock",
            path.display()
        )
    })?;
    stream.set_read_timeout(Some(Duration::from_mins(1)))?;
    let request = Request {
        order,
        evidence,
        operator: who.operator,
        reason: who.reason,
    };
    let mut line = serde_json::to_vec(&request)?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut told = String::new();
    BufReader::new(stream)
        .read_line(&mut told)
        .context("the station did not answer; see `camdock show` whether it was done")?;
    let answer: Answer =
        serde_json::from_str(&told).context("the station speaks another version")?;
    for id in &answer.done {
        println!("done     {id}");
    }
    for gap in &answer.accepted {
        println!("accepted {gap}");
    }
    for (id, reason) in &answer.refused {
        let id = id.map_or_else(|| "all".to_owned(), |id| id.to_string());
        println!("refused  {id}: {reason}");
    }
    Ok(if answer.refused.is_empty() {
        Outcome::Fine
    } else {
        Outcome::NeedsAttention
    })
}

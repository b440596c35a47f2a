use std::io::Write as _;
use std::path::Path;

use clap::{Subcommand, ValueEnum};

use super::orders::{Signature, send};
use super::{Outcome, load_config};
use crate::config::Config;
use crate::journal::{Journal, Search};
use crate::model::EvidenceId;
use crate::station::Order;

/// Lists the items in quarantine, and decides on them.
#[derive(clap::Args)]
#[command(after_help = "\
  camdock quarantine list
  camdock quarantine decide accept 0195f2c4-7b1e-7c3a-9a57-0d6f6e2f9b11 --operator 'M. Shah' --reason 'camera of a new officer'
Each decision is entered in the custody log with the operator's name, the reason, and the user who gave the command.")]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// List the items that wait for a decision
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
        signature: Signature,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum Decision {
    /// The item is evidence like any other
    Accept,
    /// The item is not evidence; it stays stored until its retention ends
    Reject,
}

pub fn run(config: &Path, args: Args) -> anyhow::Result<Outcome> {
    let config = load_config(config)?;
    match args.what {
        What::List { json } => list(&config, json),
        What::Decide {
            decision,
            evidence,
            signature,
        } => {
            let order = match decision {
                Decision::Accept => Order::Accept,
                Decision::Reject => Order::Reject,
            };
            send(&config, order, evidence, signature)
        }
    }
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

use std::io::Write as _;
use std::path::Path;

use clap::{Subcommand, ValueEnum};

use super::orders::{OrderSignature, send};
use super::{Outcome, load_config, usage};
use crate::config::Config;
use crate::journal::{FoundItem, ItemFilter, Journal};
use crate::model::{EvidenceId, SessionId};
use crate::station::Order;

/// Items read from the journal at a time.
const STEP: u32 = 1000;

/// Lists the items in quarantine, and decides on them.
#[derive(clap::Args)]
#[command(after_help = "\
  camdock quarantine list
  camdock quarantine decide accept 0195f2c4-7b1e-7c3a-9a57-0d6f6e2f9b11 --operator 'M. Shah' --reason 'camera of a new officer'
  camdock quarantine decide accept --camera acme/X1 --operator 'M. Shah' --reason 'camera of a new officer'
Each decision is entered in the custody log with the operator's name, the reason, and the user who gave the command.")]
pub struct Args {
    #[command(subcommand)]
    what: QuarantineVerb,
}

#[derive(Subcommand)]
enum QuarantineVerb {
    /// List the items that wait for a decision
    List {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Decide on items in quarantine
    Decide {
        #[arg(value_enum)]
        decision: DecisionArg,
        #[command(flatten)]
        items: Selection,
        #[command(flatten)]
        signature: OrderSignature,
    },
}

#[derive(Clone, Copy, ValueEnum)]
enum DecisionArg {
    /// The item is evidence like any other
    Accept,
    /// The item is not evidence; it stays stored until its retention ends
    Reject,
}

// The items to decide on, named one by one or all that wait. Not a doc comment: clap would show it as the verb's help.
#[derive(clap::Args)]
#[group(required = true, multiple = false)]
struct Selection {
    /// The evidence ids
    evidence: Vec<EvidenceId>,
    /// All waiting items of a camera, given as make/serial or by its serial
    #[arg(long, value_name = "MAKE/SERIAL")]
    camera: Option<String>,
    /// All waiting items of a dock session, as `camdock quarantine list` names it
    #[arg(long, value_name = "ID")]
    session: Option<SessionId>,
}

impl Selection {
    fn resolve(self, config: &Config) -> anyhow::Result<Vec<EvidenceId>> {
        if !self.evidence.is_empty() {
            return Ok(self.evidence);
        }
        let selected = |undecided: bool| -> anyhow::Result<Vec<FoundItem>> {
            let mut items = quarantined(config, self.camera.clone(), undecided)?;
            if let Some(session) = self.session {
                items.retain(|item| item.session == session);
            }
            Ok(items)
        };
        let waiting = selected(true)?;
        if waiting.is_empty() {
            let decided = selected(false)?.len();
            if decided > 0 {
                return Err(usage(format!(
                    "decided already: none of these {decided} items waits for a decision; name an item by its evidence id to decide anew"
                )));
            }
            return Err(usage(
                "no such item waits for a decision; `camdock quarantine list` shows those that do",
            ));
        }
        Ok(waiting.into_iter().map(|item| item.id).collect())
    }
}

pub fn run(config: &Path, args: Args) -> anyhow::Result<Outcome> {
    let config = load_config(config)?;
    match args.what {
        QuarantineVerb::List { json } => list(&config, json),
        QuarantineVerb::Decide {
            decision,
            items,
            signature,
        } => {
            let evidence = items.resolve(&config)?;
            let order = match decision {
                DecisionArg::Accept => Order::Accept,
                DecisionArg::Reject => Order::Reject,
            };
            send(&config, order, evidence, signature)
        }
    }
}

/// Every item in quarantine, of one camera or of all; with `undecided`, only those that wait for a decision.
fn quarantined(
    config: &Config,
    camera: Option<String>,
    undecided: bool,
) -> anyhow::Result<Vec<FoundItem>> {
    let journal = Journal::open_read_only(&config.files.journal())?;
    let filter = ItemFilter {
        camera,
        undecided,
        ..ItemFilter::default()
    };
    let (mut items, mut after) = (Vec::new(), None);
    loop {
        let found = journal.list(&filter, after, STEP)?;
        let Some(last) = found.last() else {
            return Ok(items);
        };
        after = Some(last.id);
        let found = found.into_iter();
        items.extend(found.filter(|item| item.quarantine.is_some()));
    }
}

fn list(config: &Config, json: bool) -> anyhow::Result<Outcome> {
    let waiting = quarantined(config, None, true)?;
    let mut out = std::io::stdout().lock();
    for item in &waiting {
        let reason = item.quarantine.as_deref().unwrap_or_default();
        if json {
            let line = serde_json::json!({ "evidence": item.id, "session": item.session, "camera": item.camera,
                "path": item.path.to_string(), "bytes": item.size, "reason": reason });
            writeln!(out, "{line}")?;
        } else {
            let camera = item.camera.as_ref().map_or("unknown", |c| c.as_str());
            writeln!(out, "{}  {camera:<20} {}  {reason}", item.id, item.path)?;
        }
    }
    if !json {
        writeln!(out, "{} items wait for a decision", waiting.len())?;
    }
    let Some(first) = waiting.first() else {
        return Ok(Outcome::Fine);
    };
    if !json {
        let sign = "--operator NAME --reason TEXT";
        writeln!(
            out,
            "next: camdock quarantine decide accept {} {sign}",
            first.id
        )?;
        writeln!(
            out,
            "  or: camdock quarantine decide accept --session {} {sign}",
            first.session
        )?;
    }
    Ok(Outcome::NeedsAttention)
}

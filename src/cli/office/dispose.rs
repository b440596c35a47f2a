//! `camdock office dispose`: what people decide about deletion by rule, as orders to the running office. Without `--really` it only
//! says what would come of it.

use std::io::Write as _;

use anyhow::bail;
use clap::Subcommand;

use super::decide;
use crate::cli::Outcome;
use crate::cli::orders::OrderSignature;
use crate::config::OfficeConfig;
use crate::model::{EvidenceId, Explain as _, ItemDecision, Obstacle, StationName};
use crate::office::{DueItem, NamedItem, due};

/// Items of one command.
const ITEMS_MAX: usize = 10_000;

#[derive(Subcommand)]
pub enum DisposeVerb {
    /// Propose that items whose class has run out are deleted; another person has to approve it
    Propose {
        /// You have reviewed them, which a class with `review = true` asks for
        #[arg(long)]
        reviewed: bool,
        #[command(flatten)]
        args: DisposeArgs,
    },
    /// Approve what another person has proposed; the disposer deletes it once that is 24 hours old
    Approve(DisposeArgs),
    /// Take a proposal back, approved or not
    Withdraw(DisposeArgs),
}

#[derive(clap::Args)]
pub struct DisposeArgs {
    /// Evidence ids
    #[arg(required = true)]
    items: Vec<EvidenceId>,
    /// The station that took the items, if several stations list the same ids
    #[arg(long)]
    station: Option<StationName>,
    /// Enter it in the office's log; without it, nothing is entered, and what keeps each item is shown
    #[arg(long)]
    really: bool,
    #[command(flatten)]
    signature: OrderSignature,
}

pub fn run(config: &OfficeConfig, verb: &DisposeVerb) -> anyhow::Result<Outcome> {
    let (args, decision, done) = match verb {
        DisposeVerb::Propose { reviewed, args } => {
            let reviewed = *reviewed;
            (args, ItemDecision::ProposeDisposal { reviewed }, "proposed")
        }
        DisposeVerb::Approve(args) => (args, ItemDecision::ApproveDisposal, "approved"),
        DisposeVerb::Withdraw(args) => (args, ItemDecision::WithdrawDisposal, "withdrawn"),
    };
    if !args.really {
        return dry_run(config, args);
    }
    let named = args.items.iter().map(|evidence| NamedItem {
        station: args.station.clone(),
        evidence: *evidence,
    });
    let items: Vec<_> = named.collect();
    decide::order(config, &items, &decision, &args.signature, done)
}

fn dry_run(config: &OfficeConfig, args: &DisposeArgs) -> anyhow::Result<Outcome> {
    if args.items.len() > ITEMS_MAX {
        bail!("name at most {ITEMS_MAX} items at once");
    }
    let (all, _) = due(config, 0, usize::MAX)?;
    let mut out = std::io::stdout().lock();
    for id in &args.items {
        let of_station = |item: &&DueItem| args.station.as_ref().is_none_or(|s| *s == item.station);
        let known = all
            .iter()
            .filter(of_station)
            .find(|item| item.evidence == *id);
        let why = known.map_or(Some(Obstacle::NotDue), |item| item.obstacle);
        let overlaps = known.map_or(0, |item| item.overlaps.len());
        match why {
            Some(why) => write!(out, "{id}: {why} ({})", why.label())?,
            None => write!(out, "{id}: proposed and approved")?,
        }
        if overlaps > 0 {
            write!(out, "; {overlaps} held or tagged items overlap it")?;
        }
        writeln!(out)?;
    }
    writeln!(
        out,
        "Nothing was entered. Give the command again with --really to enter it in the office's log."
    )?;
    Ok(Outcome::Fine)
}

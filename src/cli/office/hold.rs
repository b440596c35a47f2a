//! `camdock office hold`, `lift-hold` and `classify`: orders to the running office, which alone writes its log.

use super::decide;
use crate::cli::Outcome;
use crate::cli::orders::OrderSignature;
use crate::config::OfficeConfig;
use crate::model::{EvidenceId, ItemDecision, StationName};
use crate::office::NamedItem;

#[derive(clap::Args)]
pub struct HoldArgs {
    /// Evidence ids
    #[arg(required = true)]
    items: Vec<EvidenceId>,
    /// The station that took the items, if several stations list the same ids
    #[arg(long)]
    station: Option<StationName>,
    #[command(flatten)]
    signature: OrderSignature,
}

pub fn run(
    config: &OfficeConfig,
    args: &HoldArgs,
    decision: &ItemDecision,
    done: &str,
) -> anyhow::Result<Outcome> {
    let named = args.items.iter().map(|evidence| NamedItem {
        station: args.station.clone(),
        evidence: *evidence,
    });
    let items: Vec<_> = named.collect();
    decide::order(config, &items, decision, &args.signature, done)
}

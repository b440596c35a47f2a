use std::path::Path;

use super::orders::{OrderSignature, send};
use super::{Outcome, load_config};
use crate::model::{EvidenceId, Officer};
use crate::station::Order;

/// Assigns items to another officer than the one in the roster.
#[derive(clap::Args)]
#[command(after_help = "\
  camdock reassign 0195f2c4-7b1e-7c3a-9a57-0d6f6e2f9b11 --officer 4712 --operator 'M. Shah' --reason 'camera was lent'
The custody log keeps both: the officer whose camera it was when the footage was taken, and this change.")]
pub struct Args {
    /// The evidence ids
    #[arg(required = true)]
    evidence: Vec<EvidenceId>,
    /// The officer's badge id
    #[arg(long, value_name = "BADGE")]
    officer: String,
    #[command(flatten)]
    signature: OrderSignature,
}

pub fn run(config: &Path, args: Args) -> anyhow::Result<Outcome> {
    let config = load_config(config)?;
    let officer = Officer(args.officer);
    send(
        &config,
        Order::Reassign { officer },
        args.evidence,
        args.signature,
    )
}

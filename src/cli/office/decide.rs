//! What a person decides about a followed log, as an order to the running office, which alone writes its log.

use anyhow::bail;
use serde::Serialize;

use crate::cli::Outcome;
use crate::cli::orders::{OrderSignature, ask};
use crate::config::OfficeConfig;
use crate::model::{EvidenceId, ItemDecision, StationName};
use crate::office::{
    GapCommand, ItemCommand, OfficeOrder, OfficeReply, OfficeVerdict, socket_path,
};

pub const NO_OFFICE: &str = "no office takes commands at {}; it must be running, and you must be root or the user camdock-office";

pub fn send(
    config: &OfficeConfig,
    station: StationName,
    verdict: OfficeVerdict,
    signature: OrderSignature,
) -> anyhow::Result<Outcome> {
    let order = OfficeOrder {
        station,
        verdict,
        operator: signature.operator,
        reason: signature.reason,
    };
    match ask(&socket_path(config), &order, NO_OFFICE)? {
        OfficeReply::Entered {
            index,
            published: true,
        } => {
            println!("done: entry {index} of the office's log; the next look at this log heeds it");
            Ok(Outcome::Fine)
        }
        OfficeReply::Entered { index, .. } => {
            println!(
                "entered as entry {index} of the office's log; it takes effect once the store can be reached and has it"
            );
            Ok(Outcome::NeedsAttention)
        }
        OfficeReply::Packed { .. } => bail!("the office answered something else"),
        OfficeReply::Refused(reason) => bail!("refused: {reason}"),
    }
}

/// The same decision about each of these items; those that are refused keep no other from being decided.
pub fn send_items(
    config: &OfficeConfig,
    station: &StationName,
    evidence: &[EvidenceId],
    decision: &ItemDecision,
    signature: &OrderSignature,
) -> anyhow::Result<Outcome> {
    let orders = evidence.iter().map(|id| {
        let order = ItemCommand {
            station: station.clone(),
            evidence: *id,
            decision: decision.clone(),
            operator: signature.operator.clone(),
            reason: signature.reason.clone(),
        };
        (id.to_string(), order)
    });
    send_each(config, orders)
}

/// The same explanation of each of these gaps.
pub fn send_gaps(
    config: &OfficeConfig,
    station: &StationName,
    gaps: &[String],
    signature: &OrderSignature,
) -> anyhow::Result<Outcome> {
    let orders = gaps.iter().map(|gap| {
        let order = GapCommand {
            station: station.clone(),
            gap: gap.clone(),
            operator: signature.operator.clone(),
            reason: signature.reason.clone(),
        };
        (gap.clone(), order)
    });
    send_each(config, orders)
}

/// Sends the orders, each with what it is about.
fn send_each(
    config: &OfficeConfig,
    orders: impl ExactSizeIterator<Item = (String, impl Serialize)>,
) -> anyhow::Result<Outcome> {
    let (mut waits, mut refused) = (false, 0);
    let count = orders.len();
    for (what, order) in orders {
        match ask(&socket_path(config), &order, NO_OFFICE)? {
            OfficeReply::Entered { index, published } => {
                waits |= !published;
                let until = if published {
                    ""
                } else {
                    "; it takes effect once the store has it"
                };
                println!("{what}: entry {index} of the office's log{until}");
            }
            OfficeReply::Packed { .. } => {
                bail!("the office answered something else")
            }
            OfficeReply::Refused(reason) => {
                refused += 1;
                eprintln!("{what}: refused: {reason}");
            }
        }
    }
    match refused {
        0 if waits => Ok(Outcome::NeedsAttention),
        0 => Ok(Outcome::Fine),
        refused => bail!("{refused} of {count} were refused"),
    }
}

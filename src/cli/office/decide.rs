//! What a person decides about a followed log or about items, as an order to the running office, which alone writes its log.

use std::io::Write;

use anyhow::bail;

use crate::cli::Outcome;
use crate::cli::orders::{OrderSignature, ask};
use crate::config::OfficeConfig;
use crate::model::{EvidenceId, FileTag, ItemDecision, StationName};
use crate::office::{
    DispatchOrder, GapCommand, ITEMS_MAX, ItemsOrder, NamedItem, OfficeOrder, OfficeReply,
    OfficeVerdict, socket_path,
};

pub const NO_OFFICE: &str = "no office takes commands at {}; it must be running, and you must be root or the user camdock-office";
pub const OTHER_ANSWER: &str = "the office answered something else";

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
        OfficeReply::Refused(reason) => bail!("refused: {reason}"),
        _ => bail!(OTHER_ANSWER),
    }
}

/// Tags each of these items as a file of dispatch says.
pub fn tag_dispatched(
    config: &OfficeConfig,
    tags: &[(NamedItem, FileTag)],
    signature: &OrderSignature,
) -> anyhow::Result<Outcome> {
    let mut out = std::io::stdout().lock();
    let mut fine = true;
    for dispatched in tags.chunks(ITEMS_MAX) {
        let order = DispatchOrder {
            dispatched: dispatched.to_vec(),
            operator: signature.operator.clone(),
            reason: signature.reason.clone(),
        };
        let reply = ask(&socket_path(config), &order, NO_OFFICE)?;
        fine &= tell(&mut out, reply, "tagged  ")?;
    }
    Ok(outcome(fine))
}

/// The same decision about each of these items; `done` is said of those that it is entered for. One that is refused keeps no other
/// from being decided about.
pub fn order(
    config: &OfficeConfig,
    items: &[NamedItem],
    decision: &ItemDecision,
    signature: &OrderSignature,
    done: &str,
) -> anyhow::Result<Outcome> {
    let mut out = std::io::stdout().lock();
    let mut fine = true;
    for items in items.chunks(ITEMS_MAX) {
        let order = ItemsOrder {
            decision: decision.clone(),
            items: items.to_vec(),
            operator: signature.operator.clone(),
            reason: signature.reason.clone(),
        };
        let reply = ask(&socket_path(config), &order, NO_OFFICE)?;
        fine &= tell(&mut out, reply, done)?;
    }
    Ok(outcome(fine))
}

/// Tells what became of each item of an order; whether all of it is done and in effect.
fn tell(out: &mut impl Write, reply: OfficeReply, done: &str) -> anyhow::Result<bool> {
    let reply = match reply {
        OfficeReply::OfItems(reply) => reply,
        OfficeReply::Refused(reason) => bail!("refused: {reason}"),
        _ => bail!(OTHER_ANSWER),
    };
    for (item, entry) in &reply.entered {
        writeln!(out, "{done} {item} (entry {entry} of the office's log)")?;
    }
    for (item, lack) in &reply.lacking {
        writeln!(out, "but      {item}: {lack}")?;
    }
    for (item, why) in &reply.refused {
        writeln!(out, "refused  {item}: {why}")?;
    }
    if !reply.entered.is_empty() && !reply.published {
        writeln!(
            out,
            "not in the bucket yet; it takes effect once the store can be reached and has it"
        )?;
    }
    Ok(reply.refused.is_empty() && reply.lacking.is_empty() && reply.published)
}

const fn outcome(fine: bool) -> Outcome {
    if fine {
        Outcome::Fine
    } else {
        Outcome::NeedsAttention
    }
}

/// These items of one station.
pub fn of_station(station: &StationName, evidence: &[EvidenceId]) -> Vec<NamedItem> {
    let named = evidence.iter().map(|evidence| NamedItem {
        station: Some(station.clone()),
        evidence: *evidence,
    });
    named.collect()
}

/// The same explanation of each of these gaps.
pub fn send_gaps(
    config: &OfficeConfig,
    station: &StationName,
    gaps: &[String],
    signature: &OrderSignature,
) -> anyhow::Result<Outcome> {
    let (mut waits, mut refused) = (false, 0);
    for gap in gaps {
        let order = GapCommand {
            station: station.clone(),
            gap: gap.clone(),
            operator: signature.operator.clone(),
            reason: signature.reason.clone(),
        };
        match ask(&socket_path(config), &order, NO_OFFICE)? {
            OfficeReply::Entered { index, published } => {
                waits |= !published;
                let until = if published {
                    ""
                } else {
                    "; it takes effect once the store has it"
                };
                println!("{gap}: entry {index} of the office's log{until}");
            }
            OfficeReply::Refused(reason) => {
                refused += 1;
                eprintln!("{gap}: refused: {reason}");
            }
            _ => bail!(OTHER_ANSWER),
        }
    }
    match refused {
        0 if waits => Ok(Outcome::NeedsAttention),
        0 => Ok(Outcome::Fine),
        refused => bail!("{refused} of {} were refused", gaps.len()),
    }
}

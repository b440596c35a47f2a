//! Orders to enter that a court pack is going to be made. The command that asks opens nothing before the acts are published.

use serde::{Deserialize, Serialize};

use super::acts::Acts;
use super::commands::{OfficeReply, PUBLISHED_WITHIN};
use super::index::Index;
use crate::config::OfficeConfig;
use crate::model::{Decider, Event, EvidenceId, PackId, PackMade, StationName};

/// Items of one pack.
pub const PACK_ITEMS_MAX: usize = 100;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackOrder {
    pub pack: PackId,
    pub items: Vec<OrderedItem>,
    pub operator: String,
    pub reason: String,
    /// What is restricted may be in it.
    #[serde(default)]
    pub restricted: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderedItem {
    /// The station that took it.
    pub station: StationName,
    pub evidence: EvidenceId,
}

/// Enters one act for each item, and waits until they are published.
pub async fn enter_pack(
    config: &OfficeConfig,
    acts: &Acts,
    order: &PackOrder,
    peer: String,
) -> Result<OfficeReply, String> {
    let count = order.items.len();
    if count == 0 || count > PACK_ITEMS_MAX {
        return Err(format!("a pack has 1 to {PACK_ITEMS_MAX} items"));
    }
    let index = tokio::task::block_in_place(|| Index::open_read_only(&config.index()));
    let index = index.map_err(|error| error.described())?;
    for OrderedItem { station, evidence } in &order.items {
        let known = index.as_ref().map_or(Ok(false), |index| {
            tokio::task::block_in_place(|| index.has_item(station, *evidence, order.restricted))
        });
        match known {
            Ok(true) if config.stations.iter().any(|s| s.name == *station) => {}
            Ok(_) => return Err(format!("this office knows no item {evidence} of {station}")),
            Err(error) => return Err(error.described()),
        }
    }
    let kept = tokio::task::block_in_place(|| acts.keep_text(order.reason.trim()));
    let by = Decider {
        operator: order.operator.trim().to_owned(),
        peer,
        reason_sha256: kept.map_err(|e| format!("the reason cannot be kept: {e}"))?,
    };
    let mut entered = Vec::new();
    for OrderedItem { station, evidence } in &order.items {
        let act = PackMade {
            pack: order.pack,
            log: station.clone(),
            evidence: *evidence,
            by: by.clone(),
        };
        let index = acts.enter(Event::PackMade(Box::new(act))).await;
        entered.push(index.map_err(|e| format!("it could not be entered in the log: {e}"))?);
    }
    tracing::info!(operator = order.operator, pack = %order.pack, items = count, "a court pack is going to be made");
    let last = entered.last().copied().unwrap_or_default();
    let published = acts.is_published(last, PUBLISHED_WITHIN).await;
    Ok(OfficeReply::Packed {
        acts: entered,
        published,
    })
}

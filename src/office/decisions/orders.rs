//! One decision about many items, as the command socket is given it.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::{Decisions, EnteredAct, PUBLISHED_WITHIN, disposals};
use crate::model::{EvidenceId, Explain as _, FileTag, ItemDecision, StationName, check_signature};
use crate::office::OfficeError;
use crate::web::ItemOrder;

/// Items of one order.
pub const ITEMS_MAX: usize = 100;

/// The same decision about each of these items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemsOrder {
    pub decision: ItemDecision,
    pub items: Vec<NamedItem>,
    pub operator: String,
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NamedItem {
    /// `None`: the one that has it.
    pub station: Option<StationName>,
    pub evidence: EvidenceId,
}

/// What a file of dispatch says of these items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DispatchOrder {
    pub dispatched: Vec<(NamedItem, FileTag)>,
    pub operator: String,
    pub reason: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemsReply {
    /// With the entries of the office's log that say so, now or before.
    pub entered: Vec<(EvidenceId, u64)>,
    pub refused: Vec<(EvidenceId, String)>,
    /// What the store did not follow; the office goes on trying.
    #[serde(default)]
    pub lacking: Vec<(EvidenceId, String)>,
    /// All of them are in the bucket, and so in effect.
    pub published: bool,
}

impl Decisions {
    /// Decides about each item by itself: one that is refused keeps no other from being decided about.
    pub async fn decide_all(&self, order: &ItemsOrder, peer: &str) -> Result<ItemsReply, String> {
        let each = order.items.iter();
        let each = each.map(|item| (item, order.decision.clone()));
        let by = (&*order.operator, &*order.reason, peer);
        self.decide_each(each.collect(), by).await
    }

    /// Tags each item as a file of dispatch says.
    pub async fn tag_dispatched(
        &self,
        order: &DispatchOrder,
        peer: &str,
    ) -> Result<ItemsReply, String> {
        let each = order.dispatched.iter();
        let each = each.map(|(item, tag)| (item, ItemDecision::TagFromFile(tag.clone())));
        let by = (&*order.operator, &*order.reason, peer);
        self.decide_each(each.collect(), by).await
    }

    /// `by`: operator, reason, peer.
    async fn decide_each(
        &self,
        each: Vec<(&NamedItem, ItemDecision)>,
        by: (&str, &str, &str),
    ) -> Result<ItemsReply, String> {
        check_signature(by.0, by.1)?;
        if each.is_empty() || each.len() > ITEMS_MAX {
            return Err(format!("an order names 1 to {ITEMS_MAX} items"));
        }
        let mut reply = ItemsReply::default();
        let mut turn = self.begin().await.map_err(|error| words(&error))?;
        let mut named = HashSet::new();
        for (item, decision) in each {
            if !named.insert(item) {
                continue;
            }
            let singles = self.single(item, decision, by).and_then(|single| {
                let mut singles = self.sidecars(&single)?;
                singles.insert(0, single);
                Ok(singles)
            });
            let singles = match singles {
                Ok(singles) => singles,
                Err(error) => {
                    reply.refused.push((item.evidence, words(&error)));
                    continue;
                }
            };
            for (number, single) in singles.into_iter().enumerate() {
                match self.enter(&mut turn, &single).await {
                    Ok(EnteredAct { index, lack, .. }) => {
                        reply.entered.push((single.evidence, index));
                        reply
                            .lacking
                            .extend(lack.map(|lack| (single.evidence, lack)));
                    }
                    // It went before its recording.
                    Err(error) if number > 0 && disposals::is_gone(&error) => {}
                    Err(error) => {
                        reply.refused.push((single.evidence, words(&error)));
                        // Whoever keeps a recording keeps its sidecars.
                        if number == 0 && single.decision.is_about_disposal() {
                            break;
                        }
                    }
                }
            }
        }
        drop(turn);
        if let Some(last) = reply.entered.iter().map(|(_, index)| *index).max() {
            reply.published = self.acts.is_published(last, PUBLISHED_WITHIN).await;
            self.read_on().map_err(|error| words(&error))?;
        }
        Ok(reply)
    }

    fn single(
        &self,
        item: &NamedItem,
        decision: ItemDecision,
        (operator, reason, peer): (&str, &str, &str),
    ) -> Result<ItemOrder, OfficeError> {
        Ok(ItemOrder {
            station: self.station_of(item)?,
            evidence: item.evidence,
            decision,
            operator: operator.trim().to_owned(),
            peer: peer.to_owned(),
            reason: reason.trim().to_owned(),
        })
    }

    /// The followed station whose log has sealed it.
    fn station_of(&self, item: &NamedItem) -> Result<StationName, OfficeError> {
        if let Some(station) = &item.station {
            return Ok(station.clone());
        }
        let id = item.evidence;
        let mut found = tokio::task::block_in_place(|| self.index.stations_of(id))?;
        let followed = |name: &StationName| self.config.stations.iter().any(|s| s.name == *name);
        found.retain(followed);
        match (found.pop(), found.is_empty()) {
            (Some(station), true) => Ok(station),
            (Some(_), false) => Err(OfficeError::NothingToDecide {
                item: id,
                why: "the logs of several stations have it; say which with --station",
            }),
            (None, _) => Err(OfficeError::UnknownItem { item: id }),
        }
    }
}

/// For whoever gave the order.
fn words(error: &OfficeError) -> String {
    format!("{}: {}", error.described(), error.next_step())
}

//! What people decide about items and gaps, on the pages or by command: each an act in the office's log, entered once however often it is
//! asked for.

use std::sync::Arc;

use tokio::sync::Mutex;

use super::OfficeError;
use super::acts::{Acts, ItemRuling};
use super::commands::PUBLISHED_WITHIN;
use super::index::Index;
use crate::config::OfficeConfig;
use crate::model::{
    Decider, Event, GapAccepted, ItemDecision, Officer, OfficerReassigned, QuarantineDecided,
};
use crate::web::{Decided, GapOrder, ItemOrder};

pub struct Decisions {
    config: OfficeConfig,
    index: Arc<Index>,
    acts: Arc<Acts>,
    /// One at a time, so that two that are equal are one act.
    turn: Mutex<()>,
}

impl Decisions {
    pub fn new(config: &OfficeConfig, index: &Arc<Index>, acts: &Arc<Acts>) -> Self {
        Self {
            config: config.clone(),
            index: Arc::clone(index),
            acts: Arc::clone(acts),
            turn: Mutex::new(()),
        }
    }

    pub async fn decide(&self, order: ItemOrder) -> Result<Decided, OfficeError> {
        let (index, repeated) = {
            let _turn = self.turn.lock().await;
            match self.said_before(&order)? {
                Ok(index) => (index, true),
                Err(supersedes) => (self.enter(order, supersedes).await?, false),
            }
        };
        let published = self.acts.is_published(index, PUBLISHED_WITHIN).await;
        Ok(Decided {
            entry: index,
            published,
            repeated,
        })
    }

    /// Explains a gap that the last search found.
    pub async fn accept_gap(&self, order: GapOrder) -> Result<Decided, OfficeError> {
        let (entry, repeated) = {
            let _turn = self.turn.lock().await;
            match self.acts.gap_explained(&order.station, &order.gap) {
                Some(index) => (index, true),
                None => (self.enter_gap(order).await?, false),
            }
        };
        Ok(Decided {
            entry,
            published: self.acts.is_published(entry, PUBLISHED_WITHIN).await,
            repeated,
        })
    }

    async fn enter_gap(&self, order: GapOrder) -> Result<u64, OfficeError> {
        let GapOrder { station, gap, .. } = &order;
        let mut followed = self.config.stations.iter();
        let is_followed = followed.any(|followed| followed.name == *station);
        let has = || tokio::task::block_in_place(|| self.index.has_gap(station, gap));
        if !is_followed || !has()? {
            return Err(OfficeError::NoGap {
                station: station.clone(),
                gap: gap.chars().take(200).collect(),
            });
        }
        let reason = tokio::task::block_in_place(|| self.acts.keep_text(&order.reason))?;
        let event = Event::GapAccepted(Box::new(GapAccepted {
            log: order.station,
            gap: order.gap,
            by: Decider {
                operator: order.operator,
                peer: order.peer,
                reason_sha256: reason,
            },
        }));
        let index = self.acts.enter(event).await?;
        tracing::info!(index, "a person explained a gap");
        Ok(index)
    }

    /// The act that says the same already; else the one that this decision ends, if there is one.
    fn said_before(&self, order: &ItemOrder) -> Result<Result<u64, Option<u64>>, OfficeError> {
        let (station, id) = (&order.station, order.evidence);
        let nothing = |why| OfficeError::NothingToDecide { item: id, why };
        let followed = self
            .config
            .stations
            .iter()
            .any(|followed| followed.name == *station);
        let known = tokio::task::block_in_place(|| self.index.decidable(station, id))?;
        let (undecided, owner) = known
            .filter(|_| followed)
            .ok_or_else(|| OfficeError::NoItem {
                station: station.clone(),
                item: id,
            })?;
        let ItemRuling { accepted, officer } = self.acts.item_ruling(station, id);
        let wanted = match &order.decision {
            ItemDecision::Accept => true,
            ItemDecision::Reject => false,
            ItemDecision::Reassign(to) => {
                return said_of(officer, owner.as_ref(), to).map_err(nothing);
            }
        };
        match accepted {
            Some((index, said)) if said == wanted => Ok(Ok(index)),
            Some((index, _)) => Ok(Err(Some(index))),
            None if undecided => Ok(Err(None)),
            None => Err(nothing(
                "it is not in quarantine, or its station has decided",
            )),
        }
    }

    async fn enter(&self, order: ItemOrder, supersedes: Option<u64>) -> Result<u64, OfficeError> {
        let reason = tokio::task::block_in_place(|| self.acts.keep_text(&order.reason))?;
        let by = Decider {
            operator: order.operator,
            peer: order.peer,
            reason_sha256: reason,
        };
        let supersedes = supersedes.map(|index| self.acts.reference(index));
        let (log, evidence) = (order.station, order.evidence);
        let accepted = order.decision == ItemDecision::Accept;
        let event = match order.decision {
            ItemDecision::Reassign(officer) => {
                Event::OfficerReassigned(Box::new(OfficerReassigned {
                    log,
                    evidence,
                    officer,
                    supersedes,
                    by,
                }))
            }
            ItemDecision::Accept | ItemDecision::Reject => {
                Event::QuarantineDecided(Box::new(QuarantineDecided {
                    log,
                    evidence,
                    accepted,
                    supersedes,
                    by,
                }))
            }
        };
        let index = self.acts.enter(event).await?;
        tracing::info!(%evidence, index, "a person decided about an item");
        Ok(index)
    }
}

/// The same for an item's officer; `owner` is the one that the index knows.
fn said_of(
    said: Option<(u64, Officer)>,
    owner: Option<&Officer>,
    to: &Officer,
) -> Result<Result<u64, Option<u64>>, &'static str> {
    if !to.is_badge() {
        return Err("an officer is one word of at most 64 characters");
    }
    match said {
        Some((index, officer)) if officer == *to => Ok(Ok(index)),
        Some((index, _)) => Ok(Err(Some(index))),
        None if owner == Some(to) => Err("it belongs to this officer already"),
        None => Ok(Err(None)),
    }
}

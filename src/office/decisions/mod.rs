//! What people decide about items and gaps, on the pages or by command: each an act in the office's log, entered once however often it is
//! asked for. An act is made of what the published ones before it say, and takes effect once it is published itself.

mod classes;
mod disposals;
mod gaps;
mod holds;
mod orders;
mod tags;

use std::sync::Arc;

use tokio::sync::{Mutex, MutexGuard};

use super::OfficeError;
use super::acts::{Acts, ItemRuling};
use super::commands::PUBLISHED_WITHIN;
use super::index::Index;
use super::keeping::Keeper;
use crate::config::OfficeConfig;
use crate::model::{
    Decider, Event, ItemDecision, Officer, OfficerReassigned, QuarantineDecided, TagChange,
};
use crate::upload::S3Store;
use crate::web::{Decided, ItemOrder};

pub use orders::{DispatchOrder, ITEMS_MAX, ItemsOrder, ItemsReply, NamedItem};

pub struct Decisions {
    config: OfficeConfig,
    index: Arc<Index>,
    acts: Arc<Acts>,
    keeper: Keeper,
    /// One at a time, so that two that are equal are one act. It has the size of the log with the last of them.
    turn: Mutex<u64>,
}

/// The entry that says it.
struct EnteredAct {
    index: u64,
    /// It said so before.
    repeated: bool,
    /// What the store did not follow.
    lack: Option<String>,
}

/// What is to be entered.
enum Made {
    /// Nothing: this act says so already.
    Before(u64),
    Act(Box<Event>),
}

impl Decisions {
    pub fn new(
        config: &OfficeConfig,
        store: S3Store,
        index: &Arc<Index>,
        acts: &Arc<Acts>,
    ) -> Self {
        Self {
            config: config.clone(),
            index: Arc::clone(index),
            acts: Arc::clone(acts),
            keeper: Keeper {
                config: config.clone(),
                store,
                index: Arc::clone(index),
            },
            turn: Mutex::new(acts.size()),
        }
    }

    pub async fn decide(&self, order: ItemOrder) -> Result<Decided, OfficeError> {
        let EnteredAct {
            index, repeated, ..
        } = {
            let mut turn = self.begin().await?;
            let entered = self.enter(&mut turn, &order).await?;
            for sidecar in self.sidecars(&order)? {
                match self.enter(&mut turn, &sidecar).await {
                    Err(error) if disposals::is_gone(&error) => {}
                    sidecar => drop(sidecar?),
                }
            }
            entered
        };
        let published = self.acts.is_published(index, PUBLISHED_WITHIN).await;
        self.read_on()?;
        Ok(Decided {
            entry: index,
            published,
            repeated,
        })
    }

    /// Waits for its turn, and until the index has every decision of before.
    async fn begin(&self) -> Result<MutexGuard<'_, u64>, OfficeError> {
        let turn = self.turn.lock().await;
        let before = turn.checked_sub(1);
        let there = match before {
            Some(index) => self.acts.is_published(index, PUBLISHED_WITHIN).await,
            None => true,
        };
        if !there {
            let limit = PUBLISHED_WITHIN;
            return Err(OfficeError::ActsWait { limit });
        }
        self.read_on()?;
        Ok(turn)
    }

    /// The index has what is published.
    fn read_on(&self) -> Result<(), OfficeError> {
        tokio::task::block_in_place(|| self.acts.index_published(&self.index))
    }

    async fn enter(&self, turn: &mut u64, order: &ItemOrder) -> Result<EnteredAct, OfficeError> {
        if let ItemDecision::Hold | ItemDecision::Classify { .. } | ItemDecision::WithdrawDisposal =
            &order.decision
        {
            self.is_left(order).await?;
        }
        let made = match &order.decision {
            ItemDecision::Accept => tokio::task::block_in_place(|| self.quarantine(order, true)),
            ItemDecision::Reject => tokio::task::block_in_place(|| self.quarantine(order, false)),
            ItemDecision::Reassign(to) => tokio::task::block_in_place(|| self.reassign(order, to)),
            ItemDecision::Tag(change) => {
                tokio::task::block_in_place(|| self.tag(order, change, None))
            }
            ItemDecision::TagFromFile(tag) => {
                tokio::task::block_in_place(|| self.tag_from_file(order, tag))
            }
            ItemDecision::Classify { class } => {
                tokio::task::block_in_place(|| self.classify(order, class))
            }
            ItemDecision::Hold => self.hold(order).await,
            ItemDecision::LiftHold { hold } => {
                tokio::task::block_in_place(|| self.lift(order, *hold))
            }
            ItemDecision::ProposeDisposal { reviewed } => {
                tokio::task::block_in_place(|| self.propose_disposal(order, *reviewed))
            }
            ItemDecision::ApproveDisposal => {
                tokio::task::block_in_place(|| self.approve_disposal(order))
            }
            ItemDecision::WithdrawDisposal => {
                tokio::task::block_in_place(|| self.withdraw_disposal(order))
            }
        };
        match made? {
            Made::Before(index) => Ok(EnteredAct {
                index,
                repeated: true,
                lack: None,
            }),
            Made::Act(event) => {
                let (what, lack) = (event.name(), holds::lack(&event));
                let index = self.acts.enter(*event).await?;
                *turn = index + 1;
                tracing::info!(evidence = %order.evidence, index, what, "a person decided about an item");
                Ok(EnteredAct {
                    index,
                    repeated: false,
                    lack,
                })
            }
        }
    }

    /// The same decision about a recording's sidecars, where they share its fate: each has an act of its own.
    fn sidecars(&self, order: &ItemOrder) -> Result<Vec<ItemOrder>, OfficeError> {
        let decision = match &order.decision {
            ItemDecision::Hold | ItemDecision::Classify { .. } => order.decision.clone(),
            decision if decision.is_about_disposal() => {
                return tokio::task::block_in_place(|| self.sidecars_left(order));
            }
            // The tags are the recording's own; that it is restricted is not.
            ItemDecision::Tag(TagChange {
                restricted: restricted @ Some(_),
                ..
            }) => ItemDecision::Tag(TagChange {
                restricted: *restricted,
                ..TagChange::default()
            }),
            _ => return Ok(Vec::new()),
        };
        let (station, id) = (&order.station, order.evidence);
        let sidecars = tokio::task::block_in_place(|| self.index.sidecars_of(station, id))?;
        let of = |evidence| ItemOrder {
            evidence,
            decision: decision.clone(),
            ..order.clone()
        };
        Ok(sidecars.into_iter().map(of).collect())
    }

    /// Whether it waits for a decision, and whose it is.
    fn item(&self, order: &ItemOrder) -> Result<(bool, Option<Officer>), OfficeError> {
        let station = &order.station;
        let mut followed = self.config.stations.iter();
        let followed = followed.any(|followed| followed.name == *station);
        let known = self.index.decidable(station, order.evidence)?;
        known
            .filter(|_| followed)
            .ok_or_else(|| OfficeError::NoItem {
                station: station.clone(),
                item: order.evidence,
            })
    }

    fn decider(&self, order: &ItemOrder) -> Result<Decider, OfficeError> {
        Ok(Decider {
            operator: order.operator.clone(),
            peer: order.peer.clone(),
            reason_sha256: self.acts.keep_text(&order.reason)?,
        })
    }

    fn quarantine(&self, order: &ItemOrder, accepted: bool) -> Result<Made, OfficeError> {
        let (station, id) = (&order.station, order.evidence);
        let (undecided, _) = self.item(order)?;
        let supersedes = match self.acts.item_ruling(station, id).accepted {
            Some((index, said)) if said == accepted => return Ok(Made::Before(index)),
            Some((index, _)) => Some(self.acts.reference(index)),
            None if undecided => None,
            None => {
                let why = "it is not in quarantine, or its station has decided";
                return Err(OfficeError::NothingToDecide { item: id, why });
            }
        };
        let decided = QuarantineDecided {
            log: station.clone(),
            evidence: id,
            accepted,
            supersedes,
            by: self.decider(order)?,
        };
        Ok(Made::Act(Box::new(Event::QuarantineDecided(Box::new(
            decided,
        )))))
    }

    fn reassign(&self, order: &ItemOrder, to: &Officer) -> Result<Made, OfficeError> {
        let (station, id) = (&order.station, order.evidence);
        let (_, owner) = self.item(order)?;
        let refused = |why| OfficeError::NothingToDecide { item: id, why };
        if !to.is_badge() {
            return Err(refused("an officer is one word of at most 64 characters"));
        }
        let ItemRuling { officer, .. } = self.acts.item_ruling(station, id);
        let supersedes = match officer {
            Some((index, officer)) if officer == *to => return Ok(Made::Before(index)),
            Some((index, _)) => Some(self.acts.reference(index)),
            None if owner.as_ref() == Some(to) => {
                return Err(refused("it belongs to this officer already"));
            }
            None => None,
        };
        let reassigned = OfficerReassigned {
            log: station.clone(),
            evidence: id,
            officer: to.clone(),
            supersedes,
            by: self.decider(order)?,
        };
        Ok(Made::Act(Box::new(Event::OfficerReassigned(Box::new(
            reassigned,
        )))))
    }
}

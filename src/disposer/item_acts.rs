//! What the office's published acts say of the items that somebody decided about, as far as deletion goes by it.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;

use crate::model::{
    Decider, DisposalApproved, DisposalProposed, Entry, Event, EvidenceId, Obstacle, Sha256Digest,
    ShareId, StationName, is_one_person,
};

/// An item by the station that took it.
pub type ItemName = (StationName, EvidenceId);

const DAY: SignedDuration = SignedDuration::from_hours(24);
/// The alarm that freezes a station's log until a person has decided.
const REWRITTEN: &str = "office_log_rewritten";

/// Acts about an item, in the order of the log.
#[derive(Debug, Default)]
pub struct ItemActs {
    class: Option<String>,
    holds: BTreeSet<u64>,
    proposal: Option<(u64, DisposalProposed)>,
    /// With its place in the log and its time.
    approval: Option<(u64, Timestamp, DisposalApproved)>,
    /// An act of a kind that this version does not understand.
    unknown: bool,
    /// Every share of it, and whether it has ended.
    shares: BTreeMap<ShareId, bool>,
    /// Acts by which the item key may have been sealed to somebody.
    pub views: Vec<u64>,
    /// Reasons and notes, each an object of its own.
    pub texts: Vec<Sha256Digest>,
    /// The office says that it was deleted.
    disposed: Option<SaidGone>,
}

/// An act of the office that says that an item was deleted, and the one that it says had approved that.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SaidGone {
    pub entry: u64,
    pub approval: u64,
}

/// Everything that the log says.
#[derive(Debug, Default)]
pub struct OfficeActs {
    items: HashMap<ItemName, ItemActs>,
    frozen: HashSet<StationName>,
    /// Items that are approved and not said to be deleted, by the act that approves.
    approved: BTreeMap<u64, ItemName>,
}

/// A deletion that two people decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approved {
    pub item: ItemName,
    pub index: u64,
    pub sealed: Timestamp,
    pub views: Vec<u64>,
    /// They have ended.
    pub shares: Vec<ShareId>,
}

/// What the time and the witness say.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub now: Timestamp,
    pub wait: SignedDuration,
    pub clock_synchronised: bool,
    /// Entries that another office has cosigned; `None` where no witness is configured.
    pub cosigned: Option<u64>,
}

#[derive(Deserialize)]
struct Frame {
    data: Concerned,
}

#[derive(Deserialize)]
struct Concerned {
    log: StationName,
    evidence: EvidenceId,
}

impl OfficeActs {
    /// Takes the next entry of the office's log in.
    pub fn see(&mut self, office: &StationName, index: u64, bytes: &[u8]) {
        let entry = serde_json::from_slice::<Entry>(bytes).ok();
        let Some(entry) = entry.filter(|entry| entry.v == 1 && entry.station == *office) else {
            // Of a later version: whatever it says of an item keeps it.
            if let Ok(Frame { data }) = serde_json::from_slice::<Frame>(bytes) {
                self.of((data.log, data.evidence)).unknown = true;
            }
            return;
        };
        let at = entry.time;
        match entry.event {
            Event::LogAlarm(act) if act.code == REWRITTEN => {
                self.frozen.insert(act.log);
            }
            Event::LogReleased(act) => {
                self.frozen.remove(&act.log);
            }
            Event::ItemTagged(act) => {
                let text = act.tags.text_sha256;
                self.said((act.log, act.evidence), &act.by)
                    .texts
                    .extend(text);
            }
            Event::ItemClassified(act) => {
                self.said((act.log, act.evidence), &act.by).class = Some(act.class);
            }
            Event::HoldPlaced(act) => {
                self.said((act.log, act.evidence), &act.by)
                    .holds
                    .insert(index);
            }
            Event::HoldLifted(act) => {
                let own = act.hold.log == *office;
                let item = self.said((act.log, act.evidence), &act.by);
                if own {
                    item.holds.remove(&act.hold.index);
                }
            }
            Event::ItemViewed(act) => {
                let item = self.said((act.log, act.evidence), &act.by);
                item.views.extend(act.key.map(|_| index));
            }
            Event::ItemShared(act) => {
                let item = self.said((act.log, act.evidence), &act.by);
                item.shares.entry(act.share).or_insert(false);
            }
            Event::ShareEnded(act) => {
                let item = self.of((act.log, act.evidence));
                item.texts.extend(act.by.map(|by| by.reason_sha256));
                if let Some(ended) = item.shares.get_mut(&act.share) {
                    *ended = true;
                }
            }
            Event::QuarantineDecided(act) => {
                self.said((act.log, act.evidence), &act.by);
            }
            Event::OfficerReassigned(act) => {
                self.said((act.log, act.evidence), &act.by);
            }
            Event::PackMade(act) => {
                self.said((act.log, act.evidence), &act.by);
            }
            Event::DisposalProposed(act) => {
                let name = (act.log.clone(), act.evidence);
                let item = self.said(name, &act.by);
                let before = item.approval.take();
                item.proposal = Some((index, *act));
                self.approved
                    .remove(&before.map_or(u64::MAX, |(index, ..)| index));
            }
            Event::DisposalApproved(act) => self.approve(office, index, at, *act),
            Event::DisposalWithdrawn(act) => {
                let item = self.said((act.log.clone(), act.evidence), &act.by);
                let named = act.proposal.log == *office;
                let of_it = |(index, _): &(u64, DisposalProposed)| *index == act.proposal.index;
                if named && item.proposal.as_ref().is_some_and(of_it) {
                    item.proposal = None;
                    let before = item.approval.take();
                    self.approved
                        .remove(&before.map_or(u64::MAX, |(index, ..)| index));
                }
            }
            Event::ItemDisposed(act) => {
                let item = self.of((act.log, act.evidence));
                let approval = item.approval.as_ref().map(|(index, ..)| *index);
                // One that names no approval of it says nothing: its reasons stay.
                if approval == Some(act.approval.index) && act.approval.log == *office {
                    item.disposed.get_or_insert(SaidGone {
                        entry: index,
                        approval: act.approval.index,
                    });
                    self.approved.remove(&act.approval.index);
                }
            }
            // They say nothing that deletion goes by.
            Event::RetentionExtended(_)
            | Event::ShareTaken(_)
            | Event::ObjectAlarm(_)
            | Event::ObjectCleared(_)
            | Event::OperatorAction(_) => {}
            // What else is about an item keeps it.
            _ => {
                if let Ok(Frame { data }) = serde_json::from_slice::<Frame>(bytes) {
                    self.of((data.log, data.evidence)).unknown = true;
                }
            }
        }
    }

    /// An approval of another proposal, or of the person who made it, approves nothing.
    fn approve(&mut self, office: &StationName, index: u64, at: Timestamp, act: DisposalApproved) {
        let name = (act.log.clone(), act.evidence);
        let item = self.said(name.clone(), &act.by);
        let Some((proposal, proposed)) = &item.proposal else {
            return;
        };
        let of_it = act.proposal.log == *office && act.proposal.index == *proposal;
        if of_it && item.approval.is_none() && !is_one_person(&proposed.by, &act.by) {
            let disposed = item.disposed.is_some();
            item.approval = Some((index, at, act));
            if !disposed {
                self.approved.insert(index, name);
            }
        }
    }

    fn of(&mut self, name: ItemName) -> &mut ItemActs {
        self.items.entry(name).or_default()
    }

    fn said(&mut self, name: ItemName, by: &Decider) -> &mut ItemActs {
        let item = self.of(name);
        item.texts.push(by.reason_sha256);
        item
    }

    /// The acts that approve what is not said to be deleted.
    pub fn approvals(&self) -> impl Iterator<Item = u64> {
        self.approved.keys().copied()
    }

    /// The items that the office says were deleted, and that nothing keeps.
    pub fn disposed(&self) -> impl Iterator<Item = (&ItemName, SaidGone, &[Sha256Digest])> {
        let kept = |acts: &ItemActs| acts.unknown || !acts.holds.is_empty();
        let said = self.items.iter().filter(move |(_, acts)| !kept(acts));
        said.filter_map(|(name, acts)| Some((name, acts.disposed?, &*acts.texts)))
    }

    /// Which of these texts an item names that is none of those that are gone: one reason may be about many items.
    pub fn named_elsewhere(
        &self,
        texts: &BTreeSet<Sha256Digest>,
        gone: &HashSet<ItemName>,
    ) -> HashSet<Sha256Digest> {
        let stay = self.items.iter().filter(|(name, _)| !gone.contains(name));
        let named = stay.flat_map(|(_, acts)| &acts.texts);
        named.filter(|text| texts.contains(text)).copied().collect()
    }

    /// Whether a share has ended for every item that it was made of.
    pub fn has_ended(&self, share: ShareId) -> bool {
        let mut of_it = self.items.values();
        of_it.all(|acts| acts.shares.get(&share).is_none_or(|ended| *ended))
    }

    /// What an act that approves lets be deleted now, or what keeps it. `seen`: when the disposer first saw the act.
    pub fn may_go(
        &self,
        index: u64,
        seen: Timestamp,
        bounds: &Bounds,
    ) -> Option<Result<Approved, (EvidenceId, Obstacle)>> {
        let name = self.approved.get(&index)?;
        let acts = self.items.get(name)?;
        let (_, proposed) = acts.proposal.as_ref()?;
        let (_, at, _) = acts.approval.as_ref()?;
        Some(
            match self.obstacle(name, acts, proposed, seen.max(*at), bounds) {
                Some(why) => Err((name.1, why)),
                None => Ok(Approved {
                    item: name.clone(),
                    index,
                    sealed: proposed.sealed,
                    views: acts.views.clone(),
                    shares: acts.shares.keys().copied().collect(),
                }),
            },
        )
    }

    fn obstacle(
        &self,
        name: &ItemName,
        acts: &ItemActs,
        proposed: &DisposalProposed,
        approved: Timestamp,
        bounds: &Bounds,
    ) -> Option<Obstacle> {
        let days = i32::try_from(proposed.days).unwrap_or(i32::MAX);
        let over = proposed.sealed.checked_add(DAY * days);
        let ripe = approved.checked_add(bounds.wait);
        if !acts.holds.is_empty() {
            Some(Obstacle::Held)
        } else if acts.shares.values().any(|ended| !ended) {
            Some(Obstacle::Shared)
        } else if acts.unknown {
            Some(Obstacle::ActUnknown)
        } else if acts
            .class
            .as_ref()
            .is_some_and(|class| *class != proposed.class)
        {
            Some(Obstacle::ClassChanged)
        } else if over.map_or(true, |over| over > bounds.now) {
            Some(Obstacle::NotDue)
        } else if self.frozen.contains(&name.0) {
            Some(Obstacle::LogFrozen)
        } else if !bounds.clock_synchronised {
            Some(Obstacle::Clock)
        } else if bounds.cosigned.is_some_and(|size| {
            let approval = acts.approval.as_ref().map(|(index, ..)| *index);
            approval.is_none_or(|index| index >= size)
        }) {
            Some(Obstacle::NotWitnessed)
        } else if ripe.map_or(true, |ripe| ripe > bounds.now) {
            Some(Obstacle::TooSoon)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const REASON: Sha256Digest = Sha256Digest([7; 32]);

    /// An act of one person about an item, for one reason.
    fn act(event: &str, item: EvidenceId, more: Value) -> Vec<u8> {
        let mut data = json!({"log": "one", "evidence": item, "operator": "M. Shah", "peer": "web 127.0.0.1", "reason_sha256": REASON});
        let Value::Object(more) = more else { panic!() };
        data.as_object_mut().unwrap().extend(more);
        let entry = json!({"v": 1, "station": "office-1", "time": "2026-03-01T00:00:00Z", "event": event, "data": data});
        entry.to_string().into_bytes()
    }

    fn log_of(acts: &[Vec<u8>]) -> OfficeActs {
        let (mut log, office) = (OfficeActs::default(), "office-1".parse().unwrap());
        for (index, act) in (0..).zip(acts) {
            log.see(&office, index, act);
        }
        log
    }

    #[test]
    fn a_share_has_ended_when_it_has_for_each_of_its_items() {
        let (one, other) = (EvidenceId::new(), EvidenceId::new());
        let share = ShareId::from_bytes([1; 16]);
        let shared = |item| {
            let more =
                json!({"share": share, "to": "0".repeat(64), "until": "2099-01-01T00:00:00Z"});
            act("item.shared", item, more)
        };
        let ended = |item| act("share.ended", item, json!({"share": share}));
        let mut acts = vec![shared(one), shared(other), ended(one)];
        assert!(!log_of(&acts).has_ended(share));
        acts.push(ended(other));
        assert!(log_of(&acts).has_ended(share));
    }

    #[test]
    fn a_reason_is_named_elsewhere_as_long_as_an_item_that_stays_names_it() {
        let items = [EvidenceId::new(), EvidenceId::new()];
        let packed = |item| act("pack.made", item, json!({"pack": "5".repeat(32)}));
        let log = log_of(&items.map(packed));
        let names: Vec<ItemName> = items.map(|item| ("one".parse().unwrap(), item)).into();
        let texts = BTreeSet::from([REASON]);
        let gone = |names: &[ItemName]| names.iter().cloned().collect();
        let one = log.named_elsewhere(&texts, &gone(&names[..1]));
        assert_eq!(one, HashSet::from([REASON]));
        assert!(log.named_elsewhere(&texts, &gone(&names)).is_empty());
    }

    #[test]
    fn a_station_whose_log_was_rewritten_keeps_its_items_until_somebody_decides() {
        let office: StationName = "office-1".parse().unwrap();
        let (item, other) = (EvidenceId::new(), EvidenceId::new());
        let digest = "0".repeat(64);
        let by =
            |name: &str| json!({"operator": name, "peer": "web 10.0.0.5", "reason_sha256": digest});
        let mut acts = OfficeActs::default();
        let mut index = 0;
        let mut see = |acts: &mut OfficeActs, event: &str, mut data: Value, by: Value| {
            data.as_object_mut()
                .unwrap()
                .extend(by.as_object().unwrap().clone());
            let entry = json!({"data": data, "event": event, "station": "office-1", "time": "2026-06-01T00:00:00Z", "v": 1});
            acts.see(&office, index, entry.to_string().as_bytes());
            index += 1;
            index - 1
        };
        for (log, evidence) in [("one", item), ("two", other)] {
            let proposal = json!({"log": log, "evidence": evidence, "class": "month", "days": 31, "sealed": "2026-01-01T00:00:00Z"});
            let at = see(&mut acts, "disposal.proposed", proposal, by("M. Shah"));
            let proposal = json!({"log": "office-1", "index": at});
            let approval = json!({"log": log, "evidence": evidence, "proposal": proposal});
            see(&mut acts, "disposal.approved", approval, by("J. Byrne"));
        }
        let bounds = Bounds {
            now: "2026-06-03T00:00:00Z".parse().unwrap(),
            wait: DAY,
            clock_synchronised: true,
            cosigned: None,
        };
        let may_go = |acts: &OfficeActs, index| {
            let found = acts.may_go(index, Timestamp::UNIX_EPOCH, &bounds);
            let found = found.unwrap().map_err(|(_, why)| why);
            found.map(|approved| approved.item.1)
        };
        assert_eq!(may_go(&acts, 1), Ok(item));
        let alarm = |code: &str| json!({"log": "one", "key": "k", "code": code, "cosigned": 5});
        see(
            &mut acts,
            "log.alarm",
            alarm("office_log_silent"),
            json!({}),
        );
        assert_eq!(may_go(&acts, 1), Ok(item));
        see(&mut acts, "log.alarm", alarm(REWRITTEN), json!({}));
        assert_eq!(may_go(&acts, 1), Err(Obstacle::LogFrozen));
        assert_eq!(may_go(&acts, 3), Ok(other), "of another station");
        let state = json!({"size": 5, "root": digest});
        let before = json!({"log": "office-1", "index": 5});
        let released = json!({"log": "one", "key": "k", "from": state, "supersedes": before});
        see(&mut acts, "log.released", released, by("M. Shah"));
        assert_eq!(may_go(&acts, 1), Ok(item));
    }
}

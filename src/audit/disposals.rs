//! Deletions by rule, as an office's log has them for one station, and whether each kept the rule. Whoever calls it has proven the entries.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::{SignedDuration, Timestamp};

use crate::model::{
    ActReference, DisposalApproved, DisposalProposed, Entry, Event, EvidenceId, ItemDisposed,
    NotedDisposal, StationName, is_one_person,
};

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// How old an approval has to be before anything is deleted by it. Tests cannot wait for a day; a release build does.
fn wait() -> SignedDuration {
    #[cfg(debug_assertions)]
    if let Some(seconds) = crate::failpoint::number("CAMDOCK_TEST_DISPOSAL_WAIT") {
        return SignedDuration::from_secs(seconds.cast_signed());
    }
    DAY
}

#[derive(Debug)]
pub struct DisposalHistory {
    office: StationName,
    station: StationName,
    items: HashMap<EvidenceId, Decisions>,
    said: BTreeMap<EvidenceId, Disposal>,
    /// Said to be gone, and by the rule, since somebody asked.
    fresh: Vec<Disposal>,
    /// What is against a rule, in words.
    wrong: Vec<(EvidenceId, String)>,
}

/// An act that says that an item is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disposal {
    /// In the office's log.
    pub at: ActReference,
    pub act: ItemDisposed,
}

impl Disposal {
    pub fn noted(&self) -> NotedDisposal {
        NotedDisposal::of(self.at.clone(), &self.act)
    }
}

#[derive(Debug, Default)]
struct Decisions {
    class: Option<String>,
    holds: BTreeSet<u64>,
    proposal: Option<(u64, DisposalProposed)>,
    approval: Option<(u64, Timestamp, DisposalApproved)>,
}

impl DisposalHistory {
    pub fn new(office: StationName, station: StationName) -> Self {
        Self {
            office,
            station,
            items: HashMap::new(),
            said: BTreeMap::new(),
            fresh: Vec::new(),
            wrong: Vec::new(),
        }
    }

    /// Takes the next entry of the office's log in. Acts about other stations, and what this version does not understand, say nothing.
    pub fn see(&mut self, index: u64, bytes: &[u8]) {
        let entry = serde_json::from_slice::<Entry>(bytes).ok();
        let own = entry.filter(|entry| entry.v == 1 && entry.station == self.office);
        let Some(Entry { event, time, .. }) = own else {
            return;
        };
        match event {
            Event::ItemClassified(act) if act.log == self.station => {
                self.of(act.evidence).class = Some(act.class);
            }
            Event::HoldPlaced(act) if act.log == self.station => {
                self.of(act.evidence).holds.insert(index);
            }
            Event::HoldLifted(act) if act.log == self.station && act.hold.log == self.office => {
                self.of(act.evidence).holds.remove(&act.hold.index);
            }
            Event::DisposalProposed(act) if act.log == self.station => {
                let item = self.of(act.evidence);
                item.approval = None;
                item.proposal = Some((index, *act));
            }
            Event::DisposalApproved(act)
                if act.log == self.station && act.proposal.log == self.office =>
            {
                let item = self.of(act.evidence);
                let of_it = item.proposal.as_ref().is_some_and(|(proposal, proposed)| {
                    *proposal == act.proposal.index && !is_one_person(&proposed.by, &act.by)
                });
                if of_it && item.approval.is_none() {
                    item.approval = Some((index, time, *act));
                }
            }
            Event::DisposalWithdrawn(act) if act.log == self.station => {
                let own = act.proposal.log == self.office;
                let item = self.of(act.evidence);
                let proposal = item.proposal.as_ref().map(|(index, _)| *index);
                if own && proposal == Some(act.proposal.index) {
                    (item.proposal, item.approval) = (None, None);
                }
            }
            Event::ItemDisposed(act) if act.log == self.station => self.disposed(index, *act),
            _ => {}
        }
    }

    fn of(&mut self, item: EvidenceId) -> &mut Decisions {
        self.items.entry(item).or_default()
    }

    fn disposed(&mut self, index: u64, act: ItemDisposed) {
        let item = act.evidence;
        if let Some(before) = self.said.get(&item) {
            let what = format!(
                "entry {index} says once more that it was deleted, as entry {} did",
                before.at.index
            );
            self.wrong.push((item, what));
            return;
        }
        let office = self.office.clone();
        let kept = keeps_rule(self.of(item), &act, &office);
        let log = office.clone();
        let at = ActReference { log, index };
        let disposal = Disposal { at, act };
        match kept {
            Ok(()) => self.fresh.push(disposal.clone()),
            Err(why) => {
                let what = format!("entry {index} says that it was deleted, but {why}");
                self.wrong.push((item, what));
            }
        }
        self.said.insert(item, disposal);
    }

    /// What was said to be gone by the rule since the last call.
    pub fn take_fresh(&mut self) -> Vec<Disposal> {
        std::mem::take(&mut self.fresh)
    }

    /// The items that are said to be gone, and what of it is against a rule.
    pub fn finish(self) -> (BTreeMap<EvidenceId, Disposal>, Vec<(EvidenceId, String)>) {
        (self.said, self.wrong)
    }
}

/// Or in words why not.
fn keeps_rule(
    item: &Decisions,
    act: &ItemDisposed,
    office: &StationName,
) -> Result<(), &'static str> {
    let says = |holds: bool, why| if holds { Ok(()) } else { Err(why) };
    let proposal = item.proposal.as_ref();
    let proposal =
        proposal.filter(|(index, _)| act.proposal.log == *office && act.proposal.index == *index);
    let (_, proposed) = proposal.ok_or("no proposal that stands is the one that it names")?;
    let approval = item.approval.as_ref();
    let approval =
        approval.filter(|(index, ..)| act.approval.log == *office && act.approval.index == *index);
    let (_, approved, _) =
        approval.ok_or("no approval of another person is the one that it names")?;
    says(item.holds.is_empty(), "a hold kept it")?;
    let rule = (&act.class, act.days, act.sealed);
    says(
        rule == (&proposed.class, proposed.days, proposed.sealed),
        "under another rule than was proposed",
    )?;
    says(
        item.class.as_ref().is_none_or(|class| *class == act.class),
        "its class was another one",
    )?;
    is_late_enough(act, *approved)
}

/// Whether it went no sooner than it may, by the disposer's time and by the office's own; or in words why not.
pub fn is_late_enough(act: &ItemDisposed, approved: Timestamp) -> Result<(), &'static str> {
    let gone = act.gone_at.min(act.seen_gone);
    let days = i32::try_from(act.days).unwrap_or(i32::MAX);
    let over = act.sealed.checked_add(DAY * days);
    if !over.is_ok_and(|over| over <= gone) {
        return Err("before its class had run out");
    }
    let ripe = approved.checked_add(wait());
    if !ripe.is_ok_and(|ripe| ripe <= gone) {
        return Err("sooner after its approval than may be");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disposed(gone_at: &str, seen_gone: &str) -> ItemDisposed {
        let act = serde_json::json!({
            "log": "one", "evidence": EvidenceId::new(), "class": "month", "days": 31, "sealed": "2026-01-01T00:00:00Z",
            "proposal": {"log": "office-1", "index": 1}, "proposed_by": "M. Shah",
            "approval": {"log": "office-1", "index": 2}, "approved_by": "J. Byrne", "versions": [],
            "gone_at": gone_at, "seen_gone": seen_gone,
        });
        serde_json::from_value(act).unwrap()
    }

    #[test]
    fn neither_the_disposers_time_nor_the_offices_own_may_be_too_early() {
        let approved = "2026-03-01T00:00:00Z".parse().unwrap();
        let late_enough =
            |gone_at, seen_gone| is_late_enough(&disposed(gone_at, seen_gone), approved);
        let (early, late) = ("2026-03-01T00:01:00Z", "2026-03-02T00:00:00Z");
        let too_soon = Err("sooner after its approval than may be");
        assert_eq!(late_enough(late, late), Ok(()));
        assert_eq!(late_enough(early, late), too_soon);
        assert_eq!(late_enough(late, early), too_soon);
        let over = Err("before its class had run out");
        assert_eq!(late_enough("2026-01-31T23:59:59Z", late), over);
        assert_eq!(late_enough(late, "2026-01-31T23:59:59Z"), over);
    }
}

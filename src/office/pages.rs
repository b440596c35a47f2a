//! The office as its pages see it: what its index has, and who looked at it.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::acts::Acts;
use super::custody::{Custody, CustodyReader};
use super::decisions::Decisions;
use super::index::{Index, KeptItem, Look, Shown};
use super::locks::reasons;
use super::outsiders::Outsiders;
use super::person_keys::PersonKeys;
use super::report::{Quarter, report};
use super::shares::Shares;
use super::{OfficeError, restricted, today};
use crate::config::OfficeConfig;
use crate::model::{Event, EvidenceId, Explain as _, OperatorAction, StationName};
use crate::web::{
    AddressBook, Decided, EndShareOrder, Enrolment, EnrolmentBackend, GapOrder, InvitationFacts,
    InvitationOrder, Invited, ItemOrder, KeptFacts, KeyOrder, OfficeAct, OfficeBackend,
    OutsiderBook, OutsiderKey, OutsiderOrder, Reach, RecordingPage, RecordingSearch, RecordingView,
    SealedForShare, SearchPlace, SeenItem, SeenPage, ShareMade, ShareOrder, ShareRow, Sight, Today,
    Unreadable, WatchRefusal,
};

pub struct OfficePages {
    pub config: OfficeConfig,
    pub acts: Arc<Acts>,
    pub decisions: Arc<Decisions>,
    pub keys: Arc<PersonKeys>,
    pub outsiders: Arc<Outsiders>,
    pub shares: Arc<Shares>,
    pub custody: Arc<CustodyReader>,
}

impl OfficePages {
    /// The index as it is now; `None` before there is one. It may be made anew at any time.
    fn index(&self) -> Result<Option<Index>, OfficeError> {
        Index::open_read_only(&self.config.index())
    }

    /// The same for somebody from whom it has to keep what is restricted.
    fn index_for(&self, sight: &Sight) -> Result<Option<Index>, OfficeError> {
        let index = self.index()?;
        if let Some(index) = index.as_ref().filter(|_| !sight.restricted) {
            self.acts.check_restrictions(index)?;
        }
        Ok(index)
    }

    /// Stations of a search of which the index does not have all that was cosigned.
    fn behind(
        &self,
        reach: &Reach,
        search: &RecordingSearch,
        index: Option<&Index>,
    ) -> Result<Vec<StationName>, OfficeError> {
        let read = index.map_or_else(|| Ok(HashMap::new()), Index::read_so_far)?;
        let mut behind = Vec::new();
        for station in &self.config.stations {
            let wanted = search
                .station
                .as_ref()
                .is_none_or(|wanted| *wanted == station.name);
            let cosigned = self.custody.cosigned_entries(station)?;
            let whole = match (read.get(station.name.as_str()), cosigned) {
                (Some((entries, false)), Some(cosigned)) => {
                    cosigned.saturating_sub(*entries) <= ENTRIES_BEHIND
                }
                _ => false,
            };
            if wanted && reach.has(&station.name) && !whole {
                behind.push(station.name.clone());
            }
        }
        Ok(behind)
    }

    /// What the office did with an item, with the reasons as far as they can be had.
    fn acts_of(
        &self,
        index: &Index,
        station: &StationName,
        id: EvidenceId,
    ) -> Result<Vec<OfficeAct>, OfficeError> {
        let acts = index.acts_of(station, id)?;
        let unread = acts.len().saturating_sub(REASONS);
        let mut all = Vec::new();
        for (at, (entry, content)) in acts.into_iter().enumerate() {
            let read = |name: &str| {
                let digest = content["data"][name].as_str().filter(|_| at >= unread)?;
                let digest = digest.parse().ok()?;
                self.custody.runtime.block_on(self.acts.text(digest))
            };
            let (reason, text) = (read("reason_sha256"), read("text_sha256"));
            all.push(OfficeAct {
                entry,
                content,
                reason,
                text,
            });
        }
        Ok(all)
    }

    /// With the reason, as far as it can be had; `None` for an act of a station whose name is none.
    fn seen_item(&self, look: Look) -> Option<SeenItem> {
        let data = &look.content["data"];
        let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
        let digest = data["reason_sha256"].as_str();
        let digest = digest.and_then(|digest| digest.parse().ok());
        Some(SeenItem {
            time: look.content["time"].as_str().and_then(|at| at.parse().ok()),
            operator: text(&data["operator"]),
            peer: text(&data["peer"]),
            act: text(&look.content["event"]).unwrap_or_default(),
            part: text(&data["part"]),
            station: look.station.parse().ok()?,
            evidence: look.item,
            path: look.path,
            camera_time: look.recorded,
            reason: digest.and_then(|digest| self.custody.runtime.block_on(self.acts.text(digest))),
            entry: look.entry,
        })
    }

    fn kept(&self, item: &KeptItem) -> KeptFacts {
        let keeping = &self.config.keeping;
        let reasons = reasons(keeping, item);
        let class = reasons.as_ref().and_then(|reasons| reasons.class.clone());
        let rule = class.as_ref().and_then(|class| keeping.classes.get(class));
        KeptFacts {
            class,
            classified: item.class.is_some(),
            by_rule: reasons.is_some(),
            until: reasons.and_then(|reasons| reasons.until),
            review: rule.is_some_and(|rule| rule.review),
            locked: item.locked,
        }
    }

    /// The configuration with the stations alone that somebody sees.
    fn seen(&self, reach: &Reach) -> OfficeConfig {
        let mut seen = self.config.clone();
        seen.stations.retain(|station| reach.has(&station.name));
        seen
    }

    /// The followed stations that somebody sees.
    fn stations(&self, reach: &Reach) -> Vec<StationName> {
        let names = self.config.stations.iter().map(|station| &station.name);
        names.filter(|name| reach.has(name)).cloned().collect()
    }
}

/// Reasons that are read for one page, of the newest acts.
const REASONS: usize = 20;
/// A log that grows is always read a little later than it is cosigned.
const ENTRIES_BEHIND: u64 = 1000;

impl From<OfficeError> for Unreadable {
    fn from(error: OfficeError) -> Self {
        Self {
            code: error.label(),
            why: error.described(),
        }
    }
}

impl OfficeBackend for OfficePages {
    fn today(&self, sight: &Sight) -> Result<Today, Unreadable> {
        let mut today = today::gather(&self.seen(&sight.reach))?;
        if let Some(index) = self.index_for(sight)?.filter(|_| !sight.restricted) {
            for matter in &mut today.matters {
                let examples = std::mem::take(&mut matter.examples).into_iter();
                let shown =
                    examples.filter_map(|it| restricted::without(&index, None, it).transpose());
                matter.examples = shown.collect::<Result<_, _>>()?;
            }
        }
        Ok(today)
    }

    fn report(
        &self,
        reach: &Reach,
        quarter: &str,
    ) -> Result<Option<serde_json::Value>, Unreadable> {
        let quarter = match quarter {
            "" => Ok(Quarter::of(Timestamp::now())),
            given => given.parse(),
        };
        let Ok(quarter) = quarter else {
            return Ok(None);
        };
        let made = report(&self.seen(reach), quarter)?;
        Ok(serde_json::to_value(made).ok())
    }

    fn find(
        &self,
        sight: &Sight,
        search: &RecordingSearch,
        after: Option<SearchPlace>,
        limit: u32,
    ) -> Result<RecordingPage, Unreadable> {
        let index = self.index_for(sight)?;
        let mut page = match &index {
            Some(index) => {
                let stations = self.stations(&sight.reach);
                let shown = Shown {
                    stations: &stations,
                    restricted: sight.restricted,
                };
                index.find(search, after, limit, shown)?
            }
            None => RecordingPage::default(),
        };
        if after.is_none() {
            page.behind = self.behind(&sight.reach, search, index.as_ref())?;
        }
        Ok(page)
    }

    fn looks(
        &self,
        sight: &Sight,
        range: (Timestamp, Timestamp),
        after: Option<u64>,
        limit: u32,
    ) -> Result<SeenPage, Unreadable> {
        let Some(index) = self.index_for(sight)? else {
            return Ok(SeenPage::default());
        };
        let stations = self.stations(&sight.reach);
        let shown = Shown {
            stations: &stations,
            restricted: sight.restricted,
        };
        let (looks, next) = index.looks(range, after, limit, shown)?;
        let looks = looks.into_iter().filter_map(|look| self.seen_item(look));
        Ok(SeenPage {
            looks: looks.collect(),
            next,
        })
    }

    fn knows(
        &self,
        sight: &Sight,
        station: &StationName,
        id: EvidenceId,
    ) -> Result<bool, Unreadable> {
        let (true, Some(index)) = (
            self.stations(&sight.reach).contains(station),
            self.index_for(sight)?,
        ) else {
            return Ok(false);
        };
        Ok(index.has_item(station, id, sight.restricted)?)
    }

    fn recording(
        &self,
        sight: &Sight,
        station: &StationName,
        id: EvidenceId,
        from: u64,
    ) -> Result<Option<RecordingView>, Unreadable> {
        let Some(index) = self.index_for(sight)? else {
            return Ok(None);
        };
        let stations = self.stations(&sight.reach);
        if !stations.contains(station) {
            return Ok(None);
        }
        let shown = Shown {
            stations: &stations,
            restricted: sight.restricted,
        };
        let item = index.item(station, id, from, shown)?;
        let row = index.row(station, Timestamp::now())?;
        let followed = (self.config.stations.iter()).find(|followed| followed.name == *station);
        let (Some(item), Some(row), Some(followed)) = (item, row, followed) else {
            return Ok(None);
        };
        // What the index knows is shown even if the bucket cannot be read.
        let read = self.custody.read(&self.config, followed, &item.entries);
        let mut custody = read.unwrap_or_else(|error| Custody {
            problem: Some((error.label(), error.described())),
            ..Custody::default()
        });
        if !sight.restricted {
            for told in &mut custody.entries {
                let content = told.content.take();
                let content = content.map(|it| restricted::without(&index, Some(id), it));
                told.content = content.transpose()?.flatten();
            }
        }
        let acts = if from == 0 {
            self.acts_of(&index, station, id)?
        } else {
            Vec::new()
        };
        let cut = item.entries.get(custody.entries.len()).copied();
        let last = item.entries.last().filter(|_| item.more);
        Ok(Some(RecordingView {
            recording: item.recording,
            objects: item.objects,
            listed: row.listed_from,
            swept: row.swept,
            checkpoint: custody.checkpoint,
            custody: custody.entries,
            acts,
            kept: index.kept_item(station, id)?.map(|item| self.kept(&item)),
            classes: self.config.keeping.classes.keys().cloned().collect(),
            next: cut.or(last.map(|last| last + 1)),
            problem: custody.problem,
            originals: item.originals,
            copies: item.copies,
            before: item.before,
            after: item.after,
            at_that_time: item.at_that_time,
            may_decide: false,
        }))
    }

    fn decide(&self, order: ItemOrder) -> Result<Decided, WatchRefusal> {
        let decided = self.custody.runtime.block_on(self.decisions.decide(order));
        Ok(decided?)
    }

    fn accept_gap(&self, order: GapOrder) -> Result<Decided, WatchRefusal> {
        let decided = self
            .custody
            .runtime
            .block_on(self.decisions.accept_gap(order));
        Ok(decided?)
    }

    fn address_book(&self) -> AddressBook {
        self.keys.book()
    }

    fn enrol(&self, enrolment: Enrolment) -> Result<(), WatchRefusal> {
        Ok(self.keys.enrol(enrolment)?)
    }

    fn decide_key(&self, order: KeyOrder) -> Result<Decided, WatchRefusal> {
        Ok(self.custody.runtime.block_on(self.keys.decide(order))?)
    }

    fn outsiders(&self) -> OutsiderBook {
        self.outsiders.book()
    }

    fn invite(&self, order: InvitationOrder) -> Result<Invited, WatchRefusal> {
        Ok(self.outsiders.invite(order)?)
    }

    fn decide_outsider(&self, order: OutsiderOrder) -> Result<Option<Decided>, WatchRefusal> {
        let decided = self.custody.runtime.block_on(self.outsiders.decide(order));
        Ok(decided?)
    }

    fn shares(&self, reach: &Reach) -> Vec<ShareRow> {
        self.shares.rows(reach)
    }

    fn share(&self, order: ShareOrder) -> Result<ShareMade, WatchRefusal> {
        Ok(self.custody.runtime.block_on(self.shares.share(order))?)
    }

    fn put_shared_key(&self, sealed: SealedForShare) -> Result<(), WatchRefusal> {
        Ok((self.custody.runtime).block_on(self.shares.put_key(sealed))?)
    }

    fn end_share(&self, order: EndShareOrder) -> Result<Decided, WatchRefusal> {
        Ok(self.custody.runtime.block_on(self.shares.end(order))?)
    }

    fn record(&self, action: OperatorAction) -> Result<(), String> {
        let entered = self
            .custody
            .runtime
            .block_on(self.acts.enter(Event::OperatorAction(action)));
        entered.map(|_| ()).map_err(|error| error.described())
    }
}

impl EnrolmentBackend for OfficePages {
    fn invitation(&self, secret: &str) -> Result<InvitationFacts, WatchRefusal> {
        Ok(self.outsiders.invitation(secret)?)
    }

    fn enrol_outsider(&self, key: OutsiderKey) -> Result<(), WatchRefusal> {
        Ok(self.outsiders.enrol(key)?)
    }
}

//! One item's deletion, in steps of which each may be the last: what is to go is written down first, each version is asked for before
//! and after it is deleted, and that nothing is left is written down last. Whoever goes on after a stop begins with what was written.

use jiff::Timestamp;

use super::item_acts::{Approved, ItemName};
use super::{Disposer, DisposerError};
use crate::failpoint::{reached, step};
use crate::model::{
    DisposalRecord, DisposedVersion, Entry, Event, Obstacle, Part, PlannedDisposal,
};
use crate::upload::{Store as _, put_small_once};

/// Objects of an item that go, in this order: whatever is left after a stop can still be opened, if the key is the last.
const OBJECTS: [Part; 4] = [
    Part::Preview,
    Part::Storyboard,
    Part::Original,
    Part::ItemKey,
];
/// Versions below one item's name, and of one object.
const VERSIONS_MAX: usize = 1000;
const FILE_MAX: u64 = 1 << 20;
/// Objects may come late; an item that gets new ones for ever is given up.
const PLANS_MAX: u32 = 10;

impl Disposer {
    /// Deletes what the act `index` approves, if nothing keeps it.
    pub(super) fn dispose(&mut self, index: u64) -> Result<(), DisposerError> {
        let Some(approved) = self.may_go(index)? else {
            return Ok(());
        };
        let (station, evidence) = approved.item.clone();
        let own = self.layout(&self.config.office);
        let done = own.disposal(index, evidence, "done.json");
        if self.head(&done)? {
            // The office has not said so yet.
            return Ok(());
        }
        self.are_shares_free(&approved)?;
        let mut gone = Vec::new();
        for number in 1..=PLANS_MAX {
            let key = own.disposal(index, evidence, &format!("planned-{number}.json"));
            let plan = if let Some(plan) = self.planned(&key, &approved)? {
                plan
            } else {
                let left = self.versions(&approved.item)?;
                if left.is_empty() && number > 1 {
                    break;
                }
                self.plan(&key, &approved, left)?
            };
            // A lock or hold on one of them keeps them all.
            for version in &plan.versions {
                self.is_free(&approved, version)?;
            }
            for version in &plan.versions {
                self.delete(&approved, version)?;
            }
            gone.extend(plan.versions);
        }
        self.delete_shares(&approved)?;
        let left = self.versions(&approved.item)?;
        if let Some(version) = left.first() {
            let key = self.layout(&station).object(evidence, &version.name);
            return Err(DisposerError::StillThere { key });
        }
        let record = DisposalRecord {
            v: 1,
            log: station,
            evidence,
            approval: index,
            gone_at: Timestamp::now(),
            versions: gone,
        };
        step!("disposal done");
        let bytes = serde_json::to_vec(&record).unwrap_or_default();
        let put = self
            .store
            .put_once(&done, crate::upload::Body::new(bytes), None);
        self.runtime.block_on(put)?;
        tracing::info!(%evidence, approval = index, versions = record.versions.len(), "an item was deleted by rule");
        Ok(())
    }

    fn head(&self, key: &str) -> Result<bool, DisposerError> {
        Ok(self.runtime.block_on(self.store.head(key, None))?.is_some())
    }

    /// What was written down before a stop.
    fn planned(
        &self,
        key: &str,
        approved: &Approved,
    ) -> Result<Option<PlannedDisposal>, DisposerError> {
        let Some(bytes) = self.runtime.block_on(self.store.get(key, FILE_MAX))? else {
            return Ok(None);
        };
        let unfit = || DisposerError::PlanUnfit {
            key: key.to_owned(),
        };
        let plan: PlannedDisposal = serde_json::from_slice(&bytes).map_err(|_| unfit())?;
        let named =
            |version: &DisposedVersion| OBJECTS.iter().any(|part| part.as_str() == version.name);
        let own = plan.log == approved.item.0 && plan.evidence == approved.item.1;
        if !own || !plan.versions.iter().all(named) {
            return Err(unfit());
        }
        Ok(Some(plan))
    }

    /// Writes down what is to go. The manifest has to say that it is the item of the acts, and something of it has to be there.
    fn plan(
        &self,
        key: &str,
        approved: &Approved,
        versions: Vec<DisposedVersion>,
    ) -> Result<PlannedDisposal, DisposerError> {
        let (station, evidence) = &approved.item;
        let refused = |why| DisposerError::Refused {
            evidence: *evidence,
            why,
        };
        let manifest = self.layout(station).object(*evidence, "manifest.json");
        let manifest = self.runtime.block_on(self.store.get(&manifest, FILE_MAX))?;
        let entry = manifest.and_then(|bytes| serde_json::from_slice::<Entry>(&bytes).ok());
        let is_it = entry.is_some_and(|entry| match &entry.event {
            Event::ItemSealed(sealed) => {
                sealed.evidence == *evidence
                    && entry.station == *station
                    && entry.time.as_millisecond() == approved.sealed.as_millisecond()
            }
            _ => false,
        });
        let original = |version: &DisposedVersion| version.name == Part::Original.as_str();
        if !is_it || key.ends_with("-1.json") && !versions.iter().any(original) {
            return Err(refused(Obstacle::NotThere));
        }
        let plan = PlannedDisposal {
            v: 1,
            log: station.clone(),
            evidence: *evidence,
            versions,
        };
        step!("disposal plan");
        let bytes = serde_json::to_vec(&plan).unwrap_or_default();
        let put = put_small_once(&self.store, key, bytes.into(), None);
        self.runtime.block_on(put)?;
        Ok(plan)
    }

    /// Every version and deletion of the objects that go, as the store lists them now.
    pub(super) fn versions(
        &self,
        (station, evidence): &ItemName,
    ) -> Result<Vec<DisposedVersion>, DisposerError> {
        let folder = self.layout(station).object(*evidence, "");
        let listed = self.store.list_versions(&folder, VERSIONS_MAX);
        let listed = self.runtime.block_on(listed)?;
        let mut all = Vec::new();
        for part in OBJECTS {
            // Deletions are taken off last: else what lies below would be the newest for a while.
            for deletion in [false, true] {
                let own = listed.iter().filter(|version| {
                    let name = version.key.strip_prefix(&folder);
                    name == Some(part.as_str()) && version.size.is_none() == deletion
                });
                all.extend(own.map(|version| DisposedVersion {
                    name: part.as_str().to_owned(),
                    version_id: version.version_id.clone(),
                    deletion,
                }));
            }
        }
        Ok(all)
    }

    /// Asks the store whether it locks or holds a version. One that is gone already is free.
    fn is_free(&self, approved: &Approved, version: &DisposedVersion) -> Result<(), DisposerError> {
        let (station, evidence) = &approved.item;
        let key = self.layout(station).object(*evidence, &version.name);
        let id = version.version_id.as_deref();
        let why = self.runtime.block_on(async {
            if version.deletion || self.store.head(&key, id).await?.is_none() {
                return Ok(None);
            }
            if self.store.legal_hold(&key, id).await? {
                return Ok(Some(Obstacle::Held));
            }
            let lock = self.store.retention(&key, id).await?;
            let locked = lock.is_some_and(|lock| lock.until > Timestamp::now());
            Ok::<_, DisposerError>(locked.then_some(Obstacle::Locked))
        })?;
        match why {
            None => Ok(()),
            Some(why) => Err(DisposerError::Refused {
                evidence: *evidence,
                why,
            }),
        }
    }

    /// Deletes one version, after everything that could keep it was asked for again.
    fn delete(
        &mut self,
        approved: &Approved,
        version: &DisposedVersion,
    ) -> Result<(), DisposerError> {
        let (station, evidence) = &approved.item;
        let key = self.layout(station).object(*evidence, &version.name);
        let refused = |why| DisposerError::Refused {
            evidence: *evidence,
            why,
        };
        let Some(id) = version.version_id.as_deref() else {
            return Err(refused(Obstacle::NotThere));
        };
        let there = |own: &Self| {
            if version.deletion {
                let left = own.versions(&approved.item)?;
                return Ok::<_, DisposerError>(left.contains(version));
            }
            let head = own.runtime.block_on(own.store.head(&key, Some(id)))?;
            Ok(head.is_some())
        };
        if !there(self)? {
            return Ok(());
        }
        self.log.read_on()?;
        // What the people decided may have changed since.
        if self.may_go(approved.index)?.is_none() {
            return Err(refused(Obstacle::NotApproved));
        }
        self.is_free(approved, version)?;
        {
            step!("disposal delete");
            self.runtime.block_on(self.store.delete_version(&key, id))?;
        }
        if there(self)? {
            return Err(DisposerError::StillThere { key });
        }
        reached!("disposal version gone");
        Ok(())
    }

    /// Item keys that were sealed to people, and what recipients outside were told: for each share that goes, its objects.
    fn shares(&self, approved: &Approved) -> (Vec<String>, Vec<Vec<String>>) {
        let (own, item) = (self.layout(&self.config.office), approved.item.1);
        let views = approved.views.iter().map(|act| own.share(*act, item));
        let shares = approved.shares.iter().map(|share| {
            let mut keys = vec![own.shared_key(*share, item)];
            // This names every item of the share, its recipient and the reason: it stays as long as one of them is shared.
            if self.log.acts.has_ended(*share) {
                keys.push(own.share_manifest(*share));
            }
            keys
        });
        (views.collect(), shares.collect())
    }

    /// A lock on what was sealed to somebody keeps the item, too: else a key of it would be left.
    fn are_shares_free(&self, approved: &Approved) -> Result<(), DisposerError> {
        let (views, shares) = self.shares(approved);
        for key in views.iter().chain(shares.iter().flatten()) {
            let listed = self.store.list_versions(key, VERSIONS_MAX);
            let listed = self.runtime.block_on(listed)?;
            for version in listed.iter().filter(|version| version.key == *key) {
                let lock = version.size.map(|_| version.version_id.as_deref());
                if let Some(id) = lock
                    && self.is_locked(key, id)?
                {
                    return Err(DisposerError::Refused {
                        evidence: approved.item.1,
                        why: Obstacle::Locked,
                    });
                }
            }
        }
        Ok(())
    }

    /// After the acts were read once more: somebody may have been given a key meanwhile.
    fn delete_shares(&mut self, approved: &Approved) -> Result<(), DisposerError> {
        let refused = |why| DisposerError::Refused {
            evidence: approved.item.1,
            why,
        };
        self.log.read_on()?;
        let now = self.may_go(approved.index)?;
        let now = now.ok_or_else(|| refused(Obstacle::NotApproved))?;
        let (views, shares) = self.shares(&now);
        let mut all_gone = true;
        for key in &views {
            all_gone &= self.delete_all(key)?;
            reached!("disposal share gone");
        }
        for keys in &shares {
            for key in keys {
                all_gone &= self.delete_all(key)?;
            }
            reached!("disposal shared key gone");
        }
        if all_gone {
            Ok(())
        } else {
            Err(refused(Obstacle::Locked))
        }
    }

    fn is_locked(&self, key: &str, version: Option<&str>) -> Result<bool, DisposerError> {
        let lock = self.runtime.block_on(self.store.retention(key, version))?;
        Ok(lock.is_some_and(|lock| lock.until > Timestamp::now()))
    }

    /// Deletes every version of a small object that is not locked, or of all below a folder with its final `/`; `false` if one still is.
    pub(super) fn delete_all(&self, key: &str) -> Result<bool, DisposerError> {
        let list = || {
            let listed = self.store.list_versions(key, VERSIONS_MAX);
            let mut listed = self.runtime.block_on(listed)?;
            let folder = key.ends_with('/');
            listed.retain(|version| folder || version.key == key);
            Ok::<_, DisposerError>(listed)
        };
        let mut locked = false;
        for version in list()? {
            let Some(id) = version.version_id.as_deref() else {
                continue;
            };
            if version.size.is_some() && self.is_locked(&version.key, Some(id))? {
                locked = true;
                continue;
            }
            let deleted = self.store.delete_version(&version.key, id);
            self.runtime.block_on(deleted)?;
        }
        if !locked && !list()?.is_empty() {
            return Err(DisposerError::StillThere {
                key: key.to_owned(),
            });
        }
        Ok(!locked)
    }
}

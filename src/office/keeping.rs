//! What keeps an item's objects in the store: their versions, and lock and legal hold of each. It tries once and says what the store said;
//! whoever calls it decides, enters it in the log, and tries again.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::OfficeError;
use super::index::{Index, KeptItem, OBJECT_NAMES};
use crate::config::OfficeConfig;
use crate::model::{EvidenceId, HeldObject, Retention, StationName};
use crate::upload::{S3Store, Store as _};

/// Versions below one item's name. It has six objects of its own, one version each.
const VERSIONS_MAX: usize = 100;

pub struct Keeper {
    pub config: OfficeConfig,
    pub store: S3Store,
    pub index: Arc<Index>,
}

/// What the store said of an item's locks.
pub struct LockedItem {
    /// The one that ends first.
    pub lock: Retention,
    /// How many of its objects there were.
    pub objects: u64,
}

/// One version of an object of an item.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ItemVersion {
    pub key: String,
    /// Below the item's name.
    pub name: String,
    pub version_id: Option<String>,
}

impl Keeper {
    /// Every version below the item's name, and whatever its station's log names, should the store not list it.
    pub async fn versions(
        &self,
        station: &StationName,
        item: EvidenceId,
    ) -> Result<Vec<ItemVersion>, OfficeError> {
        let layout = self.config.layout_of(station);
        let folder = layout.object(item, "");
        let listed = self.store.list_versions(&folder, VERSIONS_MAX).await?;
        let listed = listed.into_iter().filter(|version| version.size.is_some());
        let mut all: BTreeSet<ItemVersion> = listed
            .filter_map(|version| {
                let name = version.key.strip_prefix(&folder)?.to_owned();
                Some(ItemVersion {
                    key: version.key,
                    name,
                    version_id: version.version_id,
                })
            })
            .collect();
        let logged = tokio::task::block_in_place(|| {
            let number = self.index.station(station)?;
            self.index.objects_of(number, item)
        })?;
        for object in logged {
            let name = object.part.as_str().to_owned();
            let known = (object.version.is_none()).then(|| all.iter().any(|it| it.name == name));
            if known != Some(true) {
                all.insert(ItemVersion {
                    key: layout.object(item, &name),
                    name,
                    version_id: object.version,
                });
            }
        }
        Ok(all.into_iter().collect())
    }

    /// Locks every version of an item's own objects at least as long as `lock` says, and asks the store whether it did.
    pub async fn lock_item(
        &self,
        item: &KeptItem,
        lock: &Retention,
    ) -> Result<LockedItem, OfficeError> {
        let mut names = BTreeSet::new();
        let mut least: Option<Retention> = None;
        let mut refused = None;
        for version in self.versions(&item.station, item.item).await? {
            if !OBJECT_NAMES.contains(&version.name.as_str()) {
                continue;
            }
            match self.lock_version(&version, lock).await {
                Ok(seen) => {
                    let sooner = |least: &Retention| seen.until < least.until;
                    if least.as_ref().is_none_or(sooner) {
                        least = Some(seen);
                    }
                    names.insert(version.name);
                }
                Err(error) => refused = Some(error),
            }
        }
        match (refused, least) {
            (Some(error), _) => Err(error),
            (None, Some(lock)) => Ok(LockedItem {
                lock,
                objects: names.len() as u64,
            }),
            (None, None) => Err(OfficeError::NotStored { item: item.item }),
        }
    }

    /// Nothing is shortened: a lock that is longer stays as it is.
    async fn lock_version(
        &self,
        version: &ItemVersion,
        lock: &Retention,
    ) -> Result<Retention, OfficeError> {
        let (key, id) = (&version.key, version.version_id.as_deref());
        let before = self.store.retention(key, id).await?;
        if let Some(seen) = before.as_ref().filter(|seen| lock.is_held_by(Some(*seen))) {
            return Ok(seen.clone());
        }
        let mut wanted = lock.clone();
        if let Some(before) = &before {
            wanted.until = wanted.until.max(before.until);
            if before.mode == "COMPLIANCE" {
                wanted.mode.clone_from(&before.mode);
            }
        }
        self.store.set_retention(key, id, &wanted).await?;
        let seen = self.store.retention(key, id).await?;
        seen.filter(|seen| wanted.is_held_by(Some(seen)))
            .ok_or_else(|| OfficeError::NotLocked { key: key.clone() })
    }

    /// Sets or takes off the legal hold of a version, and asks the store whether it did.
    pub async fn set_hold(&self, version: &ItemVersion, on: bool) -> Result<(), OfficeError> {
        let (key, id) = (&version.key, version.version_id.as_deref());
        if self.store.legal_hold(key, id).await? == on {
            return Ok(());
        }
        self.store.set_legal_hold(key, id, on).await?;
        if self.store.legal_hold(key, id).await? == on {
            return Ok(());
        }
        Err(OfficeError::NotHeld { key: key.clone() })
    }
}

impl From<ItemVersion> for HeldObject {
    fn from(version: ItemVersion) -> Self {
        Self {
            // One that somebody else put there may have any name.
            name: version.name.chars().take(60).collect(),
            version_id: version.version_id,
        }
    }
}

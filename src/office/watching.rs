//! Hands an item's sealed objects to a viewer's browser, after the view is entered in the office's log and published.
//!
//! Keeps promise 13. Keys of objects come from stations in office.toml and parsed ids alone, versions from the stations' logs:
//! what was laid over an object later is not handed out as the object.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::acts::Acts;
use super::custody::CustodyReader;
use super::index::{Index, ItemFacts, LockedObject};
use super::key_waits::KeyWaits;
use super::{OfficeError, share_taking};
use crate::config::OfficeConfig;
use crate::model::{
    Cue, Decider, Event, EvidenceId, Explain as _, ItemViewed, Part, ShareId, StationName,
};
use crate::upload::{Store, UploadError};
use crate::web::{
    ItemView, SealedPart, ShareTaking, Sight, TakenId, WatchBackend, WatchFuture, WatchRefusal,
    WatchRefusalKind, WatchedItem,
};

/// A view waits so long for the store to say what there is, and then for the entry to be published.
const LOOK_UP_WITHIN: Duration = Duration::from_secs(15);
/// Far longer than an item key that is sealed to one person.
const SEALED_KEY_MAX: u64 = 16 << 10;
/// Pictures of a storyboard.
const CUES_MAX: usize = 100;
pub(super) const PUBLISHED_WITHIN: Duration = Duration::from_secs(20);

pub struct Watch {
    pub config: OfficeConfig,
    pub index: Arc<Index>,
    pub store: Arc<dyn Store>,
    pub acts: Arc<Acts>,
    pub key_waits: KeyWaits,
    pub custody: CustodyReader,
}

impl WatchBackend for Watch {
    fn view(&self, view: ItemView) -> WatchFuture<'_, WatchedItem> {
        Box::pin(async move { Ok(self.enter(view).await?) })
    }

    /// What cannot be read is not shown.
    fn shows(&self, sight: &Sight, station: &StationName, item: EvidenceId) -> bool {
        let known = sight.restricted || self.acts.check_restrictions(&self.index).is_ok();
        let shown = self.index.has_item(station, item, sight.restricted);
        known && sight.reach.has(station) && shown.unwrap_or(false)
    }

    fn own_key<'a>(&'a self, item: &'a WatchedItem) -> WatchFuture<'a, Option<Bytes>> {
        Box::pin(async move {
            let Some(act) = item.own_key else {
                return Ok(None);
            };
            Ok(self.sealed_key(item, act).await?)
        })
    }

    fn take_shared(
        &self,
        share: ShareId,
        taking: ShareTaking,
        reader: String,
    ) -> WatchFuture<'_, Option<u64>> {
        Box::pin(async move {
            let restricted = |item: &TakenId| {
                tokio::task::block_in_place(|| self.is_restricted(&item.station, item.evidence))
            };
            if taking.item.as_ref().is_some_and(restricted) {
                return Err(OfficeError::ShareClosed { share }.into());
            }
            Ok(share_taking::take(&self.acts, share, taking, reader).await?)
        })
    }

    fn sealed<'a>(
        &'a self,
        item: &'a WatchedItem,
        part: &'a SealedPart,
        offset: u64,
        length: u64,
    ) -> WatchFuture<'a, Bytes> {
        Box::pin(async move {
            let key = self
                .config
                .layout_of(&item.station)
                .object(item.evidence, part.part);
            let version = part.version.as_deref();
            let read = self.store.get_range(&key, version, offset, length).await;
            match read {
                Ok(bytes) if bytes.len() as u64 == length => Ok(bytes),
                Ok(_) | Err(UploadError::Refused { status: 404, .. }) => {
                    Err(OfficeError::ObjectGone { key }.into())
                }
                Err(error) => Err(OfficeError::Store(error).into()),
            }
        })
    }
}

impl Watch {
    /// What cannot be read counts as restricted. Blocks.
    fn is_restricted(&self, station: &StationName, item: EvidenceId) -> bool {
        let known = self.acts.check_restrictions(&self.index).is_ok();
        let tags = self.index.tags(station, item).ok();
        !known || tags.is_none_or(|said| said.is_some_and(|said| said.tags.restricted))
    }

    /// The item key that the key desk sealed to a person; `None` until it has.
    async fn sealed_key(&self, item: &WatchedItem, act: u64) -> Result<Option<Bytes>, OfficeError> {
        let key = self.config.bucket_layout().share(act, item.evidence);
        let found = self.store.get(&key, SEALED_KEY_MAX);
        let found = tokio::time::timeout(LOOK_UP_WITHIN, found).await;
        let found = found.map_err(|_| UploadError::Timeout {
            action: "get object",
            limit: LOOK_UP_WITHIN,
        })?;
        match found {
            // AWS forbids what is not there to whoever may not list it.
            Err(UploadError::Refused {
                status: 403 | 404, ..
            }) => Ok(None),
            found => Ok(found?),
        }
    }

    /// The item, once its view is published.
    async fn enter(&self, view: ItemView) -> Result<WatchedItem, OfficeError> {
        let item = tokio::time::timeout(LOOK_UP_WITHIN, self.look_up(&view));
        let mut item = item.await.map_err(|_| UploadError::Timeout {
            action: "head object",
            limit: LOOK_UP_WITHIN,
        })??;
        let reason = tokio::task::block_in_place(|| self.acts.keep_text(&view.reason))?;
        let viewed = ItemViewed {
            log: view.station,
            evidence: view.evidence,
            part: view.part,
            key: self.acts.published_key(&view.operator),
            by: Decider {
                operator: view.operator,
                peer: view.peer,
                reason_sha256: reason,
            },
        };
        let own_key = viewed.key.is_some();
        let index = self.acts.enter(Event::ItemViewed(Box::new(viewed))).await?;
        item.own_key = own_key.then_some(index);
        if self.acts.is_published(index, PUBLISHED_WITHIN).await {
            if own_key {
                let layout = self.config.bucket_layout();
                self.key_waits.begin(layout.share(index, item.evidence));
            }
            Ok(item)
        } else {
            Err(OfficeError::Unpublished {
                limit: PUBLISHED_WITHIN,
            })
        }
    }

    /// What there is of an item: the versions that the log names, each as the store has it now.
    async fn look_up(&self, view: &ItemView) -> Result<WatchedItem, OfficeError> {
        let (station, evidence) = (&view.station, view.evidence);
        let unknown = || OfficeError::NoItem {
            station: station.clone(),
            item: evidence,
        };
        let mut followed = self.config.stations.iter();
        let followed = followed.any(|followed| followed.name == *station);
        let shown = || tokio::task::block_in_place(|| self.shows(&view.sight, station, evidence));
        if !followed || !shown() {
            return Err(unknown());
        }
        let indexed = tokio::task::block_in_place(|| self.indexed(station, evidence))?;
        let (facts, objects) = indexed.ok_or_else(unknown)?;
        let layout = self.config.layout_of(station);
        let (mut parts, mut missing) = (Vec::new(), Vec::new());
        for (part, _) in Part::NAMES {
            let logged = objects.iter().find(|object| object.part == *part);
            // No entry names the item key. A false one opens nothing of this item.
            let wanted = match part {
                Part::ItemKey => true,
                _ => logged.is_some() && view.part.is_none_or(|only| only == *part),
            };
            if !wanted {
                continue;
            }
            let version = logged.and_then(|object| object.version.as_deref());
            let key = layout.object(evidence, part);
            match self.store.head(&key, version).await? {
                Some(head) => parts.push(SealedPart {
                    part: *part,
                    size: head.size,
                    version: version.map(str::to_owned).or(head.version_id),
                }),
                None if logged.is_some() => missing.push(*part),
                None => {}
            }
        }
        if parts.iter().all(|part| part.part == Part::ItemKey) {
            let first = missing.first().map(|part| layout.object(evidence, part));
            return Err(
                first.map_or(OfficeError::NotStored { item: evidence }, |key| {
                    OfficeError::ObjectGone { key }
                }),
            );
        }
        Ok(WatchedItem {
            station: station.clone(),
            evidence,
            path: facts.path,
            kind: facts.kind,
            size: facts.size,
            recorded: facts.recorded,
            camera: facts.camera,
            officer: facts.officer,
            cues: tokio::task::block_in_place(|| self.cues(station, evidence)),
            parts,
            missing,
            own_key: None,
        })
    }

    /// Where the storyboard's pictures lie, by an entry that is proven below what was cosigned; nowhere, where that cannot be read now.
    fn cues(&self, station: &StationName, item: EvidenceId) -> Vec<Cue> {
        let followed = (self.config.stations.iter()).find(|followed| followed.name == *station);
        let read = || {
            let number = self.index.station(station).ok()?;
            let entry = self.index.entry_of(number, item, Part::Storyboard).ok()??;
            let custody = self.custody.read(&self.config, followed?, &[entry]).ok()?;
            let content = custody.entries.into_iter().next()?.content?;
            serde_json::from_value::<Vec<Cue>>(content["data"]["cues"].clone()).ok()
        };
        let mut cues = read().unwrap_or_default();
        cues.truncate(CUES_MAX);
        cues
    }

    fn indexed(
        &self,
        station: &StationName,
        item: EvidenceId,
    ) -> Result<Option<(ItemFacts, Vec<LockedObject>)>, OfficeError> {
        let number = self.index.station(station)?;
        let Some(facts) = self.index.item_facts(number, item)? else {
            return Ok(None);
        };
        Ok(Some((facts, self.index.objects_of(number, item)?)))
    }
}

impl From<OfficeError> for WatchRefusal {
    fn from(error: OfficeError) -> Self {
        let kind = match &error {
            OfficeError::NoItem { .. }
            | OfficeError::ShareClosed { .. }
            | OfficeError::UnknownItem { .. }
            | OfficeError::NoInvitation
            | OfficeError::NoShare { .. } => WatchRefusalKind::Unknown,
            OfficeError::NotStored { .. }
            | OfficeError::ObjectGone { .. }
            | OfficeError::NothingToDecide { .. }
            | OfficeError::NotDisposable { .. }
            | OfficeError::NoGap { .. }
            | OfficeError::KeyUnfit
            | OfficeError::NoEnrolment { .. }
            | OfficeError::WordsDiffer { .. }
            | OfficeError::OwnKey { .. }
            | OfficeError::NotInBook { .. }
            | OfficeError::OutsiderUnfit { .. }
            | OfficeError::ShareUnfit { .. }
            | OfficeError::NotShared { .. }
            | OfficeError::ItemUnfit { .. } => WatchRefusalKind::Conflict,
            _ => WatchRefusalKind::Away,
        };
        Self {
            kind,
            code: error.label(),
            words: error.described(),
            next_step: error.next_step(),
        }
    }
}

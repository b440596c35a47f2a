//! Shares: named items for one recipient outside. Each is entered in the office's log before anything is handed over, with the digest
//! of what the recipient is told; item keys are sealed by others, and originals are neither touched nor copied.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex as SyncMutex;
use ring::rand::{SecureRandom as _, SystemRandom};
use tokio::sync::{Mutex, watch};

use super::acts::{Acts, KnownShare};
use super::commands::PUBLISHED_WITHIN;
use super::custody::CustodyReader;
use super::index::Index;
use super::share_manifest::shared_item;
use super::{OfficeError, warn};
use crate::config::OfficeConfig;
use crate::model::{
    Decider, Event, EvidenceId, ItemShared, PersonAdded, Sha256Digest, ShareEnded, ShareId,
    ShareManifest, ShareRecipient, SharedItem, SharedObject, StationName,
};
use crate::upload::{Store, put_small_once};
use crate::web::{
    Decided, EndShareOrder, ItemToShare, Reach, ShareMade, ShareOrder, ShareRow, SharedEntry,
    random_secret,
};

/// Items of one share, with their sidecars.
pub const SHARE_ITEMS_MAX: usize = 100;
/// A key desk needs two seconds.
const KEYS_WITHIN: Duration = Duration::from_secs(6);
const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// Shares that have run out are ended.
const AGAIN: Duration = Duration::from_secs(5);
pub const SEALED_KEY_MAX: u64 = 64 << 10;

pub struct Shares {
    pub config: OfficeConfig,
    pub index: Arc<Index>,
    pub acts: Arc<Acts>,
    pub custody: Arc<CustodyReader>,
    /// One share at a time.
    turn: Mutex<()>,
    /// Whose trouble was told.
    troubled: SyncMutex<HashSet<ShareId>>,
}

impl Shares {
    pub fn new(
        config: &OfficeConfig,
        index: &Arc<Index>,
        acts: &Arc<Acts>,
        custody: &Arc<CustodyReader>,
    ) -> Self {
        Self {
            config: config.clone(),
            index: Arc::clone(index),
            acts: Arc::clone(acts),
            custody: Arc::clone(custody),
            turn: Mutex::new(()),
            troubled: SyncMutex::default(),
        }
    }

    pub(super) fn store(&self) -> &dyn Store {
        &*self.custody.store
    }

    fn link(&self, share: ShareId) -> String {
        let address = self.config.share_address.as_deref();
        format!("{}/s/{share}", address.unwrap_or_default())
    }

    pub async fn share(&self, order: ShareOrder) -> Result<ShareMade, OfficeError> {
        let now = Timestamp::now();
        let recipient = self.recipient(&order.to, now)?;
        if order.until <= now {
            let what = "the date until which it is shared is over".to_owned();
            return Err(OfficeError::ShareUnfit { what });
        }
        let ends = recipient.1.outside.as_ref().map(|outside| outside.until);
        if ends.is_some_and(|ends| order.until > ends) {
            let what = "the recipient is in the address book for a shorter time".to_owned();
            return Err(OfficeError::ShareUnfit { what });
        }
        let items = tokio::task::block_in_place(|| self.items(&order))?;
        // Everything that the recipient is told is known before the log says that it is shared.
        let described = tokio::task::block_in_place(|| {
            let described =
                |(station, id): &(StationName, EvidenceId)| self.described(station, *id);
            items.iter().map(described).collect::<Result<Vec<_>, _>>()
        })?;
        for SharedObject { key, version, .. } in described.iter().map(|item| &item.original) {
            if self.store().head(key, version.as_deref()).await?.is_none() {
                return Err(OfficeError::ObjectGone { key: key.clone() });
            }
        }
        let _turn = self.turn.lock().await;
        let mut bytes = [0; 16];
        let random = SystemRandom::new().fill(&mut bytes);
        random.map_err(|_| OfficeError::NoRandomness)?;
        let share = ShareId::from_bytes(bytes);
        let reason = tokio::task::block_in_place(|| self.acts.keep_text(&order.reason))?;
        let by = Decider {
            operator: order.operator.clone(),
            peer: order.peer.clone(),
            reason_sha256: reason,
        };
        let manifest = self.manifest(share, &order, &recipient.1, described, now)?;
        let manifest = self.tell(&manifest).await?;
        let mut made = ShareMade {
            share,
            link: self.link(share),
            to_key: recipient.1.key.clone(),
            items: Vec::new(),
            published: false,
            sealed: 0,
        };
        for (station, evidence) in items {
            let act = ItemShared {
                share,
                log: station.clone(),
                evidence,
                to: recipient.1.fingerprint.clone(),
                until: order.until,
                manifest_sha256: Some(manifest),
                by: by.clone(),
            };
            let entry = self.acts.enter(Event::ItemShared(Box::new(act))).await?;
            made.items.push(SharedEntry {
                station,
                evidence,
                entry,
            });
        }
        tracing::info!(%share, items = made.items.len(), "a person shared items with somebody outside");
        let last = made.items.last().map_or(0, |item| item.entry);
        made.published = self.acts.is_published(last, PUBLISHED_WITHIN).await;
        if made.published && order.by_key_desk {
            made.sealed = self.sealed(&made).await;
        }
        Ok(made)
    }

    /// The one published recipient that is meant.
    fn recipient(&self, to: &str, now: Timestamp) -> Result<(u64, PersonAdded), OfficeError> {
        let to = to.trim();
        let book = self.acts.outsiders().into_iter();
        let mut meant = book.filter(|(_, act, published)| {
            *published && (act.fingerprint == to || act.person == to)
        });
        let unknown = || OfficeError::NotInBook {
            person: to.chars().take(100).collect(),
        };
        let (entry, act, _) = meant.next().ok_or_else(unknown)?;
        if meant.next().is_some() {
            let what = "several recipients have this name; give the fingerprint of the key";
            return Err(OfficeError::ShareUnfit { what: what.into() });
        }
        let outside = act.outside.as_ref().ok_or_else(unknown)?;
        if now >= outside.until {
            let what = "the recipient's time in the address book is over";
            return Err(OfficeError::ShareUnfit { what: what.into() });
        }
        Ok((entry, act))
    }

    /// The named items with their sidecars, each once. Blocks.
    fn items(&self, order: &ShareOrder) -> Result<Vec<(StationName, EvidenceId)>, OfficeError> {
        let mut named = HashSet::new();
        let mut items = Vec::new();
        for item in &order.items {
            let station = self.station_of(item, &order.reach)?;
            let mut all = self.index.sidecars_of(&station, item.evidence)?;
            all.insert(0, item.evidence);
            for evidence in all {
                if named.insert((station.clone(), evidence)) {
                    items.push((station.clone(), evidence));
                }
            }
        }
        if items.is_empty() || items.len() > SHARE_ITEMS_MAX {
            let what = format!("a share has 1 to {SHARE_ITEMS_MAX} items with their sidecars");
            return Err(OfficeError::ShareUnfit { what });
        }
        for (station, evidence) in &items {
            self.may_be_shared(station, *evidence)?;
        }
        Ok(items)
    }

    /// The followed station within the sharer's reach whose log has sealed it.
    fn station_of(&self, item: &ItemToShare, reach: &Reach) -> Result<StationName, OfficeError> {
        let mut found = self.index.stations_of(item.evidence)?;
        let followed = |name: &StationName| self.config.stations.iter().any(|s| s.name == *name);
        found.retain(|name| followed(name) && reach.has(name));
        if let Some(station) = &item.station {
            found.retain(|name| name == station);
        }
        let station = found.pop();
        if !found.is_empty() {
            let item = item.evidence;
            let what = "the logs of two stations have it".into();
            return Err(OfficeError::ItemUnfit { item, what });
        }
        station.ok_or(OfficeError::UnknownItem {
            item: item.evidence,
        })
    }

    pub(super) fn may_be_shared(
        &self,
        station: &StationName,
        item: EvidenceId,
    ) -> Result<(), OfficeError> {
        let refused = |why| OfficeError::NotShared { item, why };
        let undecided = self.index.decidable(station, item)?;
        if undecided.is_none_or(|(undecided, _)| undecided) {
            return Err(refused("it is in quarantine, and nobody has decided"));
        }
        let ruling = self.acts.item_ruling(station, item);
        if ruling.accepted.is_some_and(|(_, accepted)| !accepted) {
            return Err(refused("it was rejected as evidence"));
        }
        let tags = self.index.tags(station, item)?;
        if tags.is_some_and(|said| said.tags.restricted) {
            return Err(refused("it is restricted"));
        }
        let acts = self.index.acts_of(station, item)?;
        if acts.iter().any(|(_, act)| act["event"] == "item.disposed") {
            return Err(refused("it was disposed of"));
        }
        Ok(())
    }

    fn described(
        &self,
        station: &StationName,
        evidence: EvidenceId,
    ) -> Result<SharedItem, OfficeError> {
        shared_item(&self.config, &self.index, &self.custody, station, evidence)
    }

    /// Puts what the recipient is told into the bucket, and returns its digest. It opens nothing before acts name it: one whose
    /// share was then not entered says nothing to anybody.
    async fn tell(&self, manifest: &ShareManifest) -> Result<Sha256Digest, OfficeError> {
        let key = self.config.bucket_layout().share_manifest(manifest.share);
        let bytes = serde_json::to_vec(manifest).unwrap_or_default();
        let digest = Sha256Digest::of(&bytes);
        // Without a lock: it names people, and goes with what is shared.
        put_small_once(self.store(), &key, bytes.into(), None).await?;
        Ok(digest)
    }

    fn manifest(
        &self,
        share: ShareId,
        order: &ShareOrder,
        recipient: &PersonAdded,
        mut items: Vec<SharedItem>,
        made_at: Timestamp,
    ) -> Result<ShareManifest, OfficeError> {
        let layout = self.config.bucket_layout();
        for item in &mut items {
            item.item_key = layout.shared_key(share, item.id);
        }
        let outside = recipient.outside.as_ref();
        let lines = recipient.key.lines();
        let public_key = lines.filter(|line| !line.starts_with('-')).collect();
        Ok(ShareManifest {
            share,
            salt: random_secret().ok_or(OfficeError::NoRandomness)?,
            office: self.config.name.clone(),
            made_at,
            until: order.until,
            by: order.operator.clone(),
            reason: order.reason.clone(),
            to: ShareRecipient {
                name: recipient.person.clone(),
                organisation: outside.map_or_else(String::new, |it| it.organisation.clone()),
                fingerprint: recipient.fingerprint.clone(),
                public_key,
            },
            items,
        })
    }

    /// Waits for the key desk; how many item keys it has sealed.
    async fn sealed(&self, made: &ShareMade) -> usize {
        let layout = self.config.bucket_layout();
        let began = tokio::time::Instant::now();
        let mut sealed = 0;
        for item in &made.items {
            let key = layout.shared_key(made.share, item.evidence);
            loop {
                if let Ok(Some(_)) = self.store().get(&key, SEALED_KEY_MAX).await {
                    sealed += 1;
                    break;
                }
                if began.elapsed() > KEYS_WITHIN {
                    return sealed;
                }
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        }
        sealed
    }

    pub async fn end(&self, order: EndShareOrder) -> Result<Decided, OfficeError> {
        let share = order.share;
        let _turn = self.turn.lock().await;
        let known = self.acts.share(share);
        let known = known.filter(|known| sees(&order.reach, known));
        let known = known.ok_or(OfficeError::NoShare { share })?;
        // What stopped half-way is ended now.
        let all_ended = known.items.iter().all(|item| item.ended.is_some());
        let last = known.items.iter().filter_map(|item| item.ended).max();
        if let Some((entry, _)) = last.filter(|_| all_ended) {
            return Ok(Decided {
                entry,
                published: entry < self.acts.published_size(),
                repeated: true,
            });
        }
        let reason = tokio::task::block_in_place(|| self.acts.keep_text(&order.reason))?;
        let by = Decider {
            operator: order.operator.clone(),
            peer: order.peer.clone(),
            reason_sha256: reason,
        };
        let entry = self.enter_end(&known, Some(&by)).await?;
        Ok(Decided {
            entry,
            published: self.acts.is_published(entry, PUBLISHED_WITHIN).await,
            repeated: false,
        })
    }

    async fn enter_end(
        &self,
        known: &KnownShare,
        by: Option<&Decider>,
    ) -> Result<u64, OfficeError> {
        let mut last = 0;
        for item in known.items.iter().filter(|item| item.ended.is_none()) {
            let act = ShareEnded {
                share: known.share,
                log: item.station.clone(),
                evidence: item.evidence,
                by: by.cloned(),
            };
            last = self.acts.enter(Event::ShareEnded(Box::new(act))).await?;
        }
        tracing::info!(share = %known.share, "a share has ended");
        Ok(last)
    }

    /// Those of which somebody sees every item, the newest first.
    pub fn rows(&self, reach: &Reach) -> Vec<ShareRow> {
        let (outsiders, published) = (self.acts.outsiders(), self.acts.published_size());
        let mut rows: Vec<ShareRow> = (self.acts.shares().into_iter())
            .filter(|known| sees(reach, known))
            .map(|known| {
                let mut of_key = outsiders.iter().filter(|it| it.1.fingerprint == known.to);
                let recipient = of_key.next().map(|(_, act, _)| act);
                let outside = recipient.and_then(|act| act.outside.as_ref());
                let ends = known.items.iter().filter_map(|item| item.ended);
                ShareRow {
                    share: known.share,
                    link: self.link(known.share),
                    name: recipient.map(|act| act.person.clone()),
                    organisation: outside.map(|outside| outside.organisation.clone()),
                    fingerprint: known.to.clone(),
                    by: known.by.operator.clone(),
                    made_at: known.made_at,
                    until: known.until,
                    ended: ends.map(|(_, at)| at).max().filter(|_| known.is_ended()),
                    published: known.last_act() < published,
                    items: (known.items.into_iter())
                        .map(|item| SharedEntry {
                            station: item.station,
                            evidence: item.evidence,
                            entry: item.shared,
                        })
                        .collect(),
                }
            })
            .collect();
        rows.sort_by_key(|row| std::cmp::Reverse(row.made_at));
        rows
    }

    /// Ends what has run out, until `stop` is true.
    pub async fn run(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        while !*stop.borrow() {
            tokio::select! {
                () = self.attend() => {},
                _ = stop.wait_for(|stop| *stop) => return,
            }
            tokio::select! {
                () = tokio::time::sleep(AGAIN) => {},
                _ = stop.changed() => {},
            }
        }
    }

    async fn attend(&self) {
        let _turn = self.turn.lock().await;
        let now = Timestamp::now();
        for known in self.acts.shares() {
            if known.is_ended() || now < known.until {
                continue;
            }
            if let Err(error) = self.enter_end(&known, None).await
                && self.troubled.lock().insert(known.share)
            {
                warn(&error, "a share whose time is over cannot be ended");
            }
        }
    }
}

pub fn sees(reach: &Reach, known: &KnownShare) -> bool {
    known.items.iter().all(|item| reach.has(&item.station))
}

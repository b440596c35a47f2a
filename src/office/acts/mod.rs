//! The office's own log: what it saw and what people decided, in a log like a station's, published and anchored like one.
//!
//! Keeps promise 11 on the office itself: others follow and witness its log. A person's decision takes effect once it is
//! published.

mod history;
mod opening;
mod shares;
mod text;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::{Timestamp, TimestampRound, Unit};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::OfficeError;
use super::index::Index;
use crate::audit::{LogHandle, VerifierKey};
use crate::model::{
    ActReference, Contradiction, Entry, Event, EvidenceId, PersonAdded, Sha256Digest, ShareId,
    StationName,
};

pub use history::{ItemRuling, OpenAlarms, REWRITTEN, Released, Ruling};
pub use opening::{log_verifier, open};
pub use shares::{KnownItem, KnownShare};
pub use text::TEXTS;

use history::ActsHistory;
use text::Texts;

/// Acts are looked for in the index after this time at the latest.
const INDEX_AGAIN: Duration = Duration::from_secs(30);

pub struct Acts {
    office: StationName,
    log: LogHandle,
    texts: Texts,
    history: Mutex<ActsHistory>,
    /// Entries that are or once were in the bucket: what took effect stays in effect.
    published: watch::Receiver<u64>,
}

impl Acts {
    /// Enters an act; it is durable under a signed checkpoint when this returns its index.
    pub async fn enter(&self, event: Event) -> Result<u64, OfficeError> {
        let entry = Entry {
            v: 1,
            time: now(),
            station: self.office.clone(),
            session: None,
            event,
        };
        let committed = self.log.append(vec![entry.clone()]).await?;
        let index = committed.first().map_or(0, |committed| committed.index);
        self.history.lock().see(index, &entry);
        Ok(index)
    }

    /// Keeps a reason; an act names it by what this returns.
    pub fn keep_text(&self, text: &str) -> Result<Sha256Digest, OfficeError> {
        self.texts.keep(text)
    }

    /// What holds for the log with this key.
    pub fn ruling(&self, key: &str) -> Ruling {
        let published = *self.published.borrow();
        self.history.lock().ruling(key, published)
    }

    /// Whether the standing of a log has to be entered.
    pub fn is_due(&self, key: &str, code: Option<&str>) -> bool {
        self.history.lock().is_due(key, code, now())
    }

    /// The alarms about a station's objects that are entered and not ended, by their codes.
    pub fn open_alarms(&self, station: &StationName) -> HashMap<String, OpenAlarms> {
        self.history.lock().open_alarms(station)
    }

    /// What people decided about an item, published or not.
    pub fn item_ruling(&self, station: &StationName, id: EvidenceId) -> ItemRuling {
        self.history.lock().item_ruling(station, id)
    }

    /// The act that explains a gap, published or not.
    pub fn gap_explained(&self, station: &StationName, gap: &str) -> Option<u64> {
        self.history.lock().gap_explained(station, gap)
    }

    /// Who has a key, with the act that says so, and whether that is published.
    pub fn people(&self) -> Vec<(u64, PersonAdded, bool)> {
        let published = *self.published.borrow();
        let history = self.history.lock();
        let all = history.people();
        all.map(|(index, act)| (index, act.clone(), index < published))
            .collect()
    }

    /// A person who has a key, with the act that says so.
    pub fn person(&self, name: &str) -> Option<(u64, PersonAdded)> {
        let history = self.history.lock();
        let mut all = history.people();
        let found = all.find(|(_, act)| act.person == name);
        found.map(|(index, act)| (index, act.clone()))
    }

    /// The fingerprint of a person's own key, once the act that says so is in effect.
    pub fn published_key(&self, person: &str) -> Option<String> {
        let (index, act) = self.person(person)?;
        (index < *self.published.borrow()).then_some(act.fingerprint)
    }

    /// Who outside has a key, with the act that says so, and whether that is published.
    pub fn outsiders(&self) -> Vec<(u64, PersonAdded, bool)> {
        let published = *self.published.borrow();
        let history = self.history.lock();
        let all = history.outsiders();
        all.map(|(index, act)| (index, act.clone(), index < published))
            .collect()
    }

    /// Everything that was ever shared, published or not.
    pub fn shares(&self) -> Vec<KnownShare> {
        self.history.lock().shares.all().cloned().collect()
    }

    /// Whether somebody outside has a share of the item that has not ended, published or not.
    pub fn is_shared(&self, station: &StationName, evidence: EvidenceId) -> bool {
        let history = self.history.lock();
        history.shares.all().any(|share| {
            let mut items = share.items.iter();
            items.any(|item| {
                item.ended.is_none() && item.station == *station && item.evidence == evidence
            })
        })
    }

    /// One share, published or not.
    pub fn share(&self, share: ShareId) -> Option<KnownShare> {
        self.history.lock().shares.get(share).cloned()
    }

    /// Entries that are in effect now.
    pub fn published_size(&self) -> u64 {
        *self.published.borrow()
    }

    /// An act of this log, by its index.
    pub fn reference(&self, index: u64) -> ActReference {
        ActReference {
            log: self.office.clone(),
            index,
        }
    }

    /// The text of a reason, from here or from the bucket; `None` where it cannot be had or is not the one that the act names.
    pub async fn text(&self, digest: Sha256Digest) -> Option<String> {
        self.texts.read(digest).await
    }

    /// Takes what is published of this log into the index until `stop` is true: an act takes effect once it is published.
    pub async fn index_acts(self: Arc<Self>, index: Arc<Index>, mut stop: watch::Receiver<bool>) {
        let mut published = self.published.clone();
        while !*stop.borrow() {
            published.mark_unchanged();
            let (acts, into) = (Arc::clone(&self), Arc::clone(&index));
            let taken = tokio::task::spawn_blocking(move || acts.index_published(&into)).await;
            if let Ok(Err(error)) = taken {
                super::warn(&error, "the office's acts cannot be read into the index");
            }
            tokio::select! {
                () = tokio::time::sleep(INDEX_AGAIN) => {},
                _ = published.changed() => {},
                _ = stop.changed() => {},
            }
        }
    }

    /// Takes what is published now into the index. Blocks.
    pub fn index_published(&self, index: &Index) -> Result<(), OfficeError> {
        let upto = (*self.published.borrow()).min(self.size());
        let mut from = index.acts_read()?;
        if from > self.size() {
            // It was made beside another log.
            index.forget_acts()?;
            from = 0;
        }
        while from < upto {
            let mut entries = self.log.entries_from(from)?;
            entries.truncate(usize::try_from(upto - from).unwrap_or(usize::MAX));
            if entries.is_empty() {
                break;
            }
            index.take_acts(from, &entries)?;
            from += entries.len() as u64;
        }
        Ok(())
    }

    /// Entries that are in the bucket, and so in effect, as they grow.
    pub fn published(&self) -> watch::Receiver<u64> {
        self.published.clone()
    }

    /// Refuses an index that has not read every act in effect that restricts an item, so that it would show what it must not.
    pub fn check_restrictions(&self, index: &Index) -> Result<(), OfficeError> {
        let published = *self.published.borrow();
        let newest = self.history.lock().restricts(published);
        match newest {
            Some(newest) if index.acts_read()? <= newest => Err(OfficeError::RestrictionsUnread),
            _ => Ok(()),
        }
    }

    /// Waits until the entry is in the bucket; `false` when it is not after `limit`.
    pub async fn is_published(&self, index: u64, limit: Duration) -> bool {
        let mut published = self.published.clone();
        let there = published.wait_for(|size| *size > index);
        matches!(tokio::time::timeout(limit, there).await, Ok(Ok(_)))
    }

    /// Entries in the log, all durable.
    pub fn size(&self) -> u64 {
        *self.log.watch().borrow()
    }

    pub fn verifier(&self) -> &VerifierKey {
        self.log.verifier()
    }

    /// Puts reasons into the bucket until `stop` is true.
    pub async fn publish_texts(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut size = self.log.watch();
        while !*stop.borrow() {
            size.mark_unchanged();
            let published = tokio::select! {
                published = self.texts.publish() => published,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            let pause = match published {
                Ok(()) => Duration::from_hours(1),
                Err(error) => {
                    super::warn(&error, "a reason waits for the store");
                    Duration::from_secs(30)
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {},
                _ = size.changed() => {},
                _ = stop.changed() => {},
            }
        }
    }

    /// Ends the log's thread once everything is synced. Blocks.
    pub fn close(&self) -> Result<(), OfficeError> {
        Ok(self.log.close()?)
    }
}

/// Both notes, if an entry has room for them; they are kept in the office's state folder in any case.
pub fn proof(contradiction: Option<Contradiction>) -> Option<Contradiction> {
    const ROOM: usize = 32 << 10;
    contradiction.filter(|both| both.earlier.len() + both.later.len() <= ROOM)
}

/// The office's clock to the millisecond.
fn now() -> Timestamp {
    let now = Timestamp::now();
    now.round(TimestampRound::new().smallest(Unit::Millisecond))
        .unwrap_or(now)
}

//! People's own keys: what was sent waits here until somebody who may has confirmed it; what was confirmed is in the office's log,
//! which is the address book.

use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex as SyncMutex;
use tokio::sync::Mutex;

use super::OfficeError;
use super::acts::Acts;
use super::commands::PUBLISHED_WITHIN;
use crate::config::OfficeConfig;
use crate::durable;
use crate::model::{Decider, Event, PersonAdded, PersonRemoved, are_words_of};
use crate::seal::Recipient;
use crate::web::{AddressBook, Decided, Enrolment, KeyHolder, KeyOrder, KeyVerdict};

/// Beyond these, the one that waits longest is dropped.
const WAITING_MAX: usize = 500;
const KEY_MAX: usize = 1000;

pub struct PersonKeys {
    file: PathBuf,
    acts: Arc<Acts>,
    /// Longest first, one of a person.
    waiting: SyncMutex<Vec<Enrolment>>,
    /// One decision at a time, so that two that are equal are one act.
    turn: Mutex<()>,
}

impl PersonKeys {
    /// A file that is missing or unreadable means that people send their keys again.
    pub fn open(config: &OfficeConfig, acts: &Arc<Acts>) -> Self {
        let file = config.state_dir.join("enrolments.json");
        let saved = std::fs::read(&file).ok();
        let waiting = saved.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Self {
            file,
            acts: Arc::clone(acts),
            waiting: SyncMutex::new(waiting.unwrap_or_default()),
            turn: Mutex::new(()),
        }
    }

    pub fn book(&self) -> AddressBook {
        let holders = self.acts.people().into_iter();
        AddressBook {
            holders: holders
                .map(|(entry, act, published)| KeyHolder {
                    person: act.person,
                    fingerprint: act.fingerprint,
                    roles: act.roles,
                    stations: act.stations,
                    entry,
                    published,
                })
                .collect(),
            waiting: self.waiting.lock().clone(),
        }
    }

    /// Keeps a key until it is confirmed, instead of an earlier one of this person. Blocks.
    pub fn enrol(&self, mut enrolment: Enrolment) -> Result<(), OfficeError> {
        let (key, _) = read_key(&enrolment.key)?;
        // As we write it: nothing that stood around it is kept.
        enrolment.key = key;
        let mut waiting = self.waiting.lock();
        let mut new = waiting.clone();
        new.retain(|other| other.person != enrolment.person);
        if new.len() >= WAITING_MAX {
            new.remove(0);
        }
        new.push(enrolment);
        self.save(&mut waiting, new)
    }

    fn save(&self, waiting: &mut Vec<Enrolment>, new: Vec<Enrolment>) -> Result<(), OfficeError> {
        let bytes = serde_json::to_vec(&new).unwrap_or_default();
        durable::write_atomic(&self.file, &bytes)?;
        *waiting = new;
        Ok(())
    }

    pub async fn decide(&self, order: KeyOrder) -> Result<Decided, OfficeError> {
        let entry = {
            let _turn = self.turn.lock().await;
            match &order.verdict {
                KeyVerdict::Confirm { words } => self.confirm(&order, words).await?,
                KeyVerdict::Remove => self.remove(&order).await?,
            }
        };
        let published = self.acts.is_published(entry, PUBLISHED_WITHIN).await;
        Ok(Decided {
            entry,
            published,
            repeated: false,
        })
    }

    async fn confirm(&self, order: &KeyOrder, words: &str) -> Result<u64, OfficeError> {
        let person = order.person.clone();
        if person == order.operator {
            return Err(OfficeError::OwnKey { person });
        }
        let enrolment = {
            let waiting = self.waiting.lock();
            let mut found = waiting.iter().filter(|it| it.person == person);
            found.next().cloned()
        };
        let Some(enrolment) = enrolment else {
            return Err(OfficeError::NoEnrolment { person });
        };
        let (key, fingerprint) = read_key(&enrolment.key)?;
        if !are_words_of(words, &fingerprint) {
            return Err(OfficeError::WordsDiffer { person });
        }
        let earlier = self.acts.person(&person);
        let added = PersonAdded {
            person,
            key,
            fingerprint,
            roles: enrolment.roles.clone(),
            stations: enrolment.stations.clone(),
            outside: None,
            supersedes: earlier.map(|(entry, _)| self.acts.reference(entry)),
            by: self.decider(order)?,
        };
        let entry = self.acts.enter(Event::PersonAdded(Box::new(added))).await?;
        tokio::task::block_in_place(|| {
            let mut waiting = self.waiting.lock();
            let mut new = waiting.clone();
            new.retain(|other| *other != enrolment);
            self.save(&mut waiting, new)
        })?;
        Ok(entry)
    }

    async fn remove(&self, order: &KeyOrder) -> Result<u64, OfficeError> {
        let person = order.person.clone();
        let Some((entry, added)) = self.acts.person(&person) else {
            return Err(OfficeError::NotInBook { person });
        };
        let removed = PersonRemoved {
            person,
            fingerprint: added.fingerprint,
            outside: false,
            supersedes: self.acts.reference(entry),
            by: self.decider(order)?,
        };
        self.acts
            .enter(Event::PersonRemoved(Box::new(removed)))
            .await
    }

    fn decider(&self, order: &KeyOrder) -> Result<Decider, OfficeError> {
        let reason = tokio::task::block_in_place(|| self.acts.keep_text(&order.reason))?;
        Ok(Decider {
            operator: order.operator.clone(),
            peer: order.peer.clone(),
            reason_sha256: reason,
        })
    }
}

/// The key in our own PEM, and its fingerprint. Only P-384 is a person's.
pub(super) fn read_key(pem: &str) -> Result<(String, String), OfficeError> {
    let recipient = Recipient::from_pem(pem)
        .ok()
        .filter(|_| pem.len() <= KEY_MAX);
    let recipient = recipient.ok_or(OfficeError::KeyUnfit)?;
    let fingerprint = recipient.fingerprint();
    if !fingerprint.starts_with("p384:") {
        return Err(OfficeError::KeyUnfit);
    }
    let pem = recipient.to_pem().map_err(|_| OfficeError::KeyUnfit)?;
    Ok((pem, fingerprint))
}

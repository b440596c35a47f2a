//! The key desk: seals an item's key to a person's own key, or to the recipient of a share, when an act in the office's published
//! log grants it.
//!
//! It runs on a machine of its own, holds one recipient's private key, and reads no originals. It believes nothing but entries that
//! lie below a checkpoint that the office's key has signed, in a log that only grew since it looked last. So a role is a matter of
//! keys: whoever is not in the address book, or has not given a reason there, opens nothing.

mod address_book;
mod error;
mod grants;
mod record;

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::Context as _;
use jiff::Timestamp;
use sd_notify::NotifyState;
use tokio::runtime::Handle;
use tokio::signal::unix::{SignalKind, signal};

use crate::audit::{Checkpoint, LogSource as _, NextEntries, ReadPrefix, VerifierKey};
use crate::config::{KeyDeskConfig, Secrets};
use crate::model::{BucketLayout, Entry, EvidenceId, Explain as _, Part, RetryClass, StationName};
use crate::publish::BucketLog;
use crate::seal::{ItemKey, RecipientKey, open_item_key};
use crate::upload::{Body, S3Store, Store, StoreConfig};

pub use error::KeyDeskError;

use address_book::AddressBook;
use grants::Grant;
use record::Record;

/// Entries that are read before the record is written, in bytes.
const AT_A_TIME: usize = 4 << 20;
/// Far longer than an item-key message with as many recipients as there can be.
const MESSAGE_MAX: u64 = 64 << 10;

/// Follows the office's log until SIGTERM or Ctrl-C.
pub async fn run(config: KeyDeskConfig) -> anyhow::Result<()> {
    // A stop in the middle of the start is one in order, too.
    let (mut end, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    let mut desk = Desk::open(&config)?;
    tracing::info!(office = %config.office, recipient = desk.key.public().fingerprint(), "the key desk follows the office's log");
    let _ = sd_notify::notify(&[NotifyState::Ready]);
    let mut last = None;
    loop {
        let looked = tokio::task::block_in_place(|| desk.look());
        let label = looked.as_ref().err().map(KeyDeskError::label);
        if let Err(error) = &looked
            && last != label
        {
            warn(error, "the key desk cannot go on with the office's log");
        }
        last = label;
        tokio::select! {
            () = tokio::time::sleep(config.interval) => {},
            _ = end.recv() => break,
            _ = interrupt.recv() => break,
        }
    }
    let _ = sd_notify::notify(&[NotifyState::Stopping]);
    tracing::info!("the key desk has stopped");
    Ok(())
}

fn warn(error: &KeyDeskError, what: &str) {
    tracing::warn!(
        code = error.label(),
        error = error as &dyn std::error::Error,
        next_step = error.next_step(),
        "{what}"
    );
}

/// The key that the configuration names for the office's log.
pub fn office_key(config: &KeyDeskConfig) -> Result<VerifierKey, KeyDeskError> {
    config
        .office_log_key
        .parse()
        .map_err(KeyDeskError::OfficeKey)
}

/// The recipient's private key.
pub fn recipient_key(config: &KeyDeskConfig) -> anyhow::Result<RecipientKey> {
    let pem = Secrets::from_environment().recipient_key(config)?;
    Ok(RecipientKey::from_pem(&pem)?)
}

pub fn open_store(config: &KeyDeskConfig) -> anyhow::Result<S3Store> {
    let keys = Secrets::from_environment().store_of(&config.store)?;
    S3Store::new(&StoreConfig::of(&config.store, keys)).context("cannot set up the store's client")
}

struct Desk {
    config: KeyDeskConfig,
    office: VerifierKey,
    key: RecipientKey,
    store: Arc<dyn Store>,
    record: Record,
    runtime: Handle,
    /// Acts after the record that are done with, while others beside them wait for the store.
    done: BTreeSet<u64>,
}

impl Desk {
    fn open(config: &KeyDeskConfig) -> anyhow::Result<Self> {
        let office = office_key(config)?;
        Ok(Self {
            key: recipient_key(config)?,
            store: Arc::new(open_store(config)?),
            record: Record::open(&config.state_dir, &office)?,
            runtime: Handle::current(),
            config: config.clone(),
            office,
            done: BTreeSet::new(),
        })
    }

    /// Reads what is new in the office's log, and does what it grants. Blocks.
    fn look(&mut self) -> Result<(), KeyDeskError> {
        let source = BucketLog {
            store: Arc::clone(&self.store),
            layout: self.layout(&self.config.office),
            runtime: self.runtime.clone(),
        };
        let Some(note) = source.read("checkpoint")? else {
            return Err(KeyDeskError::NoLog);
        };
        let now = self.office.open(&String::from_utf8_lossy(&note))?;
        let mut at_the_end = None;
        loop {
            match self.record.prefix.read_on(&source, &now, AT_A_TIME)? {
                NextEntries::NoneLeft => return Ok(()),
                NextEntries::OtherLog => return Err(KeyDeskError::OtherLog),
                NextEntries::Unfit => return Err(KeyDeskError::Unfit),
                NextEntries::Proven(next) => {
                    let mut after = self.record.clone();
                    let mut asked = Vec::new();
                    for (index, bytes) in next.iter() {
                        // What this version does not understand grants nothing.
                        let Ok(entry) = serde_json::from_slice::<Entry>(bytes) else {
                            continue;
                        };
                        if entry.station == self.config.office {
                            after.book.see(&entry);
                            asked.extend(grants::asked(index, entry));
                        }
                    }
                    // By the book at the end of what is published: who was removed meanwhile gets nothing.
                    let book = match &mut at_the_end {
                        Some(book) => book,
                        none => none.insert(self.read_ahead(
                            &source,
                            &now,
                            &next.prefix,
                            &after.book,
                        )?),
                    };
                    // An item that has to wait keeps nobody else's from being opened.
                    let mut waits = None;
                    for act in asked {
                        if self.done.contains(&act.index) {
                            continue;
                        }
                        match book.grant(&act, Timestamp::now()) {
                            Ok(grant) => {
                                if let Err(error) = self.serve(&grant) {
                                    waits = Some(error);
                                    continue;
                                }
                            }
                            Err(why) => {
                                let (index, evidence) = (act.index, act.evidence);
                                let error = KeyDeskError::Refused {
                                    index,
                                    evidence,
                                    why,
                                };
                                warn(&error, "an item key is not sealed to somebody");
                            }
                        }
                        self.done.insert(act.index);
                    }
                    if let Some(error) = waits {
                        return Err(error);
                    }
                    self.done.clear();
                    after.prefix = next.prefix;
                    after.save(&self.config.state_dir, &self.office)?;
                    self.record = after;
                }
            }
        }
    }

    /// The address book after all entries behind `read`, of which nothing is kept.
    fn read_ahead(
        &self,
        source: &BucketLog,
        now: &Checkpoint,
        read: &ReadPrefix,
        book: &AddressBook,
    ) -> Result<AddressBook, KeyDeskError> {
        let (mut read, mut book) = (read.clone(), book.clone());
        loop {
            match read.read_on(source, now, AT_A_TIME)? {
                NextEntries::NoneLeft => return Ok(book),
                NextEntries::OtherLog => return Err(KeyDeskError::OtherLog),
                NextEntries::Unfit => return Err(KeyDeskError::Unfit),
                NextEntries::Proven(next) => {
                    for (_, bytes) in next.iter() {
                        if let Ok(entry) = serde_json::from_slice::<Entry>(bytes)
                            && entry.station == self.config.office
                        {
                            book.see(&entry);
                        }
                    }
                    read = next.prefix;
                }
            }
        }
    }

    /// Seals the item's key to the person. What passes by itself is tried again until the act is too old.
    fn serve(&self, grant: &Grant) -> Result<(), KeyDeskError> {
        match self.seal(grant) {
            Err(error) if error.retry_class() == RetryClass::Later => Err(error),
            Err(error) => {
                warn(&error, "an item key cannot be sealed to somebody");
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    fn seal(&self, grant: &Grant) -> Result<(), KeyDeskError> {
        let (station, evidence) = (&grant.station, grant.evidence);
        let office = self.layout(&self.config.office);
        let target = match grant.share {
            None => office.share(grant.index, evidence),
            Some(share) => office.shared_key(share, evidence),
        };
        let name = self.layout(station).object(evidence, Part::ItemKey);
        let sealed = self.runtime.block_on(self.store.get(&name, MESSAGE_MAX))?;
        let sealed = sealed.ok_or(KeyDeskError::NoItemKey { evidence })?;
        let (key, camera) = self.open_key(&sealed, station, evidence)?;
        let unfit = |source| KeyDeskError::ItemKey { evidence, source };
        let message = match grant.share {
            None => {
                let to = std::slice::from_ref(&grant.key);
                key.seal_to(to, evidence, station.as_str(), &camera)
            }
            Some(share) => key.seal_to_share(share, &grant.key, evidence, station.as_str()),
        };
        let message = message.map_err(unfit)?;
        let put = self.store.put_once(&target, Body::new(message), None);
        // One that is there was made before this desk could write down that it had.
        self.runtime.block_on(put)?;
        tracing::info!(person = grant.to, %evidence, act = grant.index, "an item key was sealed to a person");
        Ok(())
    }

    /// The item's own key, and the camera that its message names.
    fn open_key(
        &self,
        sealed: &[u8],
        station: &StationName,
        evidence: EvidenceId,
    ) -> Result<(ItemKey, String), KeyDeskError> {
        let opened = open_item_key(sealed, &self.key, evidence);
        let opened = opened.map_err(|source| KeyDeskError::ItemKey { evidence, source })?;
        if opened.station != station.as_str() {
            return Err(KeyDeskError::OtherStation { evidence });
        }
        Ok((opened.key, opened.camera))
    }

    fn layout(&self, station: &StationName) -> BucketLayout {
        BucketLayout::new(self.config.store.prefix.clone(), station.clone())
    }
}

//! The office's log in the bucket, read on and believed only below its signed checkpoint, and as far as a witness has cosigned it.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::runtime::Handle;

use super::DisposerError;
use super::item_acts::OfficeActs;
use super::record::Record;
use crate::audit::{
    Checkpoint, LogGrowth, LogSource as _, NextEntries, ReadPrefix, VerifierKey, WitnessKey, growth,
};
use crate::config::DisposerConfig;
use crate::model::{BucketLayout, StationName};
use crate::publish::BucketLog;
use crate::upload::{S3Store, Store, each_page};

/// Entries that are read before they are taken in, in bytes.
const AT_A_TIME: usize = 4 << 20;
const NOTE_MAX: u64 = 64 << 10;

/// Another office that cosigns this office's log.
pub struct Cosigner {
    office: StationName,
    key: WitnessKey,
}

pub struct OfficeLog {
    office: StationName,
    key: VerifierKey,
    cosigner: Option<Cosigner>,
    store: Arc<dyn Store>,
    source: BucketLog,
    prefix: String,
    runtime: Handle,
    /// What was read since the start.
    read: ReadPrefix,
    pub acts: OfficeActs,
    pub record: Record,
    dir: std::path::PathBuf,
    /// Entries below the newest checkpoint that the witness has cosigned.
    pub cosigned: Option<u64>,
}

impl OfficeLog {
    pub fn open(config: &DisposerConfig, store: &S3Store) -> Result<Self, DisposerError> {
        let key: VerifierKey = config.office_log_key.parse().map_err(DisposerError::Key)?;
        let cosigner = config.witness.as_ref().map(|witness| {
            Ok::<_, DisposerError>(Cosigner {
                office: witness.office.clone(),
                key: witness.key.parse().map_err(DisposerError::Key)?,
            })
        });
        let cosigner = cosigner.transpose()?;
        let (runtime, store): (_, Arc<dyn Store>) = (Handle::current(), Arc::new(store.clone()));
        let layout = BucketLayout::new(config.store.prefix.clone(), config.office.clone());
        Ok(Self {
            office: config.office.clone(),
            cosigned: cosigner.as_ref().map(|_| 0),
            cosigner,
            source: BucketLog {
                store: Arc::clone(&store),
                layout,
                runtime: runtime.clone(),
            },
            store,
            prefix: config.store.prefix.clone(),
            runtime,
            read: ReadPrefix::default(),
            acts: OfficeActs::default(),
            record: Record::open(&config.state_dir, &key)?,
            dir: config.state_dir.clone(),
            key,
        })
    }

    /// Takes in all that is published now, and returns its checkpoint. Without the newest one nothing is known, so an error lets nothing
    /// go. What was cosigned before still is, since the log only grows. Blocks.
    pub fn read_on(&mut self) -> Result<Checkpoint, DisposerError> {
        let Some(note) = self.source.read("checkpoint")? else {
            return Err(DisposerError::NoLog);
        };
        let now = self.key.open(&String::from_utf8_lossy(&note))?;
        // What an earlier run has read has to be the beginning of this log, too.
        if self.read.size() < self.record.prefix.size() {
            match self.record.prefix.read_on(&self.source, &now, 1)? {
                NextEntries::NoneLeft | NextEntries::Proven(_) => {}
                NextEntries::OtherLog => return Err(DisposerError::OtherLog),
                NextEntries::Unfit => return Err(DisposerError::Unfit),
            }
        }
        loop {
            match self.read.read_on(&self.source, &now, AT_A_TIME)? {
                NextEntries::NoneLeft => break,
                NextEntries::OtherLog => return Err(DisposerError::OtherLog),
                NextEntries::Unfit => return Err(DisposerError::Unfit),
                NextEntries::Proven(next) => {
                    for (index, bytes) in next.iter() {
                        self.acts.see(&self.office, index, bytes);
                    }
                    self.read = next.prefix;
                }
            }
        }
        self.keep()?;
        Ok(now)
    }

    /// Keeps how far the log was read, and which approvals were seen.
    fn keep(&mut self) -> Result<(), DisposerError> {
        let now = Timestamp::now();
        let mut seen = std::mem::take(&mut self.record.seen);
        let before = seen.len();
        let approved: std::collections::BTreeSet<u64> = self.acts.approvals().collect();
        seen.retain(|index, _| approved.contains(index));
        let mut changed = seen.len() != before;
        for index in approved {
            seen.entry(index).or_insert_with(|| {
                changed = true;
                now
            });
        }
        self.record.seen = seen;
        if changed || self.record.prefix != self.read {
            self.record.prefix = self.read.clone();
            self.record.save(&self.dir, &self.key)?;
        }
        Ok(())
    }

    /// Finds the largest checkpoint below `now` that the witness has cosigned, and proves that the log only grew from there.
    pub fn see_cosigned(&mut self, now: &Checkpoint) -> Result<(), DisposerError> {
        let Some(cosigner) = &self.cosigner else {
            return Ok(());
        };
        let folder = format!(
            "{}witness/{}/{}/",
            self.prefix, cosigner.office, self.office
        );
        let known = self.cosigned.unwrap_or(0);
        let mut largest: Option<(u64, String)> = None;
        let listed = each_page(&*self.store, &folder, |page| {
            for object in page {
                let name = object.key.strip_prefix(&folder);
                let size = name.and_then(|name| name.split_once('-')?.0.parse::<u64>().ok());
                if let Some(size) = size.filter(|size| *size > known && *size <= now.size)
                    && largest.as_ref().is_none_or(|(largest, _)| *largest < size)
                {
                    largest = Some((size, object.key));
                }
            }
            Ok::<_, DisposerError>(())
        });
        self.runtime.block_on(listed)?;
        let Some((_, key)) = largest else {
            return Ok(());
        };
        let note = self.runtime.block_on(self.store.get(&key, NOTE_MAX))?;
        let Some(note) = note else { return Ok(()) };
        let note = String::from_utf8_lossy(&note);
        let checkpoint = self.key.open(&note)?;
        if cosigner.key.cosigned(&note)?.is_none() {
            return Ok(());
        }
        match growth(&self.source, &checkpoint, now)? {
            LogGrowth::Grown(_) => {
                self.cosigned = Some(checkpoint.size);
                Ok(())
            }
            LogGrowth::Rewritten => Err(DisposerError::OtherLog),
            LogGrowth::TilesUnfit => Err(DisposerError::Unfit),
        }
    }
}

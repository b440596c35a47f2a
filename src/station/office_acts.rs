//! What an office that camdock.toml believes says about this station's items: which of them were deleted by rule (promise 12).
//!
//! It reads the office's log in the bucket, each entry proven below the checkpoint that the office's key has signed, and notes in the journal
//! what kept the rule and is about an item that the journal has as stored, taken in at that very time. Nothing waits for it: intake
//! asks the journal alone, and what is not known there is an item like any other.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::audit::{
    Disposal, DisposalHistory, LogSource as _, NextEntries, ReadPrefix, VerifierKey,
};
use crate::config::{Config, TrustedOffice};
use crate::durable;
use crate::ingest::{IngestError, Shared};
use crate::model::{BucketLayout, Entry, Event, Explain as _, ItemState, Part, StationName};
use crate::publish::BucketLog;
use crate::upload::Store;

/// Entries that are read before they are taken in, in bytes.
const AT_A_TIME: usize = 1 << 20;
const EVERY: Duration = Duration::from_mins(10);
const CALL: &str = "Change nothing in the bucket, run `camdock office acts` on the office, and call the evidence manager.";

pub struct OfficeActs {
    shared: Arc<Shared>,
    office: StationName,
    /// Entries of its log that count; `None`: all of them.
    entries: Option<u64>,
    key: VerifierKey,
    source: BucketLog,
    /// What was read since the start.
    read: ReadPrefix,
    history: DisposalHistory,
    /// Read, and not noted yet.
    pending: VecDeque<Disposal>,
    /// What was told last, so that it is told once.
    told: Option<&'static str>,
}

/// Tests cannot wait for minutes.
fn every() -> Duration {
    #[cfg(debug_assertions)]
    if let Some(milliseconds) = crate::failpoint::number("CAMDOCK_TEST_OFFICE_ACTS_EVERY") {
        return Duration::from_millis(milliseconds);
    }
    EVERY
}

impl OfficeActs {
    /// One for each office that is believed.
    pub fn new(
        config: &Config,
        shared: &Arc<Shared>,
        store: &Arc<dyn Store>,
    ) -> anyhow::Result<Vec<Self>> {
        let offices = config.offices.iter();
        offices
            .map(|it| Self::of(config, it, shared, store))
            .collect()
    }

    fn of(
        config: &Config,
        office: &TrustedOffice,
        shared: &Arc<Shared>,
        store: &Arc<dyn Store>,
    ) -> anyhow::Result<Self> {
        let key = office.log_key.parse();
        let prefix = config.store.prefix.clone();
        Ok(Self {
            shared: Arc::clone(shared),
            key: key.with_context(|| {
                format!("`log_key` of {} in camdock.toml is no log key", office.name)
            })?,
            source: BucketLog {
                store: Arc::clone(store),
                layout: BucketLayout::new(prefix, office.name.clone()),
                runtime: Handle::current(),
            },
            read: ReadPrefix::default(),
            history: DisposalHistory::new(office.name.clone(), shared.station.clone()),
            pending: VecDeque::new(),
            office: office.name.clone(),
            entries: office.entries,
            told: None,
        })
    }

    /// Reads on until `stopped`. A store that does not answer holds nothing up, not even the end.
    pub async fn run(mut self, mut stopped: watch::Receiver<bool>) {
        loop {
            let looked = tokio::task::spawn_blocking(move || {
                self.look();
                self
            });
            tokio::select! {
                looked = looked => match looked {
                    Ok(this) => self = this,
                    Err(_) => return,
                },
                _ = stopped.changed() => return,
            }
            tokio::select! {
                () = tokio::time::sleep(every()) => {}
                _ = stopped.changed() => return,
            }
        }
    }

    fn look(&mut self) {
        let told = match self.read_on() {
            Ok(None) => None,
            Ok(Some(what)) => {
                let code = "office_log_wrong";
                if self.told != Some(code) {
                    tracing::error!(code, office = %self.office, next_step = CALL, "{what}; none of its newer acts counts here");
                }
                Some(code)
            }
            Err(error) => {
                if self.told != Some(error.label()) {
                    tracing::warn!(code = error.label(), office = %self.office, error = &error as &dyn std::error::Error,
                        next_step = error.next_step(), "the office's log cannot be read; what it says of this station's items waits");
                }
                Some(error.label())
            }
        };
        self.told = told;
    }

    /// Takes in all that is published now; in words what is wrong with the log.
    fn read_on(&mut self) -> Result<Option<&'static str>, IngestError> {
        let Some(note) = self.source.read("checkpoint")? else {
            return Ok(None);
        };
        let Ok(now) = self.key.open(&String::from_utf8_lossy(&note)) else {
            return Ok(Some("the office's checkpoint is not signed by its key"));
        };
        loop {
            while let Some(disposal) = self.pending.front() {
                self.note(disposal)?;
                self.pending.pop_front();
            }
            if self.shared.stopping() {
                return Ok(None);
            }
            match self.read.read_on(&self.source, &now, AT_A_TIME)? {
                NextEntries::NoneLeft => return Ok(None),
                NextEntries::OtherLog => {
                    return Ok(Some("the office's log is not the one that was read before"));
                }
                NextEntries::Unfit => {
                    return Ok(Some(
                        "the entries of the office's log do not lead to its signed root",
                    ));
                }
                NextEntries::Proven(next) => {
                    for (index, bytes) in next.iter() {
                        if self.entries.is_none_or(|entries| index < entries) {
                            self.history.see(index, bytes);
                        }
                    }
                    self.pending.extend(self.history.take_fresh());
                    self.read = next.prefix;
                }
            }
        }
    }

    /// Notes a deletion, and lets the copies here go: the spool file by the queue of uploads, as any that nothing needs.
    fn note(&self, disposal: &Disposal) -> Result<(), IngestError> {
        let (shared, act) = (&*self.shared, &disposal.act);
        let id = act.evidence;
        let Some(row) = shared.journal.item(id)? else {
            return Ok(());
        };
        let stored = matches!(row.state, ItemState::Stored | ItemState::Released);
        let sealed = row.sealed.as_ref();
        let entry =
            sealed.and_then(|sealed| serde_json::from_slice::<Entry>(&sealed.manifest).ok());
        let is_it = entry.is_some_and(|entry| {
            let of_it = matches!(&entry.event, Event::ItemSealed(sealed) if sealed.evidence == id);
            of_it && entry.time.as_millisecond() == act.sealed.as_millisecond()
        });
        if !stored || !is_it {
            tracing::error!(code = "disposal_against_rule", evidence = %id, entry = disposal.at.index, next_step = CALL,
                "the office says that an item was deleted which this station has not stored, or took in at another time: it is not believed");
            return Ok(());
        }
        let disposal = disposal.noted();
        if shared.journal.disposal(id)?.as_ref() == Some(&disposal) {
            return Ok(());
        }
        shared.journal.mark_disposed(id, &disposal)?;
        for part in [Part::Storyboard, Part::Preview] {
            durable::remove(&shared.spool.preview(id, part))?;
        }
        tracing::info!(evidence = %id, path = %row.facts.path, %disposal, "an item was deleted by rule; its copies here go");
        shared.wake_upload.notify_one();
        Ok(())
    }
}

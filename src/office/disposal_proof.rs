//! The proof that an item was deleted by rule: entries of its station's log and of the office's, each with the proof that it lies below a
//! signed checkpoint. The store is asked once more before anything is said.

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use tokio::runtime::Handle;

use super::disclosure::disclose;
use super::disposals::see_gone;
use super::index::Index;
use super::{OfficeError, acts, open_store};
use crate::audit::{DisposalHistory, EntryReader, LogSource as _};
use crate::config::OfficeConfig;
use crate::model::{Entry, EvidenceId, StationName};
use crate::publish::BucketLog;
use crate::upload::Store;

const PROVES: [&str; 4] = [
    "The station's log has item.sealed and item.stored: the item existed, with this digest and these times, and was stored.",
    "The office's log has the proposal and the approval: by which rule it went, and under which two names that was decided.",
    "The office's log has item.disposed: the office asked the store for every version that is named there, and for everything below the item's name, and the store said that none of it was there.",
    "The store was asked once more when this file was written, and said the same.",
];
/// Where a person said by which class the item stays.
const PROVES_CLASS: &str = "The office's log has the class of the item, the proposal and the approval: by which rule it went, and under which two names that was decided.";
const DOES_NOT_PROVE: [&str; 5] = [
    "That the store's answers were true: a store can keep what it calls gone.",
    "That nobody has a copy: whoever opened, packed or shared the item before may have kept it, and the store's operators may have backups.",
    "Who sat at the keyboard: the names are those that the office attests.",
    "That the clocks of station and office were right.",
    "What the item showed. Reasons and notes stand in the log as salted digests alone, and their texts are gone, too.",
];

/// Goes into the file as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DisposalProof {
    pub v: u8,
    pub station: StationName,
    pub evidence: EvidenceId,
    pub written_at: Timestamp,
    pub proves: [&'static str; 4],
    pub does_not_prove: [&'static str; 5],
    /// The key that cosigned the station's log, and those that signed the two logs: to be compared with what came by another way.
    pub witness_key: String,
    pub station_key: String,
    pub office_key: String,
    pub station_entries: Vec<ProvenEntry>,
    pub office_entries: Vec<ProvenEntry>,
}

/// An entry's exact bytes, and the C2SP tlog-proof that it is in its log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProvenEntry {
    pub index: u64,
    pub event: String,
    pub entry: String,
    pub proof: String,
}

impl ProvenEntry {
    fn of(index: u64, bytes: Vec<u8>, proof: String) -> Self {
        let entry = String::from_utf8_lossy(&bytes).into_owned();
        let event = serde_json::from_str::<Entry>(&entry).ok();
        Self {
            index,
            event: event.map_or_else(String::new, |entry| entry.event.name().to_owned()),
            entry,
            proof,
        }
    }
}

/// Gathers everything from the index and the logs in the bucket. Blocks, and must not be called by a task.
pub fn prove_disposed(
    config: &OfficeConfig,
    runtime: &Handle,
    evidence: EvidenceId,
) -> anyhow::Result<DisposalProof> {
    let s3 = open_store(config)?;
    let store: Arc<dyn Store> = Arc::new(s3.clone());
    let mut disclosure = disclose(config, &store, runtime, &[evidence], true)?;
    let not_disposed = || OfficeError::NotDisposed { item: evidence };
    let (item, log) = disclosure
        .items
        .pop()
        .zip(disclosure.logs.pop())
        .ok_or_else(not_disposed)?;
    let station = item.item.station;
    let index = Index::open_read_only(&config.index())?.ok_or_else(not_disposed)?;

    let key = acts::log_verifier(config)?;
    let source = BucketLog {
        store: Arc::clone(&store),
        layout: config.bucket_layout(),
        runtime: runtime.clone(),
    };
    let note = source.read("checkpoint").map_err(OfficeError::from)?;
    let note = note.map(|note| String::from_utf8_lossy(&note).into_owned());
    let note = note.unwrap_or_default();
    let checkpoint = key.open(&note).map_err(OfficeError::from)?;
    let mut reader = EntryReader::new(&source, &checkpoint);
    let mut office_entries = Vec::new();
    // What the log says counts, and not the index.
    let mut history = DisposalHistory::new(config.name.clone(), station.clone());
    // Whoever only looked is named nowhere here.
    for entry in index.keeping_acts_of(&station, evidence)? {
        let (bytes, proof) = reader.receipt(entry, &note).map_err(OfficeError::from)?;
        history.see(entry, &bytes);
        office_entries.push(ProvenEntry::of(entry, bytes, proof));
    }
    let (mut said, wrong) = history.finish();
    let disposal = said.remove(&evidence).ok_or_else(not_disposed)?;
    if let Some((item, what)) = wrong.into_iter().next() {
        return Err(OfficeError::AgainstRule { item, what }.into());
    }
    let layout = config.layout_of(&station);
    runtime.block_on(see_gone(&s3, &layout, evidence, &disposal.act.versions))?;
    let mut proves = PROVES;
    if office_entries
        .iter()
        .any(|it| it.event == "item.classified")
    {
        proves[1] = PROVES_CLASS;
    }
    let of_station = item.entries.into_iter();
    Ok(DisposalProof {
        v: 1,
        station,
        evidence,
        written_at: Timestamp::now(),
        proves,
        does_not_prove: DOES_NOT_PROVE,
        witness_key: disclosure.witness.key,
        station_key: log.key,
        office_key: key.to_string(),
        station_entries: of_station
            .map(|entry| ProvenEntry::of(entry.index, entry.bytes, entry.proof))
            .collect(),
        office_entries,
    })
}

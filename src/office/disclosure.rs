//! What leaves the office with an item in a court pack: the entries of its station's log that are about it alone, each with its proof.
//!
//! An entry cannot be blacked out without breaking its proof. So one that also tells of other recordings, or that names people who
//! only looked at this one, stays here.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::runtime::Handle;

use super::index::Index;
use super::witness::{Cosigned, WitnessedLog};
use super::{OfficeError, open_witness, station_key};
use crate::audit::EntryReader;
use crate::config::{FollowedStation, OfficeConfig};
use crate::model::{
    CameraDocked, Entry, Event, EvidenceId, ImportDeclared, ItemSealed, ItemStored, Officer,
    OperatorAction, Part, PreviewMade, PreviewOutcome, SessionId, StationName,
};
use crate::pack::{Decided, PackDecision, PackItem, PackLog, PackPart, PackWitness};
use crate::publish::BucketLog;
use crate::upload::Store;

/// Of one item. No honest item has as many.
const ENTRIES_MAX: usize = 2000;

/// Everything for a pack but the opened objects.
pub struct Disclosure {
    pub witness: PackWitness,
    pub logs: Vec<PackLog>,
    pub items: Vec<DisclosedItem>,
}

pub struct DisclosedItem {
    pub item: PackItem,
    pub entries: Vec<DisclosedEntry>,
    pub objects: Vec<SealedObject>,
    /// Entries about it that are not disclosed.
    pub left_out: usize,
}

/// The exact bytes, and the C2SP tlog-proof that they lie below the log's checkpoint.
pub struct DisclosedEntry {
    pub index: u64,
    pub bytes: Vec<u8>,
    pub proof: String,
}

/// A sealed object as the log has it.
pub struct SealedObject {
    pub part: Part,
    pub version: Option<String>,
    pub part_size: Option<u64>,
    pub checksum: String,
}

/// Gathers these items, restricted ones where they are asked for from the index and the logs in the bucket. Blocks, and must not be called by a task.
pub fn disclose(
    config: &OfficeConfig,
    store: &Arc<dyn Store>,
    runtime: &Handle,
    ids: &[EvidenceId],
    restricted: bool,
) -> anyhow::Result<Disclosure> {
    let index = Index::open_read_only(&config.index())?;
    let witness = open_witness(config)?;
    let mut disclosure = Disclosure {
        witness: PackWitness {
            key: witness.public().to_string(),
        },
        logs: Vec::new(),
        items: Vec::new(),
    };
    for id in ids {
        let (station, entries) = found(config, index.as_ref(), *id)?;
        let shown = index.as_ref().map_or(Ok(false), |index| {
            index.has_item(&station.name, *id, restricted)
        });
        if !shown? {
            return Err(OfficeError::UnknownItem { item: *id }.into());
        }
        let key = station_key(station)?;
        let latest = witness.log(key.name()).and_then(WitnessedLog::latest);
        let Some(Cosigned {
            checkpoint,
            note,
            at,
        }) = latest
        else {
            return Err(OfficeError::NoLog {
                station: station.name.clone(),
            }
            .into());
        };
        let source = BucketLog {
            store: Arc::clone(store),
            layout: config.layout_of(&station.name),
            runtime: runtime.clone(),
        };
        let mut reader = EntryReader::new(&source, &checkpoint);
        let mut read = Vec::new();
        for index in entries {
            let (bytes, proof) = reader.receipt(index, &note).map_err(OfficeError::from)?;
            read.push(DisclosedEntry {
                index,
                bytes,
                proof,
            });
        }
        let mut disclosed = disclosed(&station.name, *id, read)?;
        let decisions = index
            .as_ref()
            .map(|index| index.decisions_of(&station.name, *id));
        for (index, entry) in decisions.transpose()?.unwrap_or_default() {
            heed(&mut disclosed.item, index, entry);
        }
        disclosure.items.push(disclosed);
        if !(disclosure.logs.iter()).any(|log| log.station == station.name) {
            disclosure.logs.push(PackLog {
                station: station.name.clone(),
                key: key.to_string(),
                note,
                size: checkpoint.size,
                root: checkpoint.root,
                cosigned_at: at,
            });
        }
    }
    Ok(disclosure)
}

/// What the office decided holds, whatever the station's log says after it.
fn heed(item: &mut PackItem, entry: u64, act: Entry) {
    let decided = match act.event {
        Event::OfficerReassigned(reassigned) => {
            item.officer = Some(reassigned.officer.clone());
            Decided::Officer(reassigned.officer)
        }
        Event::QuarantineDecided(quarantine) => Decided::Evidence(quarantine.accepted),
        _ => return,
    };
    item.decisions.push(PackDecision {
        entry,
        at: act.time,
        decided,
    });
}

/// The one station of office.toml that took the item, and the entries about it.
fn found<'a>(
    config: &'a OfficeConfig,
    index: Option<&Index>,
    item: EvidenceId,
) -> Result<(&'a FollowedStation, Vec<u64>), OfficeError> {
    let mut found = None;
    for station in &config.stations {
        let entries = index.map(|index| index.entries_of(&station.name, item, ENTRIES_MAX + 1));
        let Some(entries) = entries.transpose()?.flatten() else {
            continue;
        };
        if entries.len() > ENTRIES_MAX {
            let what = format!("more than {ENTRIES_MAX} entries are about it");
            return Err(OfficeError::ItemUnfit { item, what });
        }
        // An id is made once: one of the logs was written by somebody else.
        if found.replace((station, entries)).is_some() {
            let what = "the logs of two stations have it".into();
            return Err(OfficeError::ItemUnfit { item, what });
        }
    }
    found.ok_or(OfficeError::UnknownItem { item })
}

/// What the entries say of the item. The first of a kind counts.
fn disclosed(
    station: &StationName,
    id: EvidenceId,
    read: Vec<DisclosedEntry>,
) -> Result<DisclosedItem, OfficeError> {
    let parsed = |entry: &DisclosedEntry| serde_json::from_slice::<Entry>(&entry.bytes).ok();
    let sealing = read.iter().find_map(|entry| match parsed(entry)? {
        Entry {
            event: Event::ItemSealed(sealed),
            time,
            session,
            ..
        } if sealed.evidence == id => Some((entry.index, time, session, sealed)),
        _ => None,
    });
    let (index, time, session, sealed) = sealing.ok_or(OfficeError::UnknownItem { item: id })?;
    let mut facts = ItemEntries {
        id,
        session,
        officer: sealed.officer.clone(),
        sealed: (index, time, sealed),
        stored: None,
        docked: None,
        imported: None,
        previews: Vec::new(),
    };
    let all = read.len();
    let mut entries = Vec::new();
    for entry in read {
        let Some(content) = parsed(&entry) else {
            continue;
        };
        if facts.takes(entry.index, &content) {
            facts.see(entry.index, content);
            entries.push(entry);
        }
    }
    let stored = facts.stored.ok_or(OfficeError::NotStored { item: id })?;
    let original = PackPart {
        part: Part::Original,
        sha256: facts.sealed.2.sha256,
        size: facts.sealed.2.size,
        entry: facts.sealed.0,
    };
    let mut parts = vec![original];
    let mut objects = vec![SealedObject {
        part: Part::Original,
        version: stored.2.version_id.clone(),
        part_size: stored.2.part_size,
        checksum: stored.2.checksum.clone(),
    }];
    for (entry, part, made) in facts.previews {
        parts.push(PackPart {
            part,
            sha256: made.sha256,
            size: made.size,
            entry,
        });
        objects.push(SealedObject {
            part,
            version: made.version_id,
            part_size: made.part_size,
            checksum: made.checksum,
        });
    }
    Ok(DisclosedItem {
        left_out: all - entries.len(),
        entries,
        objects,
        item: PackItem {
            station: station.clone(),
            evidence: id,
            sealed: facts.sealed,
            stored,
            docked: facts.docked,
            imported: facts.imported,
            officer: facts.officer,
            decisions: Vec::new(),
            parts,
        },
    })
}

struct ItemEntries {
    id: EvidenceId,
    session: Option<SessionId>,
    officer: Option<Officer>,
    sealed: (u64, Timestamp, ItemSealed),
    stored: Option<(u64, Timestamp, ItemStored)>,
    docked: Option<(u64, Timestamp, CameraDocked)>,
    imported: Option<(u64, Timestamp, ImportDeclared)>,
    previews: Vec<(u64, Part, PreviewMade)>,
}

/// Decisions about an item, which change what is said of it.
const DECISIONS: [&str; 3] = ["quarantine.accept", "quarantine.reject", "officer.reassign"];

impl ItemEntries {
    /// Whether the entry is about this item and nothing else.
    fn takes(&self, index: u64, entry: &Entry) -> bool {
        let (_, _, sealed) = &self.sealed;
        let own_session = entry.session.is_some() && entry.session == self.session;
        match &entry.event {
            Event::ItemSealed(e) => e == sealed,
            Event::ItemStored(e) => e.evidence == self.id,
            Event::ItemPreviewed(e) => e.evidence == self.id,
            Event::ItemQuarantined(e) => e.evidence == self.id,
            Event::ItemFailed(e) => e.evidence == Some(self.id),
            Event::ItemHeld(e) => e.files().all(|file| file.evidence == self.id),
            Event::CameraDocked(e) => {
                own_session && e.camera == sealed.camera && e.officer == sealed.officer
            }
            Event::ImportDeclared(e) => {
                own_session
                    && sealed.import.is_some_and(|import| import.entry == index)
                    && Some(&e.camera) == sealed.camera.as_ref()
            }
            Event::CameraUndocked(e) | Event::SessionEnded(e) | Event::ImportEnded(e) => {
                own_session && e.camera == sealed.camera && e.missing.is_empty()
            }
            Event::OperatorAction(e) => {
                e.evidence == Some(self.id) && DECISIONS.contains(&&*e.action)
            }
            _ => false,
        }
    }

    fn see(&mut self, index: u64, entry: Entry) {
        match entry.event {
            Event::ItemStored(stored) => {
                self.stored.get_or_insert((index, entry.time, stored));
            }
            Event::CameraDocked(docked) => {
                self.docked.get_or_insert((index, entry.time, *docked));
            }
            Event::ImportDeclared(declared) => {
                self.imported.get_or_insert((index, entry.time, *declared));
            }
            Event::ItemPreviewed(previewed) => {
                let part = previewed.part;
                let known = self.previews.iter().any(|(_, known, _)| *known == part);
                if let PreviewOutcome::Made(made) = previewed.outcome
                    && matches!(part, Part::Preview | Part::Storyboard)
                    && !known
                {
                    self.previews.push((index, part, *made));
                }
            }
            Event::OperatorAction(OperatorAction {
                officer: Some(officer),
                ..
            }) => self.officer = Some(officer),
            _ => {}
        }
    }
}

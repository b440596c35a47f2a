//! The reference: what the custody log has promised so far, read as an outsider would, and the promises themselves.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::cameras::{self, Device, Version, content};
use super::station::{Verdict, layout};
use super::store::MemoryStore;
use crate::durable;
use crate::ingest::Spool;
use crate::model::{
    BayStatus, BayView, CameraId, DockSessionEnd, Entry, Event, EvidenceId, HeldFile, ItemSealed,
    SessionId, Sha256Digest, SourcePath,
};

/// `Err` with the text unless it holds.
macro_rules! promise {
    ($holds:expr, $($text:tt)+) => {
        if !$holds {
            return Err(format!($($text)+));
        }
    };
}

pub struct ModelItem {
    camera: Option<CameraId>,
    session: SessionId,
    path: SourcePath,
    version: Version,
    sealed_size: u64,
    pub lost: bool,
    pub stored: bool,
}

#[derive(Default)]
pub struct Session {
    device: usize,
    named: BTreeMap<SourcePath, Version>,
    failed: BTreeSet<SourcePath>,
    /// An entry that is not a file.
    refused: bool,
    held: BTreeMap<SourcePath, EvidenceId>,
    ended: bool,
    missing: Vec<SourcePath>,
}

#[derive(Default)]
pub struct Reference {
    read: u64,
    pub items: HashMap<EvidenceId, ModelItem>,
    sessions: HashMap<SessionId, Session>,
    /// Items that a bay showed as safe.
    shown_safe: HashSet<EvidenceId>,
    /// Sealed files that the scenario damaged.
    pub damaged: HashSet<EvidenceId>,
}

/// Where sealed bytes can be.
pub struct SealedPlaces<'a> {
    pub spool: &'a Spool,
    pub store: &'a MemoryStore,
    /// Files of the spool that a power cut would take.
    pub unsynced: &'a dyn Fn(&std::path::Path) -> bool,
}

impl Reference {
    pub const fn read(&self) -> u64 {
        self.read
    }

    pub fn docks(&mut self, session: SessionId, device: usize) {
        let begun = Session {
            device,
            ..Session::default()
        };
        self.sessions.insert(session, begun);
    }

    /// Reads the log's new entries; each must be allowed by those before it.
    pub fn absorb(
        &mut self,
        entries: &[Vec<u8>],
        devices: &[Device],
        store: &MemoryStore,
    ) -> Verdict {
        for bytes in entries {
            self.read += 1;
            let entry: Entry = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
            let Some(session) = entry.session else {
                continue;
            };
            match entry.event {
                Event::ItemSealed(sealed) => self.sealed(session, sealed)?,
                Event::ItemHeld(held) => {
                    for file in held.files() {
                        self.held(session, file)?;
                    }
                }
                Event::ItemFailed(failed) => {
                    if let Some(id) = failed.evidence {
                        let damaged = self.damaged.contains(&id);
                        let Some(item) = self.items.get_mut(&id) else {
                            return Err("an item that never was is lost".into());
                        };
                        promise!(damaged, "{} is given up undamaged", item.path);
                        promise!(!item.stored, "{} is lost, but stored", item.path);
                        item.lost = true;
                    } else if let Some(path) = failed.path {
                        let device = self.docked(session)?.device;
                        promise!(
                            devices[device].troubled.contains(&path),
                            "{path} failed and nothing was wrong with it"
                        );
                        self.docked(session)?.failed.insert(path);
                    } else {
                        self.docked(session)?.refused = true;
                    }
                }
                Event::ItemStored(stored) => {
                    let Some(item) = self.items.get_mut(&stored.evidence) else {
                        return Err("an item that never was is stored".into());
                    };
                    promise!(!item.stored, "{} is stored twice", item.path);
                    promise!(!item.lost, "{} is stored after it was lost", item.path);
                    item.stored = true;
                    let layout = layout();
                    for part in ["original", "manifest.json", "item-key"] {
                        promise!(
                            store.has(&layout.object(stored.evidence, part)),
                            "{} is called stored without its {part}",
                            item.path
                        );
                    }
                }
                Event::CameraDocked(docked) => {
                    let device = self.docked(session)?.device;
                    promise!(
                        docked.camera == cameras::id(device),
                        "another camera docked"
                    );
                }
                Event::CameraUndocked(end) => {
                    let device = self.docked(session)?.device;
                    promise!(
                        !devices[device].present,
                        "a camera that is docked is said to have left"
                    );
                    self.session_ended(session, end)?;
                }
                Event::SessionEnded(end) => self.session_ended(session, end)?,
                Event::InventoryTaken(taken) => {
                    let docked = self.docked(session)?;
                    for file in taken.files {
                        docked.failed.remove(&file.path);
                        docked.named.insert(file.path, (file.size, file.modified));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn docked(&mut self, session: SessionId) -> Result<&mut Session, String> {
        match self.sessions.get_mut(&session) {
            Some(docked) if !docked.ended => Ok(docked),
            Some(_) => Err("something is logged of a session that has ended".into()),
            None => Err("something is logged of a session that never was".into()),
        }
    }

    fn held(&mut self, session: SessionId, held: &HeldFile) -> Verdict {
        let docked = self.docked(session)?;
        let camera = cameras::id(docked.device);
        let Some(item) = self.items.get(&held.evidence) else {
            return Err(format!("{} is held by an item that never was", held.path));
        };
        promise!(!item.lost, "{} is held by an item that was lost", held.path);
        promise!(
            camera.is_some() && item.camera == camera,
            "{} is held by another camera's item",
            held.path
        );
        let same = item.path == held.path && item.version == (held.size, held.modified);
        promise!(
            same && held.modified.is_some(),
            "{} of {:?} is held by {} of {:?}",
            held.path,
            (held.size, held.modified),
            item.path,
            item.version
        );
        let docked = self.docked(session)?;
        docked.held.insert(held.path.clone(), held.evidence);
        Ok(())
    }

    fn sealed(&mut self, session: SessionId, sealed: ItemSealed) -> Verdict {
        let docked = self.docked(session)?;
        let (camera, version) = (cameras::id(docked.device), (sealed.size, sealed.modified));
        let path = sealed.path;
        promise!(
            sealed.camera == camera,
            "{path} is sealed as another camera's"
        );
        promise!(
            docked.named.contains_key(&path),
            "{path} is sealed, but no inventory names it"
        );
        let original = content(docked.device, &path, version);
        promise!(
            sealed.sha256 == Sha256Digest::of(&original),
            "{path} is sealed with another content than it had"
        );
        let again = self.items.values().any(|item| {
            let same = item.path == path && item.version == version && !item.lost;
            same && camera.is_some() && item.camera == camera && version.1.is_some()
        });
        promise!(!again, "{path} is sealed twice");
        let item = ModelItem {
            camera,
            session,
            path,
            version,
            sealed_size: sealed.sealed_size,
            lost: false,
            stored: false,
        };
        let before = self.items.insert(sealed.evidence, item);
        promise!(before.is_none(), "an evidence id is used twice");
        Ok(())
    }

    /// The item that this file of this session is; without a serial or a time nothing of another session counts.
    fn held_by(&self, id: SessionId, path: &SourcePath, version: Version) -> Option<EvidenceId> {
        let session = self.sessions.get(&id)?;
        let camera = cameras::id(session.device);
        let found = self.items.iter().find(|(evidence, item)| {
            let ours = match (&camera, version.1) {
                (Some(_), Some(_)) => item.camera == camera,
                _ => item.session == id,
            };
            // Taken in this session, or named as held in it.
            let named = item.session == id || session.held.get(path) == Some(*evidence);
            ours && named && !item.lost && item.path == *path && item.version == version
        });
        found.map(|(evidence, _)| *evidence)
    }

    fn session_ended(&mut self, id: SessionId, end: DockSessionEnd) -> Verdict {
        let docked = self.docked(id)?;
        let (named, failed) = (docked.named.clone(), docked.failed.clone());
        let count = end.missing_count;
        promise!(
            count >= end.missing.len() as u64 && end.complete <= (count == 0),
            "a session ends complete, with {count} files missing"
        );
        for (path, version) in named {
            let taken = self.held_by(id, &path, version).is_some();
            promise!(
                taken || end.missing.contains(&path),
                "{path} is neither taken nor called missing when its session ends"
            );
            promise!(
                taken || !end.complete,
                "a session is called complete without {path}, {failed:?}"
            );
        }
        let docked = self.docked(id)?;
        docked.ended = true;
        docked.missing = end.missing;
        Ok(())
    }

    fn is_safe(&self, evidence: EvidenceId, places: &SealedPlaces<'_>) -> bool {
        let Some(item) = self.items.get(&evidence) else {
            return false;
        };
        if places.store.has(&layout().object(evidence, "original")) {
            return true;
        }
        let path = places.spool.sealed(evidence);
        let length = std::fs::metadata(&path).map(|found| found.len());
        length.is_ok_and(|length| length == item.sealed_size) && !(places.unsynced)(&path)
    }

    /// A bay must not show anything that is not true.
    pub fn judge(
        &mut self,
        view: &BayView,
        devices: &[Device],
        places: &SealedPlaces<'_>,
    ) -> Verdict {
        let (all_stored, waiting, but_failed) = match &view.status {
            BayStatus::AllStored { .. } => (true, 0, false),
            BayStatus::SafeToRemove {
                waiting_for_store, ..
            } => (false, *waiting_for_store, false),
            BayStatus::NeedsAttention { code, .. } => match code.as_str() {
                "quarantine" | "not_taken" => (false, u64::MAX, false),
                "files_failed" => (false, u64::MAX, true),
                _ => return Ok(()),
            },
            _ => return Ok(()),
        };
        let Some(id) = view.session else {
            return Err("a bay is safe without a session".into());
        };
        let Some(session) = self.sessions.get(&id).filter(|session| !session.ended) else {
            return Err("a bay is safe after its session ended".into());
        };
        let device = &devices[session.device];
        let Some(listed) = &device.listed else {
            return Err("a bay is safe before its camera was listed".into());
        };
        promise!(
            !device.listed_odd || !matches!(view.status, BayStatus::AllStored { .. }),
            "all is stored, but an entry of the camera was not taken"
        );
        promise!(
            session.refused || !device.listed_odd,
            "the log is said to name an entry, and does not"
        );
        let camera = cameras::id(session.device);
        promise!(
            !session.named.is_empty()
                || session.refused
                || !self
                    .items
                    .values()
                    .any(|item| !item.lost && camera.is_some() && item.camera == camera),
            "a camera that has held files shows none, and is called safe"
        );
        let mut unstored = 0;
        let mut safe = Vec::new();
        for (path, version) in listed {
            promise!(
                session.named.get(path) == Some(version),
                "{path} is called safe, but no inventory names it so"
            );
            if but_failed && session.failed.contains(path) {
                continue;
            }
            let Some(evidence) = self.held_by(id, path, *version) else {
                return Err(format!("{path} is called safe, but it is in no log"));
            };
            promise!(
                self.damaged.contains(&evidence) || self.is_safe(evidence, places),
                "{path} is called safe, but it is not on the disk"
            );
            unstored += u64::from(!self.items[&evidence].stored);
            safe.push(evidence);
        }
        promise!(
            !all_stored || unstored == 0,
            "{unstored} files are called stored, and are not"
        );
        promise!(
            unstored <= waiting,
            "{waiting} files are said to wait for the store, of {unstored}"
        );
        self.shown_safe.extend(safe);
        Ok(())
    }

    /// Every item that was shown as safe is still there, whatever happened since.
    pub fn kept(&self, places: &SealedPlaces<'_>) -> Verdict {
        for evidence in self.shown_safe.difference(&self.damaged) {
            promise!(
                self.is_safe(*evidence, places),
                "{} was called safe and is gone",
                self.items[evidence].path
            );
        }
        Ok(())
    }

    /// Files of ended sessions that must still be known as missing.
    pub fn missing(&self) -> impl Iterator<Item = (SessionId, &SourcePath)> {
        self.sessions.iter().flat_map(move |(id, session)| {
            let camera = cameras::id(session.device);
            let open = session.missing.iter().filter(move |path| {
                !self
                    .items
                    .values()
                    .any(|item| item.path == **path && item.camera == camera && camera.is_some())
            });
            open.map(move |path| (*id, path))
        })
    }

    /// A damaged bit in one of the sealed files that wait for the store.
    pub fn damage(&mut self, nth: usize, spool: &Spool) -> Option<EvidenceId> {
        let mut waiting: Vec<EvidenceId> = self
            .items
            .iter()
            .filter(|(_, item)| !item.stored && !item.lost)
            .map(|(id, _)| *id)
            .filter(|id| spool.sealed(*id).exists() && !self.damaged.contains(id))
            .collect();
        waiting.sort_unstable();
        let id = *waiting.get(nth)?;
        let path = spool.sealed(id);
        let mut bytes = std::fs::read(&path).ok()?;
        let last = bytes.len() - 3;
        bytes[last] ^= 1;
        durable::write_unsynced(&path, &bytes).ok()?;
        self.damaged.insert(id);
        Some(id)
    }
}

//! The wrapped item keys of items in flight, each in a slot that is overwritten as soon as its item needs the key no longer.
//!
//! They are not in SQLite, because its write-ahead log keeps old pages: a key that was once in a table would stay on the
//! disk after it is erased there.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use parking_lot::Mutex;

use super::JournalError;
use crate::durable::SlotFile;
use crate::model::EvidenceId;

/// Evidence id(16) ‖ length(1) ‖ wrapped key, and zeros. A free slot is all zeros.
const SLOT: usize = 128;
const KEY_AT: usize = 17;

pub(super) struct KeySlots {
    file: Backing,
    slots: Mutex<Slots>,
}

#[derive(Default)]
struct Slots {
    keys: HashMap<EvidenceId, KeySlot>,
    /// Slots without a key below `end`.
    free: BTreeSet<u64>,
    end: u64,
}

struct KeySlot {
    number: u64,
    wrapped: Vec<u8>,
}

enum Backing {
    File(SlotFile),
    #[cfg(test)]
    Memory(std::sync::Arc<Mutex<Vec<u8>>>),
}

impl KeySlots {
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        Self::over(Backing::File(SlotFile::open(path)?))
    }

    /// Slots that outlive this value under a name, as a file would.
    #[cfg(test)]
    pub fn in_memory(name: &str) -> Result<Self, JournalError> {
        type Named = HashMap<String, std::sync::Arc<Mutex<Vec<u8>>>>;
        static NAMED: Mutex<Option<Named>> = Mutex::new(None);
        let mut named = NAMED.lock();
        let bytes = named.get_or_insert_default().entry(name.to_owned());
        Self::over(Backing::Memory(bytes.or_default().clone()))
    }

    fn over(file: Backing) -> Result<Self, JournalError> {
        let mut slots = Slots::default();
        for (number, slot) in (0..).zip(file.read_all()?.chunks(SLOT)) {
            slots.end = number + 1;
            match parse(slot) {
                Some((id, wrapped)) => {
                    slots.keys.insert(id, KeySlot { number, wrapped });
                }
                None => {
                    slots.free.insert(number);
                }
            }
        }
        Ok(Self {
            file,
            slots: Mutex::new(slots),
        })
    }

    pub fn get(&self, id: EvidenceId) -> Option<Vec<u8>> {
        let slots = self.slots.lock();
        slots.keys.get(&id).map(|slot| slot.wrapped.clone())
    }

    /// The items whose keys are here.
    pub fn ids(&self) -> Vec<EvidenceId> {
        self.slots.lock().keys.keys().copied().collect()
    }

    /// Keeps a key; it is durable after [`Self::sync`].
    pub fn put(&self, id: EvidenceId, wrapped: &[u8]) -> Result<(), JournalError> {
        let mut slots = self.slots.lock();
        let number = match slots.keys.get(&id) {
            Some(slot) => slot.number,
            None => slots.free.first().copied().unwrap_or(slots.end),
        };
        let mut bytes = [0; SLOT];
        let length = u8::try_from(wrapped.len()).ok();
        let (Some(length), Some(space)) = (length, bytes.get_mut(KEY_AT..KEY_AT + wrapped.len()))
        else {
            return Err(JournalError::Corrupt("a wrapped key is too long".into()));
        };
        space.copy_from_slice(wrapped);
        bytes[..16].copy_from_slice(id.as_bytes());
        bytes[16] = length;
        self.file.write(number * SLOT as u64, &bytes)?;
        slots.free.remove(&number);
        slots.end = slots.end.max(number + 1);
        let wrapped = wrapped.to_vec();
        slots.keys.insert(id, KeySlot { number, wrapped });
        Ok(())
    }

    pub fn sync(&self) -> Result<(), JournalError> {
        self.file.sync()
    }

    /// When this returns, the keys are nowhere in the file.
    pub fn erase(&self, ids: &[EvidenceId]) -> Result<(), JournalError> {
        let mut slots = self.slots.lock();
        let numbers: Vec<u64> = ids
            .iter()
            .filter_map(|id| Some(slots.keys.get(id)?.number))
            .collect();
        if numbers.is_empty() {
            return Ok(());
        }
        for number in &numbers {
            self.file.write(number * SLOT as u64, &[0; SLOT])?;
        }
        self.file.sync()?;
        for id in ids {
            slots.keys.remove(id);
        }
        slots.free.extend(numbers);
        Ok(())
    }
}

fn parse(slot: &[u8]) -> Option<(EvidenceId, Vec<u8>)> {
    let (id, rest) = slot.split_first_chunk::<16>()?;
    let (length, rest) = rest.split_first()?;
    let wrapped = rest.get(..usize::from(*length))?;
    (*length > 0).then(|| (EvidenceId::from_bytes(*id), wrapped.to_vec()))
}

impl Backing {
    fn read_all(&self) -> Result<Vec<u8>, JournalError> {
        match self {
            Self::File(file) => Ok(file.read_all()?),
            #[cfg(test)]
            Self::Memory(bytes) => Ok(bytes.lock().clone()),
        }
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), JournalError> {
        match self {
            Self::File(file) => Ok(file.write(offset, bytes)?),
            #[cfg(test)]
            Self::Memory(all) => {
                let mut all = all.lock();
                let from = usize::try_from(offset).unwrap();
                let end = all.len().max(from + bytes.len());
                all.resize(end, 0);
                all[from..from + bytes.len()].copy_from_slice(bytes);
                Ok(())
            }
        }
    }

    fn sync(&self) -> Result<(), JournalError> {
        match self {
            Self::File(file) => Ok(file.sync()?),
            #[cfg(test)]
            Self::Memory(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::journal::{ItemRow, Journal, LoggedItem, StoreProgress, StoredFacts, StoredProof};
    use crate::model::{FileFacts, ItemKind, ItemState, SessionId, SourcePath};

    fn item(wrapped: &[u8]) -> ItemRow {
        ItemRow {
            id: EvidenceId::new(),
            session: SessionId::new(),
            camera: None,
            facts: FileFacts {
                path: SourcePath::new("DCIM/A.MP4").unwrap(),
                size: 9,
                modified: None,
                flagged: false,
                kind: ItemKind::Video,
            },
            state: ItemState::Pulling,
            wrapped_key: Some(wrapped.to_vec()),
            sealed: None,
            quarantine: None,
            log_index: None,
            storing: StoreProgress::Unconfirmed,
        }
    }

    /// The files of a folder that hold these bytes.
    fn found(dir: &Path, bytes: &[u8]) -> Vec<String> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir).unwrap() {
            let entry = entry.unwrap();
            let content = fs::read(entry.path()).unwrap();
            if content.windows(bytes.len()).any(|window| window == bytes) {
                names.push(entry.file_name().into_string().unwrap());
            }
        }
        names
    }

    fn take_to_the_store(journal: &Journal, row: &mut ItemRow) {
        journal.begin_item(row).unwrap();
        row.state = ItemState::Sealed;
        journal.mark_sealed(std::slice::from_ref(row)).unwrap();
        let id = row.id;
        journal.mark_logged(&[LoggedItem { id, index: 0 }]).unwrap();
        let at = "2026-01-31T06:00:00Z".parse().unwrap();
        let entry = b"{}".to_vec();
        journal
            .mark_confirmed(id, &StoredFacts { at, entry })
            .unwrap();
        let receipt = b"receipt".to_vec();
        let proof = StoredProof {
            index: 1,
            at,
            receipt,
        };
        journal.mark_stored(id, &proof, 2).unwrap();
        journal.mark_receipted(id).unwrap();
    }

    #[test]
    fn a_released_items_key_is_in_no_file_of_the_state_folder() {
        let dir = tempfile::tempdir().unwrap();
        let journal = Journal::open(&dir.path().join("journal.db")).unwrap();
        let key: Vec<u8> = (100..160).collect();
        let mut row = item(&key);
        take_to_the_store(&journal, &mut row);
        let kept = journal.item(row.id).unwrap().unwrap().wrapped_key;
        assert_eq!(kept.as_deref(), Some(&key[..]));
        assert_eq!(found(dir.path(), &key[..12]), ["journal.db-keys"]);
        journal.mark_released(row.id).unwrap();
        // A kill at this moment would leave these files, and nothing has happened since the release.
        for part in key.chunks(12) {
            assert_eq!(found(dir.path(), part), [""; 0]);
        }
        let released = journal.item(row.id).unwrap().unwrap();
        assert_eq!(released.wrapped_key, None);
        drop(journal);
        assert_eq!(found(dir.path(), &key[..12]), [""; 0]);
    }

    #[test]
    fn a_key_outlives_the_process_and_is_erased_once_no_item_in_flight_has_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal.db");
        let keys: [Vec<u8>; 3] = [1, 2, 3].map(|n| vec![n; 60]);
        let mut rows = keys.each_ref().map(|key| item(key));
        let journal = Journal::open(&path).unwrap();
        for row in &mut rows {
            take_to_the_store(&journal, row);
        }
        // As a kill leaves it between the two halves of giving an item up.
        let sql = "UPDATE items SET state = 'failed' WHERE id = ?1";
        journal.lock().execute(sql, [rows[1].id]).unwrap();
        drop(journal);
        let journal = Journal::open(&path).unwrap();
        journal.erase_unused_keys().unwrap();
        let held = rows
            .each_ref()
            .map(|row| journal.item(row.id).unwrap().unwrap().wrapped_key);
        assert_eq!(held, [Some(keys[0].clone()), None, Some(keys[2].clone())]);
        assert_eq!(found(dir.path(), &keys[1][..12]), [""; 0]);
        // Its slot is used again.
        let mut next = item(&[9; 60]);
        take_to_the_store(&journal, &mut next);
        let length = fs::metadata(dir.path().join("journal.db-keys")).unwrap();
        assert_eq!(length.len(), 3 * SLOT as u64);
    }
}

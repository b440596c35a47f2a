//! Items as rows: what is kept of each, and which of them the station asks for.

use jiff::Timestamp;
use rusqlite::{Params, Row};

use super::sql::{Time, Unsigned};
use super::{Journal, JournalError};
use crate::model::{
    CameraId, EvidenceId, FileFacts, ItemState, SessionId, Sha256Digest, StateTotal,
};

/// One item and how far it has come.
#[derive(Debug, Clone, PartialEq)]
pub struct ItemRow {
    pub id: EvidenceId,
    pub session: SessionId,
    pub camera: Option<CameraId>,
    pub facts: FileFacts,
    pub state: ItemState,
    /// The item key under the station's wrap key, from its slot; `None` once released.
    pub wrapped_key: Option<Vec<u8>>,
    pub sealed: Option<SealedFacts>,
    pub quarantine: Option<String>,
    pub log_index: Option<u64>,
    pub storing: StoreProgress,
}

/// The facts that are known once an item is sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedFacts {
    pub sha256: Sha256Digest,
    pub sealed_size: u64,
    /// The item key sealed to the recipients: a small message that is stored beside the object.
    pub item_key_message: Vec<u8>,
    /// The log entry's exact bytes.
    pub manifest: Vec<u8>,
}

/// The facts that are known once the store has confirmed an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredFacts {
    pub at: Timestamp,
    /// The `item.stored` entry's exact bytes.
    pub entry: Vec<u8>,
}

/// The progress of the proof that the store has an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreProgress {
    /// The store has not confirmed the item.
    Unconfirmed,
    /// The store has the item; these bytes go to the log next.
    Confirmed(StoredFacts),
    /// The log has the entry; the store is to get its receipt.
    Logged(StoredProof),
    /// The store has the receipt, too.
    Receipted { index: u64, at: Timestamp },
}

impl StoreProgress {
    /// Where the `item.stored` entry is in the log.
    pub const fn index(&self) -> Option<u64> {
        match self {
            Self::Unconfirmed | Self::Confirmed(_) => None,
            Self::Logged(StoredProof { index, .. }) | Self::Receipted { index, .. } => Some(*index),
        }
    }

    /// The time at which the store confirmed the item.
    pub const fn at(&self) -> Option<Timestamp> {
        match self {
            Self::Unconfirmed => None,
            Self::Confirmed(StoredFacts { at, .. })
            | Self::Logged(StoredProof { at, .. })
            | Self::Receipted { at, .. } => Some(*at),
        }
    }
}

/// An `item.stored` entry of the log with the receipt that proves it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredProof {
    pub index: u64,
    pub at: Timestamp,
    pub receipt: Vec<u8>,
}

/// An item and the index of its log entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LoggedItem {
    pub id: EvidenceId,
    pub index: u64,
}

pub(super) const TOTALS: &str =
    "SELECT state, items, bytes FROM totals WHERE items > 0 ORDER BY state";

/// The index is named because SQLite would otherwise sort the whole queue each time.
pub(super) const TO_UPLOAD: &str = "INDEXED BY items_to_upload WHERE state IN ('logged', 'uploading') \
    ORDER BY (sealed_size > 8388608), flagged DESC, id LIMIT ?1";

/// The files of one session that are not stored: those taken in it, and those that it holds from an earlier one.
pub(super) const UNSTORED: &str = "SELECT
    (SELECT COUNT(*) FROM listing WHERE session = ?1 AND state IN ('sealed', 'logged', 'uploading'))
    + (SELECT COUNT(*) FROM (SELECT DISTINCT item FROM inventory WHERE session = ?1 AND item IS NOT NULL) v
       CROSS JOIN listing l ON l.id = v.item WHERE l.session <> ?1 AND l.state IN ('sealed', 'logged', 'uploading'))";

impl Journal {
    /// An interrupted pull of this very file that may be resumed.
    pub fn resumable(
        &self,
        camera: &CameraId,
        facts: &FileFacts,
    ) -> Result<Option<ItemRow>, JournalError> {
        let found = self.items(
            "WHERE camera = ?1 AND path = ?2 AND size = ?3 AND modified IS ?4 AND state = 'pulling'
             ORDER BY id DESC LIMIT 1",
            (
                camera,
                &facts.path,
                Unsigned(facts.size),
                facts.modified.map(Time),
            ),
        )?;
        Ok(found.into_iter().next())
    }

    pub fn item(&self, id: EvidenceId) -> Result<Option<ItemRow>, JournalError> {
        let found = self.items("WHERE id = ?1", [id])?;
        Ok(found.into_iter().next())
    }

    /// Items in any of these states after `after`, by id (which is by age), at most `limit`.
    pub fn items_in(
        &self,
        states: &[ItemState],
        after: Option<EvidenceId>,
        limit: u32,
    ) -> Result<Vec<ItemRow>, JournalError> {
        let after = after.unwrap_or(EvidenceId::from_bytes([0; 16]));
        self.items(
            &format!(
                "WHERE state IN ({}) AND id > ?1 ORDER BY id LIMIT ?2",
                state_list(states)
            ),
            (after, limit),
        )
    }

    /// Items to upload: small ones before bulk, flagged ones first, then the oldest.
    pub fn to_upload(&self, limit: u32) -> Result<Vec<ItemRow>, JournalError> {
        self.items(TO_UPLOAD, [limit])
    }

    pub fn state_totals(&self) -> Result<Vec<StateTotal>, JournalError> {
        self.rows(TOTALS, [], |row| {
            Ok(StateTotal {
                state: row.get("state")?,
                items: row.get::<_, Unsigned>("items")?.0,
                bytes: row.get::<_, Unsigned>("bytes")?.0,
            })
        })
    }

    /// Items whose receipt is not yet in the store.
    pub fn unreceipted(&self) -> Result<u64, JournalError> {
        self.count(
            "SELECT COUNT(*) FROM items WHERE state = 'stored' AND stored_receipt IS NOT NULL",
            [],
        )
    }

    /// The number of a session's files that are not yet in the store: those taken in it, and those held from an earlier one.
    pub fn unstored_of(&self, session: SessionId) -> Result<u64, JournalError> {
        self.count(UNSTORED, [session])
    }

    pub(super) fn items(
        &self,
        condition: &str,
        values: impl Params,
    ) -> Result<Vec<ItemRow>, JournalError> {
        let columns = COLUMNS.join(", ");
        let sql = format!("SELECT {columns} FROM items {condition}");
        let mut items = self.rows(&sql, values, read)?;
        for item in &mut items {
            item.wrapped_key = self.keys.as_ref().and_then(|keys| keys.get(item.id));
        }
        Ok(items)
    }
}

/// For `IN (…)`.
pub(super) fn state_list(states: &[ItemState]) -> String {
    let names: Vec<_> = states
        .iter()
        .map(|state| format!("'{}'", state.as_str()))
        .collect();
    names.join(",")
}

const COLUMNS: [&str; 19] = [
    "id",
    "session",
    "camera",
    "path",
    "size",
    "modified",
    "kind",
    "flagged",
    "state",
    "sha256",
    "sealed_size",
    "item_key_message",
    "manifest",
    "quarantine",
    "log_index",
    "stored_at",
    "stored_entry",
    "stored_index",
    "stored_receipt",
];

pub(super) fn insert(
    connection: &rusqlite::Connection,
    item: &ItemRow,
) -> Result<(), JournalError> {
    let sealed = item.sealed.as_ref();
    let stored = StoredColumns::of(&item.storing);
    let columns = COLUMNS.join(", ");
    let places = vec!["?"; COLUMNS.len()].join(", ");
    connection
        .prepare_cached(&format!("INSERT INTO items ({columns}) VALUES ({places})"))?
        .execute(rusqlite::params![
            item.id,
            item.session,
            item.camera,
            item.facts.path,
            Unsigned(item.facts.size),
            item.facts.modified.map(Time),
            item.facts.kind,
            item.facts.flagged,
            item.state,
            sealed.map(|s| s.sha256),
            sealed.map(|s| Unsigned(s.sealed_size)),
            sealed.map(|s| &s.item_key_message),
            sealed.map(|s| &s.manifest),
            item.quarantine,
            item.log_index.map(Unsigned),
            stored.at.map(Time),
            stored.entry,
            stored.index.map(Unsigned),
            stored.receipt,
        ])?;
    Ok(())
}

fn read(row: &Row<'_>) -> rusqlite::Result<ItemRow> {
    let sealed = match row.get("sha256")? {
        None => None,
        Some(sha256) => Some(SealedFacts {
            sha256,
            sealed_size: row.get::<_, Unsigned>("sealed_size")?.0,
            item_key_message: row
                .get::<_, Option<Vec<u8>>>("item_key_message")?
                .unwrap_or_default(),
            manifest: row.get("manifest")?,
        }),
    };
    Ok(ItemRow {
        id: row.get("id")?,
        session: row.get("session")?,
        camera: row.get("camera")?,
        facts: FileFacts {
            path: row.get("path")?,
            size: row.get::<_, Unsigned>("size")?.0,
            modified: row.get::<_, Option<Time>>("modified")?.map(|t| t.0),
            kind: row.get("kind")?,
            flagged: row.get("flagged")?,
        },
        state: row.get("state")?,
        wrapped_key: None,
        sealed,
        quarantine: row.get("quarantine")?,
        log_index: row.get::<_, Option<Unsigned>>("log_index")?.map(|n| n.0),
        storing: StoredColumns::read(row)?.progress()?,
    })
}

/// [`StoreProgress`] as columns: an entry until the log has it, then its index, and a receipt until the store has it.
#[derive(Default)]
struct StoredColumns<B> {
    at: Option<Timestamp>,
    entry: Option<B>,
    index: Option<u64>,
    receipt: Option<B>,
}

impl<'a> StoredColumns<&'a [u8]> {
    fn of(progress: &'a StoreProgress) -> Self {
        let none = Self::default();
        match progress {
            StoreProgress::Unconfirmed => none,
            StoreProgress::Confirmed(stored) => Self {
                at: Some(stored.at),
                entry: Some(&stored.entry),
                ..none
            },
            StoreProgress::Logged(proof) => Self {
                at: Some(proof.at),
                index: Some(proof.index),
                receipt: Some(&proof.receipt),
                ..none
            },
            StoreProgress::Receipted { index, at } => Self {
                at: Some(*at),
                index: Some(*index),
                ..none
            },
        }
    }
}

impl StoredColumns<Vec<u8>> {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            at: row.get::<_, Option<Time>>("stored_at")?.map(|t| t.0),
            entry: row.get("stored_entry")?,
            index: row.get::<_, Option<Unsigned>>("stored_index")?.map(|n| n.0),
            receipt: row.get("stored_receipt")?,
        })
    }

    fn progress(self) -> rusqlite::Result<StoreProgress> {
        match (self.at, self.entry, self.index, self.receipt) {
            (None, None, None, None) => Ok(StoreProgress::Unconfirmed),
            (Some(at), Some(entry), None, None) => {
                Ok(StoreProgress::Confirmed(StoredFacts { at, entry }))
            }
            (Some(at), None, Some(index), Some(receipt)) => {
                Ok(StoreProgress::Logged(StoredProof { index, at, receipt }))
            }
            (Some(at), None, Some(index), None) => Ok(StoreProgress::Receipted { index, at }),
            _ => Err(rusqlite::Error::FromSqlConversionFailure(
                COLUMNS.len() - 4,
                rusqlite::types::Type::Null,
                "an item is half stored: its entry, index and receipt contradict each other".into(),
            )),
        }
    }
}

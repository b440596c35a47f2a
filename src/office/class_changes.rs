//! What classes that were changed in office.toml would do to the items, told before the office loads them. It only reads: what the running
//! office keeps items by is in a file that it writes when it starts.

use std::collections::BTreeMap;
use std::fs;

use jiff::Timestamp;
use serde::Serialize;

use super::index::{Index, KeptItem};
use super::locks::reasons;
use super::{OfficeError, warn};
use crate::config::{Keeping, OfficeConfig};
use crate::durable;
use crate::model::{EvidenceId, StationName};

/// Items that are read at a time.
const STEP: u32 = 500;
/// Items of each class that are named.
const NAMED: usize = 20;

/// What becomes of the items of one class.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub struct ClassChange {
    /// Items whose rule ends later, or for the first time ends never.
    pub longer: u64,
    /// Items whose rule ends sooner, or that no rule keeps any more.
    pub shorter: u64,
    /// Those of them that are locked longer than that: the lock stays, and runs out by itself.
    pub locked_longer: u64,
    /// When the last of these locks ends.
    pub last_lock: Option<Timestamp>,
    /// Some of the items.
    pub items: Vec<ChangedItem>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChangedItem {
    pub station: StationName,
    pub evidence: EvidenceId,
    pub was: KeptUntil,
    pub becomes: KeptUntil,
    pub locked: Option<Timestamp>,
}

/// How long a rule keeps an item; the later one is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum KeptUntil {
    /// No rule keeps it: its lock alone does.
    LockAlone,
    Time(Timestamp),
    /// There is no end: its class is none of office.toml.
    NoEnd,
}

/// Keeps what this office loaded.
pub(super) fn note_loaded(config: &OfficeConfig) {
    let json = serde_json::to_vec(&config.keeping).unwrap_or_default();
    if let Err(error) = durable::write_unsynced(&config.loaded_classes(), &json) {
        warn(
            &error.into(),
            "what the office keeps items by cannot be noted; its check does not tell what a changed class would do",
        );
    }
}

/// What would change, by the classes that the items have then; `None` where the office has loaded these classes, or none so far.
pub fn class_changes(
    config: &OfficeConfig,
) -> Result<Option<BTreeMap<String, ClassChange>>, OfficeError> {
    let loaded = fs::read(config.loaded_classes()).ok();
    let loaded = loaded.and_then(|json| serde_json::from_slice::<Keeping>(&json).ok());
    let Some(loaded) = loaded.filter(|loaded| *loaded != config.keeping) else {
        return Ok(None);
    };
    let mut changes = BTreeMap::new();
    let Some(index) = Index::open_read_only(&config.index())? else {
        return Ok(Some(changes));
    };
    let mut after = 0;
    loop {
        let items = index.kept_after(after, STEP)?;
        let Some(last) = items.last() else {
            return Ok(Some(changes));
        };
        after = last.number;
        let followed = |item: &&KeptItem| config.stations.iter().any(|s| s.name == item.station);
        for item in items.iter().filter(followed) {
            compare(&loaded, &config.keeping, item, &mut changes);
        }
    }
}

fn compare(
    loaded: &Keeping,
    new: &Keeping,
    item: &KeptItem,
    changes: &mut BTreeMap<String, ClassChange>,
) {
    let (was, becomes) = (kept_until(loaded, item), kept_until(new, item));
    if was == becomes {
        return;
    }
    let class = item.class.as_ref().map(|(class, _)| class.as_str());
    let class = class.or_else(|| new.first_class(item.flagged));
    let change = changes
        .entry(class.unwrap_or_default().to_owned())
        .or_default();
    if becomes > was {
        change.longer += 1;
    } else {
        change.shorter += 1;
        let locked = item.locked.filter(|lock| KeptUntil::Time(*lock) > becomes);
        if locked.is_some() {
            change.locked_longer += 1;
            change.last_lock = change.last_lock.max(locked);
        }
    }
    if change.items.len() < NAMED {
        change.items.push(ChangedItem {
            station: item.station.clone(),
            evidence: item.item,
            was,
            becomes,
            locked: item.locked,
        });
    }
}

fn kept_until(keeping: &Keeping, item: &KeptItem) -> KeptUntil {
    match reasons(keeping, item) {
        None => KeptUntil::LockAlone,
        Some(reasons) => reasons.until.map_or(KeptUntil::NoEnd, KeptUntil::Time),
    }
}

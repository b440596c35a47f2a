//! What a share tells of one item: what its station's log says, each fact proven under the checkpoint that this office cosigned. It
//! names no officer, no camera and nothing of other items.

use jiff::{SignedDuration, Timestamp};

use super::OfficeError;
use super::custody::CustodyReader;
use super::index::Index;
use crate::config::OfficeConfig;
use crate::model::{
    Entry, Escaped, Event, EvidenceId, ItemSealed, Part, SharedItem, SharedObject, StationName,
    media_type,
};

/// The item, without the name of its sealed key. Blocks, and may be called by a task only where that is allowed.
pub fn shared_item(
    config: &OfficeConfig,
    index: &Index,
    custody: &CustodyReader,
    station: &StationName,
    id: EvidenceId,
) -> Result<SharedItem, OfficeError> {
    let unknown = || OfficeError::UnknownItem { item: id };
    let number = index.station(station)?;
    let facts = index.share_facts(number, id)?.ok_or_else(unknown)?;
    let followed = config.stations.iter().find(|it| it.name == *station);
    let read = custody.read(config, followed.ok_or_else(unknown)?, &[facts.entry])?;
    if let Some((_, what)) = read.problem {
        return Err(OfficeError::ItemUnfit { item: id, what });
    }
    let entry = read.entries.into_iter().find(|entry| entry.proven);
    let entry = entry.and_then(|entry| serde_json::from_value::<Entry>(entry.content?).ok());
    let Some(Entry {
        event:
            Event::ItemSealed(ItemSealed {
                evidence,
                path,
                size,
                modified,
                sha256,
                ..
            }),
        ..
    }) = entry
    else {
        let what = "its log does not prove what was sealed".to_owned();
        return Err(OfficeError::ItemUnfit { item: id, what });
    };
    if evidence != id {
        return Err(unknown());
    }
    let layout = config.layout_of(station);
    let object = |part: Part| {
        let mut all = facts.objects.iter();
        let found = all.find(|(known, ..)| *known == part)?;
        Some(SharedObject {
            key: layout.object(id, part),
            version: found.1.clone(),
            size: found.2,
        })
    };
    let name = Escaped(path.file_name()).to_string();
    let lasts = facts.duration_ms.map(SignedDuration::from_millis);
    let until = |from: Timestamp| lasts.and_then(|lasts| from.checked_add(lasts).ok());
    let from = facts.recorded.or(modified);
    Ok(SharedItem {
        id,
        station: station.clone(),
        media_type: media_type(&name).to_owned(),
        name,
        recorded_from: from,
        recorded_until: from.and_then(until),
        size,
        sha256,
        original: object(Part::Original).ok_or(OfficeError::NotStored { item: id })?,
        preview: object(Part::Preview),
        storyboard: object(Part::Storyboard),
        item_key: String::new(),
    })
}

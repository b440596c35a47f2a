//! What the page that plays an item shows of it.

use rusqlite::{OptionalExtension as _, params};

use super::{Index, StationNumber, time};
use crate::model::EvidenceId;
use crate::office::OfficeError;

/// An item as its station's log has it; texts may be cut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemFacts {
    pub path: String,
    pub kind: String,
    pub size: u64,
    pub recorded: Option<jiff::Timestamp>,
    pub camera: Option<String>,
    pub officer: Option<String>,
}

impl Index {
    /// `None` if the log has not sealed such an item.
    pub fn item_facts(
        &self,
        station: StationNumber,
        item: EvidenceId,
    ) -> Result<Option<ItemFacts>, OfficeError> {
        let sql = "SELECT i.path, i.kind, i.size, i.recorded, c.name, o.name FROM items i LEFT JOIN cameras c ON c.id = i.camera
                   LEFT JOIN officers o ON o.id = i.officer WHERE i.station = ?1 AND i.id = ?2";
        let found = self
            .lock()
            .query_row(sql, params![station.0, item.as_bytes()], |row| {
                Ok(ItemFacts {
                    path: row.get(0)?,
                    kind: row.get(1)?,
                    size: row.get::<_, i64>(2)?.cast_unsigned(),
                    recorded: time(row.get(3)?),
                    camera: row.get(4)?,
                    officer: row.get(5)?,
                })
            });
        Ok(found.optional()?)
    }
}

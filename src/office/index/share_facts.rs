//! What a share tells of an item that its sealing does not.

use rusqlite::{OptionalExtension as _, params};

use super::{Index, StationNumber, time};
use crate::model::{EvidenceId, Part};
use crate::office::OfficeError;

pub struct ShareFacts {
    /// Of its sealing.
    pub entry: u64,
    pub recorded: Option<jiff::Timestamp>,
    pub duration_ms: Option<i64>,
    /// Part, version and sealed bytes.
    pub objects: Vec<(Part, Option<String>, u64)>,
}

impl Index {
    /// `None` if the log has not sealed such an item.
    pub fn share_facts(
        &self,
        station: StationNumber,
        item: EvidenceId,
    ) -> Result<Option<ShareFacts>, OfficeError> {
        let connection = self.lock();
        let key = params![station.0, item.as_bytes()];
        let sql = "SELECT entry, recorded, duration FROM items WHERE station = ?1 AND id = ?2";
        let mut of_item = connection.prepare_cached(sql)?;
        let found = of_item.query_row(key, |row| {
            Ok(ShareFacts {
                entry: row.get::<_, i64>(0)?.cast_unsigned(),
                recorded: time(row.get(1)?),
                duration_ms: row.get(2)?,
                objects: Vec::new(),
            })
        });
        let Some(mut facts) = found.optional()? else {
            return Ok(None);
        };
        let sql = "SELECT part, version, size FROM objects WHERE station = ?1 AND item = ?2";
        let mut objects = connection.prepare_cached(sql)?;
        let rows = objects.query_map(key, |row| {
            Ok((
                row.get::<_, String>(0)?,
                row.get(1)?,
                row.get::<_, i64>(2)?.cast_unsigned(),
            ))
        })?;
        for row in rows {
            let (part, version, size) = row?;
            if let Ok(part) = part.parse() {
                facts.objects.push((part, version, size));
            }
        }
        Ok(Some(facts))
    }
}

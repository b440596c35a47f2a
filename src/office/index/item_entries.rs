//! Which entries of a station's log are about an item, for whoever takes the item out of here.

use rusqlite::params;

use super::{Index, item};
use crate::model::{EvidenceId, StationName};
use crate::office::OfficeError;

impl Index {
    /// The entries about the item and its docking, in order, `limit` at most; `None` if the station's log has not sealed it.
    pub fn entries_of(
        &self,
        station: &StationName,
        id: EvidenceId,
        limit: usize,
    ) -> Result<Option<Vec<u64>>, OfficeError> {
        let sql = "SELECT i.n FROM stations s JOIN items i ON i.station = s.id WHERE s.name = ?1 AND i.id = ?2";
        let connection = self.lock();
        let mut of_item = connection.prepare_cached(sql)?;
        let mut rows = of_item.query(params![station.as_str(), id.as_bytes()])?;
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        let number = row.get(0)?;
        let (mut all, mut more, mut first) = (Vec::new(), true, 0);
        while more && all.len() < limit {
            let (entries, further) = item::entries(&connection, number, first)?;
            first = entries.last().map_or(0, |last| last + 1);
            more = further;
            all.extend(entries);
        }
        all.truncate(limit);
        Ok(Some(all))
    }
}

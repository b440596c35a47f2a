//! Who saw what: the acts of a stretch of time by which somebody got to see footage.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::Value;

use super::{Index, Shown, tags, time};
use crate::model::EvidenceId;
use crate::office::OfficeError;

/// The acts by which somebody sees footage.
const SEEING: &str = "('item.viewed', 'pack.made', 'item.shared', 'share.taken')";

/// Such an act, with what the index knows of its item.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    pub entry: u64,
    pub content: Value,
    pub station: String,
    pub item: EvidenceId,
    pub path: Option<String>,
    pub recorded: Option<Timestamp>,
}

impl Index {
    /// The looks from `from` up to `to` after the entry `after`, in their order, as far as they are shown; and the entry of the last
    /// that was looked at, where there may be more.
    pub fn looks(
        &self,
        (from, to): (Timestamp, Timestamp),
        after: Option<u64>,
        limit: u32,
        shown: Shown<'_>,
    ) -> Result<(Vec<Look>, Option<u64>), OfficeError> {
        let mut connection = self.lock();
        let connection = connection.transaction()?;
        let first = first_from(&connection, from)?;
        let first = after.map_or(first, |after| {
            first.max(after.cast_signed().saturating_add(1))
        });
        let end = first_from(&connection, to)?;
        let sql = format!(
            "SELECT a.entry, a.content, s.name, a.station, a.item, i.path, i.recorded FROM acts a JOIN stations s ON s.id = a.station
             LEFT JOIN items i ON i.station = a.station AND i.id = a.item
             WHERE a.entry >= ?1 AND a.entry < ?2 AND a.event IN {SEEING} ORDER BY a.entry LIMIT ?3"
        );
        let mut acts = connection.prepare_cached(&sql)?;
        let mut rows = acts.query(params![first, end, limit])?;
        let (mut looks, mut seen, mut last) = (Vec::new(), 0, None);
        while let Some(row) = rows.next()? {
            let entry = row.get::<_, i64>(0)?.cast_unsigned();
            (seen, last) = (seen + 1, Some(entry));
            let (name, number): (String, i64) = (row.get(2)?, row.get(3)?);
            let item = EvidenceId::from_bytes(row.get(4)?);
            let reach = shown
                .stations
                .iter()
                .any(|station| station.as_str() == name);
            if !reach || !shown.restricted && tags::is_restricted(&connection, number, item)? {
                continue;
            }
            let content: Vec<u8> = row.get(1)?;
            looks.push(Look {
                entry,
                content: serde_json::from_slice(&content).unwrap_or_default(),
                station: name,
                item,
                path: row.get(5)?,
                recorded: time(row.get(6)?),
            });
        }
        Ok((looks, last.filter(|_| seen == limit)))
    }
}

/// The first entry of a moment or later, as far as the acts say: they are in the order of time.
fn first_from(connection: &Connection, moment: Timestamp) -> rusqlite::Result<i64> {
    let newest: Option<i64> =
        connection.query_row("SELECT max(entry) FROM acts", [], |row| row.get(0))?;
    let (mut low, mut high) = (0, newest.map_or(0, |newest| newest + 1));
    let sql = "SELECT entry, content FROM acts WHERE entry >= ?1 ORDER BY entry LIMIT 1";
    let mut next = connection.prepare_cached(sql)?;
    while low < high {
        let middle = low + (high - low) / 2;
        let found = next
            .query_row([middle], |row| {
                Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
            })
            .optional()?;
        let earlier = found.as_ref().is_some_and(|(_, content)| {
            let content: Value = serde_json::from_slice(content).unwrap_or_default();
            let at = content["time"]
                .as_str()
                .and_then(|at| at.parse::<Timestamp>().ok());
            at.is_some_and(|at| at < moment)
        });
        match found {
            Some((entry, _)) if earlier => low = entry + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}

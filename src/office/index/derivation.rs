//! Items that were declared to be made from another: each names its original, which may be another station's. These are claims of
//! the logs, and whoever reads them sees which station makes them.

use rusqlite::{Connection, params};

use super::criteria::Criteria;
use super::files::{self, FILE};
use crate::model::EvidenceId;
use crate::web::FoundFile;

/// Copies of one item that are named.
const COPIES: u32 = 50;

/// The original by its id: of the item's own station if that has it, else of every other.
pub(super) fn originals(
    connection: &Connection,
    criteria: &Criteria<'_>,
    station: Option<i64>,
    original: EvidenceId,
) -> rusqlite::Result<Vec<FoundFile>> {
    let sql = format!("{FILE} WHERE i.station = ?1 AND i.id = ?2");
    let mut by_id = connection.prepare_cached(&sql)?;
    let mut of = |station: i64| {
        let rows = by_id.query_map(params![station, original.as_bytes()], |row| {
            files::shown(connection, criteria, row)
        })?;
        rows.filter_map(Result::transpose)
            .collect::<rusqlite::Result<Vec<_>>>()
    };
    let own = station.map(&mut of).transpose()?.unwrap_or_default();
    if !own.is_empty() {
        return Ok(own);
    }
    let mut all = Vec::new();
    let mut stations: Vec<i64> = criteria.stations.keys().copied().collect();
    stations.sort_unstable();
    for station in stations {
        all.extend(of(station)?);
    }
    Ok(all)
}

/// The items of these stations that were declared to be made from this one.
pub(super) fn copies(
    connection: &Connection,
    criteria: &Criteria<'_>,
    original: EvidenceId,
) -> rusqlite::Result<Vec<FoundFile>> {
    let sql = "SELECT n, station FROM items WHERE derived_from = ?1 ORDER BY n LIMIT ?2";
    let mut derived = connection.prepare_cached(sql)?;
    let rows = derived.query_map(params![original.as_bytes(), COPIES * 4], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?))
    })?;
    let sql = format!("{FILE} WHERE i.n = ?1");
    let mut of_number = connection.prepare_cached(&sql)?;
    let mut all = Vec::new();
    for row in rows {
        let (number, station) = row?;
        if criteria.stations.contains_key(&station) && all.len() < COPIES as usize {
            all.extend(
                of_number.query_row([number], |row| files::shown(connection, criteria, row))?,
            );
        }
    }
    Ok(all)
}

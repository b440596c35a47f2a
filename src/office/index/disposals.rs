//! Proposals to delete items and their approvals, as the acts say them, and what overlaps an item that is due.

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Index, millis, time};
use crate::model::{
    ActReference, DisposalApproved, DisposalProposed, DisposalWithdrawn, EvidenceId, ItemDisposed,
    StationName, is_one_person,
};
use crate::office::OfficeError;

/// What was recorded within so many milliseconds at one station, or by one officer, may belong together.
const SAME_TIME: i64 = 10 * 60_000;
const SAME_OFFICER: i64 = 60 * 60_000;
/// Overlaps of one item that are named.
const OVERLAPS: u32 = 10;

/// An act with its place in the office's log and its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said<T> {
    pub entry: u64,
    pub at: Timestamp,
    pub act: T,
}

/// A proposal that was not withdrawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownDisposal {
    pub proposal: Said<DisposalProposed>,
    pub approval: Option<Said<DisposalApproved>>,
    /// The entry that says that the item is gone.
    pub disposed: Option<u64>,
}

/// A held or tagged item that a due one may belong to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Overlap {
    pub station: StationName,
    pub evidence: EvidenceId,
    pub held: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub incident: Option<String>,
}

impl Index {
    pub fn disposal_of(
        &self,
        station: &StationName,
        item: EvidenceId,
    ) -> Result<Option<KnownDisposal>, OfficeError> {
        let sql =
            "SELECT proposed, proposed_at, proposal, approved, approved_at, approval, disposed FROM disposals
             WHERE station = (SELECT id FROM stations WHERE name = ?1) AND item = ?2";
        let connection = self.lock();
        let mut known = connection.prepare_cached(sql)?;
        let known = known.query_row(params![station.as_str(), item.as_bytes()], |row| {
            let said =
                |at| Ok::<_, rusqlite::Error>((row.get(at)?, row.get(at + 1)?, row.get(at + 2)?));
            Ok((said(0)?, said(3)?, row.get::<_, Option<i64>>(6)?))
        });
        let known = known.optional()?;
        Ok(known.and_then(|(proposal, approval, disposed)| {
            Some(KnownDisposal {
                proposal: read(proposal)?,
                approval: read(approval),
                disposed: disposed.map(i64::cast_unsigned),
            })
        }))
    }

    /// Items whose deletion is approved, and of which nobody has said that they are gone, after `after`.
    pub fn approved_disposals(
        &self,
        after: u64,
        limit: u32,
    ) -> Result<Vec<(u64, StationName, EvidenceId)>, OfficeError> {
        let sql =
            "SELECT d.approved, s.name, d.item FROM disposals d JOIN stations s ON s.id = d.station
             WHERE d.approved > ?1 AND d.disposed IS NULL ORDER BY d.approved LIMIT ?2";
        let connection = self.lock();
        let mut approved = connection.prepare_cached(sql)?;
        let rows = approved.query_map(params![after.cast_signed(), limit], |row| {
            let (entry, name): (i64, String) = (row.get(0)?, row.get(1)?);
            let item = EvidenceId::from_bytes(row.get(2)?);
            let station = name.parse().ok();
            Ok(station.map(|station| (entry.cast_unsigned(), station, item)))
        })?;
        let rows = rows.filter_map(Result::transpose);
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Takes the place of what was known of the logs of earlier offices.
    pub fn set_earlier_disposals(
        &self,
        gone: &[(StationName, EvidenceId)],
    ) -> Result<(), OfficeError> {
        let mut connection = self.lock();
        let change = connection.transaction()?;
        change.execute("DELETE FROM earlier_disposals", [])?;
        for (station, item) in gone {
            let sql = "INSERT INTO stations (name) VALUES (?1) ON CONFLICT DO NOTHING";
            change.prepare_cached(sql)?.execute([station.as_str()])?;
            let sql = "INSERT OR IGNORE INTO earlier_disposals SELECT id, ?2 FROM stations WHERE name = ?1";
            let mut insert = change.prepare_cached(sql)?;
            insert.execute(params![station.as_str(), item.as_bytes()])?;
        }
        Ok(change.commit()?)
    }

    /// Held and tagged items of the same time, officer or incident, whoever tagged them.
    pub fn overlaps(
        &self,
        station: &StationName,
        item: EvidenceId,
    ) -> Result<Vec<Overlap>, OfficeError> {
        let sql = "WITH said AS (
                SELECT station, item, incident, exhibit FROM tags
                UNION ALL SELECT station, item, incident, NULL FROM dock_tags k
                WHERE NOT EXISTS (SELECT 1 FROM tags t WHERE t.station = k.station AND t.item = k.item AND t.person)),
             me AS (
                SELECT i.n, i.station, i.officer, COALESCE(i.recorded, i.sealed) AS at, t.incident FROM items i
                LEFT JOIN said t ON t.station = i.station AND t.item = i.id
                WHERE i.station = (SELECT id FROM stations WHERE name = ?1) AND i.id = ?2),
             marked AS (
                SELECT station, item FROM holds WHERE lifted IS NULL
                UNION SELECT station, item FROM said WHERE incident IS NOT NULL OR exhibit IS NOT NULL)
             SELECT s.name, o.id,
                EXISTS (SELECT 1 FROM holds h WHERE h.station = o.station AND h.item = o.id AND h.lifted IS NULL), t.incident
             FROM marked m JOIN items o ON o.station = m.station AND o.id = m.item JOIN me JOIN stations s ON s.id = o.station
             LEFT JOIN said t ON t.station = o.station AND t.item = o.id
             WHERE o.n != me.n AND COALESCE(o.recording, o.n) != me.n AND (t.incident = me.incident
                OR o.station = me.station AND abs(COALESCE(o.recorded, o.sealed) - me.at) <= ?3
                OR o.officer = me.officer AND abs(COALESCE(o.recorded, o.sealed) - me.at) <= ?4)
             ORDER BY o.n LIMIT ?5";
        let connection = self.lock();
        let mut marked = connection.prepare_cached(sql)?;
        let key = params![
            station.as_str(),
            item.as_bytes(),
            SAME_TIME,
            SAME_OFFICER,
            OVERLAPS
        ];
        let rows = marked.query_map(key, |row| {
            let name: String = row.get(0)?;
            let evidence = EvidenceId::from_bytes(row.get(1)?);
            let (held, incident) = (row.get(2)?, row.get(3)?);
            Ok(name.parse().ok().map(|station| Overlap {
                station,
                evidence,
                held,
                incident,
            }))
        })?;
        let rows = rows.filter_map(Result::transpose);
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// An act as its row has it: entry, time, bytes.
type Row = (Option<i64>, Option<i64>, Option<Vec<u8>>);

fn read<T: DeserializeOwned>((entry, at, act): Row) -> Option<Said<T>> {
    Some(Said {
        entry: entry?.cast_unsigned(),
        at: time(at)?,
        act: serde_json::from_slice(&act?).ok()?,
    })
}

/// A later proposal takes the place of the one before it.
pub(super) fn proposed(
    change: &Connection,
    station: i64,
    index: u64,
    at: Timestamp,
    act: &DisposalProposed,
) -> rusqlite::Result<()> {
    change
        .prepare_cached(
            "INSERT OR REPLACE INTO disposals (station, item, proposed, proposal, proposed_at) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            station,
            act.evidence.as_bytes(),
            index.cast_signed(),
            serde_json::to_vec(act).unwrap_or_default(),
            millis(at)
        ])?;
    Ok(())
}

/// An approval that names another proposal, or is of the person who made it, approves nothing.
pub(super) fn approved(
    change: &Connection,
    station: i64,
    index: u64,
    at: Timestamp,
    act: &DisposalApproved,
) -> rusqlite::Result<()> {
    let sql = "SELECT proposal FROM disposals WHERE station = ?1 AND item = ?2 AND proposed = ?3 AND approved IS NULL";
    let proposal = of(&act.proposal);
    let proposed: Option<Vec<u8>> = change
        .prepare_cached(sql)?
        .query_row(params![station, act.evidence.as_bytes(), proposal], |row| {
            row.get(0)
        })
        .optional()?;
    let proposed = proposed.and_then(|act| serde_json::from_slice::<DisposalProposed>(&act).ok());
    if proposed.is_none_or(|proposed| is_one_person(&proposed.by, &act.by)) {
        return Ok(());
    }
    change
        .prepare_cached(
            "UPDATE disposals SET approved = ?3, approval = ?4, approved_at = ?5 WHERE station = ?1 AND item = ?2",
        )?
        .execute(params![
            station,
            act.evidence.as_bytes(),
            index.cast_signed(),
            serde_json::to_vec(act).unwrap_or_default(),
            millis(at)
        ])?;
    Ok(())
}

pub(super) fn withdrawn(
    change: &Connection,
    station: i64,
    act: &DisposalWithdrawn,
) -> rusqlite::Result<()> {
    change
        .prepare_cached("DELETE FROM disposals WHERE station = ?1 AND item = ?2 AND proposed = ?3 AND disposed IS NULL")?
        .execute(params![station, act.evidence.as_bytes(), of(&act.proposal)])?;
    Ok(())
}

/// It counts for the approval that it names.
pub(super) fn disposed(
    change: &Connection,
    station: i64,
    index: u64,
    act: &ItemDisposed,
) -> rusqlite::Result<()> {
    change
        .prepare_cached("UPDATE disposals SET disposed = ?4 WHERE station = ?1 AND item = ?2 AND approved = ?3 AND disposed IS NULL")?
        .execute(params![
            station,
            act.evidence.as_bytes(),
            of(&act.approval),
            index.cast_signed()
        ])?;
    Ok(())
}

const fn of(act: &ActReference) -> i64 {
    act.index.cast_signed()
}

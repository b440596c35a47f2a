//! The acts about items, out of the office's own log: what people decided holds, whatever a station's log says after it.

use std::borrow::Cow;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};
use serde::Deserialize;
use serde_json::Value;

use super::rows::TEXT_MAX;
use super::take::cut;
use super::{Index, classes, disposals, gaps, holds, tags};
use crate::model::{Entry, Event, EvidenceId, Officer, StationName};
use crate::office::OfficeError;

/// Acts of an item that are shown, the newest.
const SHOWN: u32 = 100;
/// Acts among which the newest view is looked for.
const NEWEST: u32 = 20_000;

#[derive(Deserialize)]
struct ActFrame<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
    data: Concerned,
}

#[derive(Deserialize)]
struct Concerned {
    #[serde(default)]
    log: Option<StationName>,
    #[serde(default)]
    evidence: Option<EvidenceId>,
    #[serde(default)]
    officer: Option<Officer>,
    #[serde(default)]
    gap: Option<String>,
}

impl Index {
    /// How many entries of the office's own log were read.
    pub fn acts_read(&self) -> Result<u64, OfficeError> {
        let sql = "SELECT entries FROM acts_read";
        let read: i64 = self.lock().query_row(sql, [], |row| row.get(0))?;
        Ok(read.cast_unsigned())
    }

    /// Takes in the entries of the office's log from `first` on, and in the same transaction how far it was read. Entries that
    /// somebody else has taken in meanwhile are left alone.
    pub fn take_acts(&self, first: u64, entries: &[Vec<u8>]) -> Result<(), OfficeError> {
        let mut connection = self.lock();
        let change =
            connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let known: i64 = change.query_row("SELECT entries FROM acts_read", [], |row| row.get(0))?;
        if known.cast_unsigned() != first {
            return Ok(());
        }
        for (index, entry) in (first..).zip(entries) {
            // Of other kinds, or of a later version: they say nothing of an item.
            let Ok(act) = serde_json::from_slice::<ActFrame<'_>>(entry) else {
                continue;
            };
            if let Some(id) = act.data.evidence {
                enter(&change, index, entry, &act, id)?;
            }
            if let ("gap.accepted", Some(gap)) = (&*act.event, &act.data.gap) {
                gaps::explained(&change, station_of(&change, &act)?, gap, index)?;
            }
        }
        let read = first.saturating_add(entries.len() as u64);
        change.execute("UPDATE acts_read SET entries = ?1", [read.cast_signed()])?;
        Ok(change.commit()?)
    }

    /// Forgets the acts, to read them anew.
    pub fn forget_acts(&self) -> Result<(), OfficeError> {
        let forget =
            "BEGIN; DELETE FROM acts; DELETE FROM gap_acts; DELETE FROM tags; DELETE FROM holds;
            DELETE FROM classes; DELETE FROM locks; DELETE FROM disposals;
            UPDATE acts_read SET entries = 0; COMMIT;";
        Ok(self.lock().execute_batch(forget)?)
    }

    /// The acts about an item in their order, each with its place in the office's log; the newest ones, if there are many.
    pub fn acts_of(
        &self,
        station: &StationName,
        id: EvidenceId,
    ) -> Result<Vec<(u64, Value)>, OfficeError> {
        let connection = self.lock();
        let mut newest = connection.prepare_cached(
            "SELECT entry, content FROM acts WHERE item = ?2
                 AND station IN (0, (SELECT id FROM stations WHERE name = ?1)) ORDER BY entry DESC LIMIT ?3",
        )?;
        let found = params![station.as_str(), id.as_bytes(), SHOWN];
        let rows = newest.query_map(found, |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
        })?;
        let mut acts = Vec::new();
        for row in rows {
            let (entry, content) = row?;
            let content = serde_json::from_slice(&content).unwrap_or_default();
            acts.push((entry.cast_unsigned(), content));
        }
        acts.reverse();
        Ok(acts)
    }

    /// The entries of every act that says how long an item stays, or that it went, in their order.
    pub fn keeping_acts_of(
        &self,
        station: &StationName,
        id: EvidenceId,
    ) -> Result<Vec<u64>, OfficeError> {
        let connection = self.lock();
        let mut acts = connection.prepare_cached(
            "SELECT a.entry FROM acts a JOIN stations s ON s.id = a.station WHERE s.name = ?1 AND a.item = ?2
             AND a.event IN ('item.classified', 'retention.extended', 'hold.placed', 'hold.lifted', 'disposal.proposed', 'disposal.approved',
                'disposal.withdrawn', 'item.disposed')
             ORDER BY a.entry",
        )?;
        let rows = acts.query_map(params![station.as_str(), id.as_bytes()], |row| {
            Ok(row.get::<_, i64>(0)?.cast_unsigned())
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// The newest decisions about an item, one of each kind, in their order, with its place in the office's log.
    pub fn decisions_of(
        &self,
        station: &StationName,
        id: EvidenceId,
    ) -> Result<Vec<(u64, Entry)>, OfficeError> {
        let connection = self.lock();
        let mut newest = connection.prepare_cached(
            "SELECT a.entry, a.content FROM acts a JOIN stations s ON s.id = a.station
             WHERE s.name = ?1 AND a.item = ?2 AND a.event IN ('quarantine.decided', 'officer.reassigned')
             AND a.entry = (SELECT max(b.entry) FROM acts b WHERE b.station = a.station AND b.item = a.item AND b.event = a.event)
             ORDER BY a.entry",
        )?;
        let rows = newest.query_map(params![station.as_str(), id.as_bytes()], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, Vec<u8>>(1)?))
        })?;
        let mut decisions = Vec::new();
        for row in rows {
            let (entry, content) = row?;
            // What this version does not understand says nothing of an item.
            if let Ok(content) = serde_json::from_slice(&content) {
                decisions.push((entry.cast_unsigned(), content));
            }
        }
        Ok(decisions)
    }

    /// The newest view with a person's own key, among the newest acts.
    pub fn asked_key(&self) -> Result<Option<AskedKey>, OfficeError> {
        let connection = self.lock();
        let mut views = connection.prepare_cached(
            "SELECT entry, content FROM acts WHERE entry > (SELECT max(entry) FROM acts) - ?1 AND event = 'item.viewed' ORDER BY entry DESC",
        )?;
        let mut views = views.query([NEWEST])?;
        while let Some(row) = views.next()? {
            let content: Vec<u8> = row.get(1)?;
            let Ok(Entry {
                time,
                event: Event::ItemViewed(viewed),
                ..
            }) = serde_json::from_slice(&content)
            else {
                continue;
            };
            if viewed.key.is_some() {
                return Ok(Some(AskedKey {
                    entry: row.get::<_, i64>(0)?.cast_unsigned(),
                    at: time,
                    person: viewed.by.operator.clone(),
                    item: viewed.evidence,
                }));
            }
        }
        Ok(None)
    }

    /// Whether an item waits for a decision, and whose it is; `None` if there is no such item.
    pub fn decidable(
        &self,
        station: &StationName,
        id: EvidenceId,
    ) -> Result<Option<(bool, Option<Officer>)>, OfficeError> {
        let sql = "SELECT i.undecided, o.name FROM items i JOIN stations s ON s.id = i.station LEFT JOIN officers o ON o.id = i.officer
             WHERE s.name = ?1 AND i.id = ?2";
        let connection = self.lock();
        let mut known = connection.prepare_cached(sql)?;
        let item = known.query_row(params![station.as_str(), id.as_bytes()], |row| {
            Ok((row.get(0)?, row.get::<_, Option<String>>(1)?.map(Officer)))
        });
        Ok(item.optional()?)
    }
}

/// A view for which a key desk seals an item key to a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AskedKey {
    pub entry: u64,
    pub at: Timestamp,
    pub person: String,
    pub item: EvidenceId,
}

/// The number of the station that an act is about; 0 where it names none.
fn station_of(connection: &Connection, act: &ActFrame<'_>) -> rusqlite::Result<i64> {
    let Some(name) = &act.data.log else {
        return Ok(0);
    };
    let sql = "INSERT INTO stations (name) VALUES (?1) ON CONFLICT DO NOTHING";
    connection.prepare_cached(sql)?.execute([name.as_str()])?;
    let sql = "SELECT id FROM stations WHERE name = ?1";
    let mut number = connection.prepare_cached(sql)?;
    number.query_row([name.as_str()], |row| row.get(0))
}

fn enter(
    connection: &Connection,
    index: u64,
    entry: &[u8],
    act: &ActFrame<'_>,
    id: EvidenceId,
) -> rusqlite::Result<()> {
    let station = station_of(connection, act)?;
    let officer = act
        .data
        .officer
        .as_ref()
        .map(|officer| cut(&officer.0, TEXT_MAX));
    connection
        .prepare_cached("INSERT OR REPLACE INTO acts VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![
            station,
            id.as_bytes(),
            index.cast_signed(),
            act.event,
            officer,
            entry
        ])?;
    match &*act.event {
        "quarantine.decided" => {
            let sql = "UPDATE items SET undecided = 0 WHERE station = ?1 AND id = ?2";
            let mut decide = connection.prepare_cached(sql)?;
            decide.execute(params![station, id.as_bytes()])?;
        }
        "officer.reassigned" => assign(connection, station, id)?,
        // Of a later version they may say what this one does not understand.
        "item.tagged" | "hold.placed" | "hold.lifted" | "item.classified"
        | "retention.extended" | "disposal.proposed" | "disposal.approved"
        | "disposal.withdrawn" | "item.disposed" => {
            if let Ok(entry) = serde_json::from_slice(entry) {
                keep(connection, station, index, &entry)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// What an act says that has a table of its own.
fn keep(connection: &Connection, station: i64, index: u64, entry: &Entry) -> rusqlite::Result<()> {
    let at = entry.time;
    match &entry.event {
        Event::ItemTagged(act) => tags::tagged(connection, station, index, act),
        Event::ItemClassified(act) => classes::classified(connection, station, index, act),
        Event::RetentionExtended(act) => classes::extended(connection, station, index, act),
        Event::HoldPlaced(act) => holds::placed(connection, station, index, act),
        Event::HoldLifted(act) => holds::lifted(connection, station, index, act),
        Event::DisposalProposed(act) => disposals::proposed(connection, station, index, at, act),
        Event::DisposalApproved(act) => disposals::approved(connection, station, index, at, act),
        Event::DisposalWithdrawn(act) => disposals::withdrawn(connection, station, act),
        Event::ItemDisposed(act) => disposals::disposed(connection, station, index, act),
        _ => Ok(()),
    }
}

/// Gives an item to the officer that the newest act about it names, if there is one.
pub(super) fn assign(
    connection: &Connection,
    station: i64,
    id: EvidenceId,
) -> rusqlite::Result<()> {
    let sql = "SELECT officer FROM acts WHERE station = ?1 AND item = ?2 AND event = 'officer.reassigned' AND officer IS NOT NULL
         ORDER BY entry DESC LIMIT 1";
    let key = params![station, id.as_bytes()];
    let mut newest = connection.prepare_cached(sql)?;
    let officer: Option<String> = newest.query_row(key, |row| row.get(0)).optional()?;
    let Some(officer) = officer else {
        return Ok(());
    };
    let sql = "INSERT INTO officers (name) VALUES (?1) ON CONFLICT DO NOTHING";
    connection.prepare_cached(sql)?.execute([&officer])?;
    connection
        .prepare_cached(
            "UPDATE items SET officer = (SELECT id FROM officers WHERE name = ?3) WHERE station = ?1 AND id = ?2",
        )?
        .execute(params![station, id.as_bytes(), officer])?;
    Ok(())
}

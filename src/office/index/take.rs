//! What the entries of a log make of the index. Entries are a station's own claims: each is bounded, and one that makes no sense is
//! counted and passed over.

use std::borrow::Cow;

use jiff::Timestamp;
use rusqlite::params;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::rows::Rows;
use super::{Index, StationNumber, millis};
use crate::audit::ProvenEntries;
use crate::failpoint::{reached, step};
use crate::model::{
    BucketLayout, CameraClock, ClockState, Escaped, EvidenceId, ImportDeclared, ItemPreviewed,
    ItemSealed, ItemStored, ItemTaggedAtDock, OperatorAction, SessionId, StationName,
};
use crate::office::OfficeError;

/// An entry's frame. The data is read once the kind is known.
#[derive(Deserialize)]
struct EntryFrame<'a> {
    v: u64,
    time: Timestamp,
    #[serde(borrow)]
    station: Cow<'a, str>,
    #[serde(default)]
    session: Option<SessionId>,
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// What became of an entry.
pub(super) enum EntryOutcome {
    Read,
    /// Of a kind or version that this program does not know.
    Unknown,
    Unfit(String),
}

/// Items that an entry is about.
#[derive(Deserialize)]
struct Concerned {
    #[serde(default)]
    evidence: Option<EvidenceId>,
    #[serde(default)]
    files: Vec<ConcernedFile>,
}

#[derive(Deserialize)]
struct ConcernedFile {
    #[serde(default)]
    evidence: Option<EvidenceId>,
}

/// What is kept of a station's start.
#[derive(Deserialize)]
struct Started {
    #[serde(default)]
    recipients: Vec<IgnoredAny>,
}

/// What is kept of a docking and of an inventory.
#[derive(Deserialize)]
struct ClockFacts {
    #[serde(default)]
    camera_clock: Option<CameraClock>,
    #[serde(default)]
    clock: Option<ClockState>,
}

/// Kinds of entries that say nothing of items.
const NOT_OF_ITEMS: [&str; 25] = [
    "station.stopped",
    "config.changed",
    "camera.refused",
    "office.started",
    "office.stopped",
    "log.witnessed",
    "log.alarm",
    "log.closed",
    "log.released",
    "item.viewed",
    "quarantine.decided",
    "officer.reassigned",
    "gap.accepted",
    "object.alarm",
    "object.cleared",
    "pack.made",
    "item.tagged",
    "hold.placed",
    "item.classified",
    "retention.extended",
    "hold.lifted",
    "disposal.proposed",
    "disposal.approved",
    "disposal.withdrawn",
    "item.disposed",
];

impl Index {
    /// Takes in proven entries, and in the same transaction how far the log has been read. Entries that somebody else has
    /// taken in meanwhile are left alone.
    pub fn take(
        &self,
        station: StationNumber,
        name: &StationName,
        layout: &BucketLayout,
        entries: &ProvenEntries,
    ) -> Result<(), OfficeError> {
        step!("office index take");
        let mut connection = self.lock();
        let change =
            connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        let known: i64 = change.query_row(
            "SELECT entries FROM stations WHERE id = ?1",
            [station.0],
            |row| row.get(0),
        )?;
        let begin = entries.iter().next().map(|(index, _)| index);
        if begin != Some(known.cast_unsigned()) {
            return Ok(());
        }
        let mut rows = Rows::new(&change, station, layout, Timestamp::now());
        let (mut unknown, mut unfit, mut last) = (0u32, 0u32, None);
        let mut note = None;
        for (index, entry) in entries.iter() {
            match enter(&mut rows, index, entry, name, &mut last)? {
                EntryOutcome::Read => {}
                EntryOutcome::Unknown => unknown += 1,
                EntryOutcome::Unfit(why) => {
                    unfit += 1;
                    note.get_or_insert_with(|| format!("entry {index}: {}", cut(&why, 200)));
                }
            }
        }
        let items = rows.items;
        reached!("office index: entries taken");
        change.execute(
            "UPDATE stations SET entries = ?2, edge = ?3, unknown = unknown + ?4, unfit = unfit + ?5,
                 unfit_note = COALESCE(unfit_note, ?6), last_entry = COALESCE(?7, last_entry), items = items + ?8 WHERE id = ?1",
            params![
                station.0,
                entries.prefix.size().cast_signed(),
                entries.prefix.to_bytes(),
                unknown,
                unfit,
                note,
                last.map(millis),
                items
            ],
        )?;
        Ok(change.commit()?)
    }
}

fn enter(
    rows: &mut Rows<'_>,
    index: u64,
    entry: &[u8],
    name: &StationName,
    last: &mut Option<Timestamp>,
) -> rusqlite::Result<EntryOutcome> {
    let frame: EntryFrame<'_> = match serde_json::from_slice(entry) {
        Ok(frame) => frame,
        Err(error) => return Ok(EntryOutcome::Unfit(error.to_string())),
    };
    if frame.v != 1 {
        return Ok(EntryOutcome::Unknown);
    }
    if frame.station != name.as_str() {
        let other = Escaped(cut(&frame.station, 80).as_bytes()).to_string();
        return Ok(EntryOutcome::Unfit(format!("it is of the station {other}")));
    }
    *last = Some(frame.time);
    let data = frame.data.get();
    match &*frame.event {
        "station.started" => read(data, |started: Started| {
            rows.started(started.recipients.len())
        }),
        "camera.docked" => {
            rows.docked(index, frame.session, frame.time)?;
            read(data, |facts: ClockFacts| {
                rows.clocks(frame.session, facts.camera_clock.as_ref(), facts.clock)
            })
        }
        "inventory.taken" => read(data, |facts: ClockFacts| {
            rows.clocks(frame.session, facts.camera_clock.as_ref(), None)
        }),
        "import.declared" => read(data, |declared: ImportDeclared| {
            rows.imported(index, frame.session, &declared.facts.source)
        }),
        "camera.undocked" | "session.ended" | "import.ended" => {
            rows.session(index, frame.session, "ended")
        }
        "item.sealed" => read(data, |sealed: ItemSealed| {
            rows.sealed(index, frame.time, frame.session, &sealed)
        }),
        "item.stored" => read(data, |stored: ItemStored| {
            rows.stored(index, frame.time, &stored)
        }),
        "item.previewed" => read(data, |previewed: ItemPreviewed| {
            rows.previewed(index, &previewed)
        }),
        "item.tagged_at_dock" => read(data, |said: ItemTaggedAtDock| {
            rows.dock_tagged(index, &said)
        }),
        "operator.action" => read(data, |action: OperatorAction| rows.decided(index, &action)),
        event @ ("item.quarantined" | "item.held" | "item.failed" | "camera.wiped") => {
            let quarantined = event == "item.quarantined";
            read(data, |concerned: Concerned| {
                let files = concerned.files.iter().map(|file| file.evidence);
                for id in files.chain([concerned.evidence]).flatten() {
                    rows.mention(index, id)?;
                    if quarantined {
                        rows.quarantined(id)?;
                    }
                }
                Ok(EntryOutcome::Read)
            })
        }
        other if NOT_OF_ITEMS.contains(&other) => Ok(EntryOutcome::Read),
        _ => Ok(EntryOutcome::Unknown),
    }
}

/// Reads an entry's data and enters it.
fn read<'d, T: Deserialize<'d>>(
    data: &'d str,
    enter: impl FnOnce(T) -> rusqlite::Result<EntryOutcome>,
) -> rusqlite::Result<EntryOutcome> {
    match serde_json::from_str(data) {
        Ok(data) => enter(data),
        Err(error) => Ok(EntryOutcome::Unfit(error.to_string())),
    }
}

/// At most `max` bytes of a text, and `…` where it was cut.
pub(super) fn cut(text: &str, max: usize) -> Cow<'_, str> {
    if text.len() <= max {
        return Cow::Borrowed(text);
    }
    let end = (0..=max).rev().find(|end| text.is_char_boundary(*end));
    Cow::Owned(format!("{}…", &text[..end.unwrap_or(0)]))
}

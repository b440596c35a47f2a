//! The tags of items: what a person said at the office counts, else what an officer said at the dock, else what a file said.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::rows::Rows;
use super::take::EntryOutcome;
use super::{Index, holds};
use crate::model::{
    EvidenceId, ItemTagged, ItemTaggedAtDock, Sha256Digest, StationName, TAG_MAX, TagSource, Tags,
};
use crate::office::OfficeError;
use crate::web::RecordingSearch;

/// Tagged items of one search that are looked at.
const TAGGED_MAX: u32 = 20_000;

/// The tags of an item and the act that says them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaidTags {
    pub tags: Tags,
    /// In the office's log, or in the station's for what was said at the dock.
    pub entry: u64,
    pub source: SaidBy,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaidBy {
    /// At the office.
    Person,
    /// An officer, at the dock.
    Officer,
    File,
}

impl SaidBy {
    /// Whether it is a file's word, which no person's gives way to.
    pub fn is_file(self) -> bool {
        self == Self::File
    }
}

impl Index {
    /// What was said of an item last, by those whose word counts.
    pub fn tags(
        &self,
        station: &StationName,
        item: EvidenceId,
    ) -> Result<Option<SaidTags>, OfficeError> {
        let connection = self.lock();
        let sql = "SELECT id FROM stations WHERE name = ?1";
        let mut number = connection.prepare_cached(sql)?;
        let number: Option<i64> = number
            .query_row([station.as_str()], |row| row.get(0))
            .optional()?;
        match number {
            Some(number) => Ok(tags(&connection, number, item)?),
            None => Ok(None),
        }
    }

    /// The stations whose logs have sealed this item; one, unless a station lies.
    pub fn stations_of(&self, item: EvidenceId) -> Result<Vec<StationName>, OfficeError> {
        let connection = self.lock();
        let mut all = connection.prepare_cached(
            "SELECT s.name FROM stations s WHERE EXISTS (SELECT 1 FROM items i WHERE i.station = s.id AND i.id = ?1) LIMIT 10",
        )?;
        let names = all.query_map([item.as_bytes()], |row| row.get::<_, String>(0))?;
        let names: Vec<String> = names.collect::<Result<_, _>>()?;
        Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
    }
}

pub(super) fn tags(
    connection: &Connection,
    station: i64,
    item: EvidenceId,
) -> rusqlite::Result<Option<SaidTags>> {
    let key = params![station, item.as_bytes()];
    let said = said_at_office(connection, key)?;
    if said.as_ref().is_some_and(|said| !said.source.is_file()) {
        return Ok(said);
    }
    let sql = "SELECT incident, category, entry FROM dock_tags WHERE station = ?1 AND item = ?2";
    let mut at_dock = connection.prepare_cached(sql)?;
    let at_dock = at_dock.query_row(key, |row| {
        Ok(SaidTags {
            tags: Tags {
                incident: row.get(0)?,
                category: row.get(1)?,
                ..Tags::default()
            },
            entry: row.get::<_, i64>(2)?.cast_unsigned(),
            source: SaidBy::Officer,
        })
    });
    Ok(at_dock.optional()?.or(said))
}

fn said_at_office(
    connection: &Connection,
    key: &[&dyn rusqlite::ToSql],
) -> rusqlite::Result<Option<SaidTags>> {
    let sql = "SELECT incident, category, exhibit, text, entry, person, restricted FROM tags WHERE station = ?1 AND item = ?2";
    let mut of_item = connection.prepare_cached(sql)?;
    of_item.query_row(key, said).optional()
}

fn said(row: &Row<'_>) -> rusqlite::Result<SaidTags> {
    let text: Option<String> = row.get(3)?;
    Ok(SaidTags {
        tags: Tags {
            incident: row.get(0)?,
            category: row.get(1)?,
            exhibit: row.get(2)?,
            text_sha256: text.and_then(|digest| digest.parse::<Sha256Digest>().ok()),
            restricted: row.get(6)?,
        },
        entry: row.get::<_, i64>(4)?.cast_unsigned(),
        source: if row.get(5)? {
            SaidBy::Person
        } else {
            SaidBy::File
        },
    })
}

/// Whether any station's item of this id is restricted.
pub(super) fn restricted_anywhere(
    connection: &Connection,
    item: EvidenceId,
) -> rusqlite::Result<bool> {
    let mut any = connection.prepare_cached(
        "SELECT 1 FROM stations s WHERE EXISTS
             (SELECT 1 FROM tags t INDEXED BY tags_restricted WHERE t.restricted AND t.station = s.id AND t.item = ?1)",
    )?;
    any.exists([item.as_bytes()])
}

/// Takes an act in: it holds, unless a file says it after a person.
pub(super) fn tagged(
    change: &Connection,
    station: i64,
    index: u64,
    act: &ItemTagged,
) -> rusqlite::Result<()> {
    let before = said_at_office(change, params![station, act.evidence.as_bytes()])?;
    if act.source == TagSource::File && before.is_some_and(|said| !said.source.is_file()) {
        return Ok(());
    }
    let short = |tag: &Option<String>| tag.clone().filter(|tag| tag.len() <= TAG_MAX);
    let tags = &act.tags;
    change
        .prepare_cached("INSERT OR REPLACE INTO tags VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?
        .execute(params![
            station,
            act.evidence.as_bytes(),
            index.cast_signed(),
            act.source == TagSource::Person,
            short(&tags.incident),
            short(&tags.category),
            short(&tags.exhibit),
            tags.text_sha256.map(|digest| digest.to_string()),
            act.restricts().unwrap_or(false),
        ])?;
    Ok(())
}

impl Rows<'_> {
    /// What an officer said at the dock; the last one counts.
    pub fn dock_tagged(
        &self,
        index: u64,
        said: &ItemTaggedAtDock,
    ) -> rusqlite::Result<EntryOutcome> {
        let long = |tag: &Option<String>| tag.as_ref().is_some_and(|tag| tag.len() > TAG_MAX);
        if long(&said.incident) || long(&said.category) {
            return Ok(EntryOutcome::Unfit("a tag that is too long".into()));
        }
        let entered = self
            .connection
            .prepare_cached(
                "INSERT OR REPLACE INTO dock_tags SELECT station, id, ?3, ?4, ?5 FROM items WHERE station = ?1 AND id = ?2",
            )?
            .execute(params![
                self.station,
                said.evidence.as_bytes(),
                index.cast_signed(),
                said.incident,
                said.category
            ])?;
        if entered == 0 {
            let why = "tags of an item that this log has not sealed";
            return Ok(EntryOutcome::Unfit(why.into()));
        }
        self.mention(index, said.evidence)?;
        Ok(EntryOutcome::Read)
    }
}

/// Whether a person restricted an item.
pub(super) fn is_restricted(
    connection: &Connection,
    station: i64,
    item: EvidenceId,
) -> rusqlite::Result<bool> {
    let sql = "SELECT 1 FROM tags INDEXED BY tags_restricted WHERE restricted AND station = ?1 AND item = ?2";
    let mut restricted = connection.prepare_cached(sql)?;
    restricted.exists(params![station, item.as_bytes()])
}

/// Whether a search asks for tags, restrictions or holds at all.
pub(super) const fn are_asked(search: &RecordingSearch) -> bool {
    search.incident.is_some()
        || search.category.is_some()
        || search.exhibit.is_some()
        || search.held
        || search.restricted
}

/// Whether an item's tags and holds are those that are asked for; letters match in either case.
pub(super) fn fit(
    connection: &Connection,
    search: &RecordingSearch,
    station: i64,
    item: EvidenceId,
) -> rusqlite::Result<bool> {
    if search.held && !holds::is_held(connection, station, item)? {
        return Ok(false);
    }
    if search.restricted && !is_restricted(connection, station, item)? {
        return Ok(false);
    }
    let found = tags(connection, station, item)?;
    let found = found.map(|said| said.tags).unwrap_or_default();
    let same = |asked: &Option<String>, found: &Option<String>| {
        asked.as_ref().is_none_or(|asked| {
            found
                .as_ref()
                .is_some_and(|found| found.eq_ignore_ascii_case(asked))
        })
    };
    Ok(same(&search.incident, &found.incident)
        && same(&search.category, &found.category)
        && same(&search.exhibit, &found.exhibit))
}

/// The rows with an incident or an exhibit that is asked for, or that are restricted or held; `None` where nothing of it is, or where they are too
/// many to list.
pub(super) fn listed(
    connection: &Connection,
    search: &RecordingSearch,
) -> rusqlite::Result<Option<Vec<i64>>> {
    let (tables, condition, value): (&[&str], _, _) = match (&search.exhibit, &search.incident) {
        (Some(exhibit), _) => (&["tags"], "t.exhibit = ?1", exhibit.as_str()),
        (None, Some(incident)) => (&["tags", "dock_tags"], "t.incident = ?1", incident.as_str()),
        (None, None) if search.restricted => (&["tags"], "t.restricted AND ?1", "1"),
        (None, None) if search.held => (&["holds"], "t.lifted IS NULL AND ?1", "1"),
        (None, None) => return Ok(None),
    };
    let of_table = |table: &&str| {
        format!(
            "SELECT i.n FROM {table} t JOIN items i ON i.station = t.station AND i.id = t.item WHERE {condition}"
        )
    };
    let all: Vec<String> = tables.iter().map(of_table).collect();
    let sql = format!(
        "SELECT DISTINCT n FROM ({}) LIMIT {}",
        all.join(" UNION ALL "),
        TAGGED_MAX + 1
    );
    let mut numbers = connection.prepare_cached(&sql)?;
    let numbers: Vec<i64> = numbers
        .query_map([value], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    Ok((numbers.len() <= TAGGED_MAX as usize).then_some(numbers))
}

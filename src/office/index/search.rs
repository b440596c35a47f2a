//! Searching the recordings of all stations, page by page.
//!
//! A search follows the index of its narrowest criterion in the order of the results and looks at a bounded number of rows: one
//! that comes to no end says how far it came, and goes on from there. Rare texts are looked up by their letters instead.

use std::collections::HashSet;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, params, params_from_iter};

use super::criteria::{CANDIDATE, Criteria, Route, Shown, WantedText, candidate, resolve};
use super::{FindingKind, Index, files, ranks, tags};
use crate::office::OfficeError;
use crate::web::{RecordingPage, RecordingSearch, RecordingState, SearchPlace};

/// Rows that one step of a search looks at before it asks for rare letters, and in all.
const FIRST_LOOK: usize = 2_000;
const LOOKS: usize = 20_000;
/// Recordings with the letters of a text that are looked at one by one; more are not rare.
const RARE: usize = 5_000;

/// What a walk along an index found.
#[derive(Default)]
struct Walk {
    found: Vec<SearchPlace>,
    /// Where it stopped before its end.
    stopped: Option<SearchPlace>,
}

impl Index {
    /// The next recordings of a search, at most `limit`, as far as they are shown.
    pub fn find(
        &self,
        search: &RecordingSearch,
        after: Option<SearchPlace>,
        limit: u32,
        shown: Shown<'_>,
    ) -> Result<RecordingPage, OfficeError> {
        let mut connection = self.lock();
        // One state of the index for all of it.
        let connection = connection.transaction()?;
        let Some(criteria) = resolve(&connection, search, shown)? else {
            return Ok(RecordingPage::default());
        };
        let limit = limit as usize;
        let walk = if let Some(numbers) = listed_numbers(&connection, &criteria)? {
            pick(&connection, &criteria, after, limit, &numbers)?
        } else {
            let walk = follow(&connection, &criteria, after, limit, FIRST_LOOK)?;
            match (walk.stopped.is_some(), rare(&connection, &criteria)?) {
                (false, _) => walk,
                (true, Some(numbers)) => pick(&connection, &criteria, after, limit, &numbers)?,
                (true, None) => follow(&connection, &criteria, after, limit, LOOKS)?,
            }
        };
        page(&connection, &criteria, walk, limit)
    }
}

/// The rows of a search that has a list of its own: those with findings, or with one evidence id.
fn listed_numbers(
    connection: &Connection,
    criteria: &Criteria<'_>,
) -> rusqlite::Result<Option<Vec<i64>>> {
    let id = criteria.text.as_ref().and_then(WantedText::id);
    if let Some(id) = id {
        let mut of_id =
            connection.prepare_cached("SELECT n FROM items WHERE station = ?1 AND id = ?2")?;
        let mut numbers = Vec::new();
        for station in criteria.stations.keys() {
            let key = params![station, id.as_bytes()];
            numbers.extend(
                of_id
                    .query_row(key, |row| row.get::<_, i64>(0))
                    .optional()?,
            );
        }
        return Ok(Some(numbers));
    }
    let kinds: Vec<&str> = match criteria.search.state {
        None
        | Some(RecordingState::Waiting | RecordingState::Stored | RecordingState::Undecided) => {
            return tags::listed(connection, criteria.search);
        }
        Some(RecordingState::Found) => FindingKind::NAMES.iter().map(|(_, name)| *name).collect(),
        Some(one) => vec![one.as_str()],
    };
    let mut numbers = HashSet::new();
    let mut found = connection.prepare_cached(
        "SELECT i.n FROM findings f JOIN items i ON i.station = f.station AND i.id = f.item
         WHERE f.station = ?1 AND f.kind = ?2 AND f.told",
    )?;
    for station in criteria.stations.keys() {
        for kind in &kinds {
            for number in found.query_map(params![station, kind], |row| row.get(0))? {
                numbers.insert(number?);
            }
        }
    }
    Ok(Some(numbers.into_iter().collect()))
}

/// The rows with the letters of the text, if they are rare.
fn rare(connection: &Connection, criteria: &Criteria<'_>) -> rusqlite::Result<Option<Vec<i64>>> {
    let attention = matches!(
        criteria.search.state,
        Some(RecordingState::Waiting | RecordingState::Undecided)
    );
    // Sidecars of a recording are not among the words.
    let letters = criteria.text.as_ref().and_then(WantedText::letters);
    let Some(letters) = letters.filter(|_| !attention) else {
        return Ok(None);
    };
    let sql = format!(
        "SELECT rowid FROM words WHERE words MATCH ?1 LIMIT {}",
        RARE + 1
    );
    let mut of_words = connection.prepare_cached(&sql)?;
    let numbers: Vec<i64> = of_words
        .query_map([letters], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    Ok((numbers.len() <= RARE).then_some(numbers))
}

/// Those of these rows that fit, in order.
fn pick(
    connection: &Connection,
    criteria: &Criteria<'_>,
    after: Option<SearchPlace>,
    limit: usize,
    numbers: &[i64],
) -> rusqlite::Result<Walk> {
    // An evidence id finds a sidecar by itself; a finding of a sidecar is shown with its recording's, if that has one.
    let by_words = criteria
        .search
        .state
        .is_none_or(|state| state == RecordingState::Stored);
    let own_id = criteria
        .text
        .as_ref()
        .is_some_and(|text| text.id().is_some());
    let all: HashSet<i64> = numbers.iter().copied().collect();
    let sql = format!("{CANDIDATE} WHERE n = ?1");
    let mut of_number = connection.prepare_cached(&sql)?;
    let mut found = Vec::new();
    for number in numbers {
        let row = of_number.query_row([number], candidate).optional()?;
        let Some(mut row) = row.filter(|row| comes_after(row.place, after)) else {
            continue;
        };
        if own_id {
            let id = criteria.text.as_ref().map(|text| text.whole.clone());
            row.path = id.unwrap_or_default();
        }
        let shown = if own_id {
            true
        } else if by_words {
            row.recording.is_none()
        } else {
            criteria.stands_alone(connection, &row, Some(&all))?
        };
        if shown && criteria.fits(connection, &row)? {
            found.push(row.place);
        }
    }
    Ok(Walk {
        found: in_order(found, limit + 1),
        stopped: None,
    })
}

fn comes_after(place: SearchPlace, after: Option<SearchPlace>) -> bool {
    after.is_none_or(|after| (place.rank, place.number) < (after.rank, after.number))
}

fn in_order(mut found: Vec<SearchPlace>, most: usize) -> Vec<SearchPlace> {
    found.sort_unstable_by_key(|place| std::cmp::Reverse((place.rank, place.number)));
    found.dedup();
    found.truncate(most);
    found
}

/// Follows the index of the narrowest criterion and looks at `looks` rows at most for each of its values.
fn follow(
    connection: &Connection,
    criteria: &Criteria<'_>,
    after: Option<SearchPlace>,
    limit: usize,
    looks: usize,
) -> rusqlite::Result<Walk> {
    let Route {
        index,
        condition,
        values,
    } = criteria.narrowest();
    let mut all = Walk::default();
    for value in values {
        let walk = follow_one(
            connection,
            criteria,
            after,
            limit,
            looks,
            (index, condition, value),
        )?;
        all.found.extend(walk.found);
        all.stopped = match (all.stopped, walk.stopped) {
            (Some(a), Some(b)) if (a.rank, a.number) < (b.rank, b.number) => Some(b),
            (a, b) => a.or(b),
        };
    }
    // Beyond the place where one of the walks stopped, the order of the results is not known.
    if let Some(stopped) = all.stopped {
        all.found
            .retain(|place| !comes_after(*place, Some(stopped)));
    }
    all.found = in_order(all.found, limit + 1);
    Ok(all)
}

fn follow_one(
    connection: &Connection,
    criteria: &Criteria<'_>,
    after: Option<SearchPlace>,
    limit: usize,
    looks: usize,
    (index, condition, value): (&str, &str, Value),
) -> rusqlite::Result<Walk> {
    let mut walk = Walk::default();
    let mut looked = 0;
    let from = format!("{CANDIDATE} INDEXED BY {index} WHERE {condition}");
    for flagged in [true, false] {
        if criteria.search.flagged && !flagged {
            break;
        }
        let (low, mut high) = ranks::range(flagged, criteria.search.from, criteria.search.to);
        let mut steps = Vec::new();
        if let Some(after) = after
            && after.rank <= high
        {
            // What has the same rank comes first, so that each step begins where the index finds it.
            if after.rank >= low {
                steps.push((
                    format!("{from} AND rank = ?2 AND n < ?3 ORDER BY n DESC"),
                    [after.rank, after.number],
                ));
            }
            high = after.rank.saturating_sub(1);
        }
        steps.push((
            format!("{from} AND rank BETWEEN ?2 AND ?3 ORDER BY rank DESC, n DESC"),
            [low, high],
        ));
        for (sql, ends) in steps {
            let values = [value.clone()].into_iter().chain(ends.map(Value::Integer));
            let mut statement = connection.prepare_cached(&sql)?;
            let mut rows = statement.query(params_from_iter(values))?;
            while let Some(row) = rows.next()? {
                let row = candidate(row)?;
                looked += 1;
                if criteria.fits(connection, &row)?
                    && criteria.stands_alone(connection, &row, None)?
                {
                    walk.found.push(row.place);
                    if walk.found.len() > limit {
                        return Ok(walk);
                    }
                }
                if looked >= looks {
                    walk.stopped = Some(row.place);
                    return Ok(walk);
                }
            }
        }
    }
    Ok(walk)
}

fn page(
    connection: &Connection,
    criteria: &Criteria<'_>,
    walk: Walk,
    limit: usize,
) -> Result<RecordingPage, OfficeError> {
    let mut found = walk.found;
    let more = found.len() > limit;
    found.truncate(limit);
    let (next, searched_to) = if more {
        (found.last().copied(), None)
    } else {
        (
            walk.stopped,
            walk.stopped
                .and_then(|place| ranks::listed_time(place.rank)),
        )
    };
    let recordings = found
        .into_iter()
        .map(|place| files::recording(connection, criteria, place));
    let recordings = recordings.collect::<rusqlite::Result<_>>()?;
    Ok(RecordingPage {
        recordings,
        behind: Vec::new(),
        next,
        searched_to,
        may_decide: false,
    })
}

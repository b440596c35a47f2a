//! The queries of lists, the metrics and the running station cost the same whatever the journal's size: counted in SQLite's
//! own steps, not in seconds.

use jiff::Timestamp;
use rusqlite::types::Value;
use rusqlite::{Connection, StatementStatus, params_from_iter};

use super::completeness::COMPLETENESS;
use super::items::{TO_UPLOAD, TOTALS, UNSTORED};
use super::overview::{FAILING, MISSING, OLDEST, UNDECIDED};
use super::{ItemFilter, Journal};
use crate::model::EvidenceId;

/// Items of one session.
const EACH: u32 = 50;

/// A journal with so many items, fifty a session and camera of the last two weeks; the newest hundred wait for the store,
/// and one in five thousand waits for a decision.
fn journal(dir: &std::path::Path, items: u32) -> Journal {
    let journal = Journal::open(&dir.join(format!("{items}.db"))).unwrap();
    let sessions = items / EACH;
    let sql = format!(
        "PRAGMA synchronous = OFF; BEGIN;
         WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {sessions})
         INSERT INTO sessions (id, bay, camera, profile, access, officer, started, ended, complete, seen, held, missing)
         SELECT CAST(printf('s%015d', i) AS BLOB), '1', 'make/X' || (i % 20), 'folder', 'folder', '' || (4711 + i % 20),
             strftime('%Y-%m-%dT%H:%M:%SZ', 1790000000 - (i + 1) * 3600, 'unixepoch'), '2026-09-30T00:00:00Z', 1, 50, 0, 0 FROM n;
         WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < {items})
         INSERT INTO items (id, session, camera, path, size, modified, kind, flagged, state, sha256, manifest, quarantine)
         SELECT CAST(printf('i%015d', i) AS BLOB), CAST(printf('s%015d', i / {EACH}) AS BLOB), 'make/X' || (i / {EACH} % 20),
             CAST(printf('DCIM/A%07d.MP4', i) AS BLOB), 1000 + i, '2026-01-31T06:00:00Z', 'video', 0,
             CASE WHEN i >= {items} - 100 THEN 'logged' ELSE 'released' END, zeroblob(32), zeroblob(700),
             CASE WHEN i % 5000 = 0 AND i < 20000 THEN 'not in the roster' END FROM n;
         COMMIT;"
    );
    journal.lock().execute_batch(&sql).unwrap();
    journal
}

/// Runs a query to its end; gives its steps and its plan.
fn cost(connection: &Connection, sql: &str, values: &[Value]) -> (i32, Vec<String>) {
    let mut statement = connection.prepare(sql).unwrap();
    let mut rows = statement.query(params_from_iter(values)).unwrap();
    while rows.next().unwrap().is_some() {}
    drop(rows);
    let steps = statement.get_status(StatementStatus::VmStep);
    let mut plan = connection
        .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
        .unwrap();
    let plan = plan
        .query_map(params_from_iter(values), |row| row.get::<_, String>(3))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    (steps, plan)
}

fn id(number: u32) -> EvidenceId {
    let text = format!("i{number:015}");
    EvidenceId::from_bytes(text.into_bytes().try_into().unwrap())
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

/// The queries whose cost must not grow with the journal. `items`: as many as there are.
fn asked(items: u32) -> Vec<(&'static str, String, Vec<Value>)> {
    let mut asked = Vec::new();
    let day = ItemFilter {
        from_day: Some("2026-09-21".into()),
        to_day: Some("2026-09-21".into()),
        ..ItemFilter::default()
    };
    let undecided = ItemFilter {
        undecided: true,
        ..ItemFilter::default()
    };
    let (sql, values) = undecided.page(None, 50);
    asked.push(("what waits", sql, values));
    for (what, filter) in [("items", ItemFilter::default()), ("items of a day", day)] {
        // From near the end on, as the last page of a list.
        let (sql, values) = filter.page(Some(id(items - 100)), 50);
        asked.push((what, sql, values));
    }
    let first = Value::Blob(b"s000000000000000".to_vec());
    asked.push(("totals", TOTALS.into(), Vec::new()));
    asked.push(("the oldest", OLDEST.into(), vec![text("logged")]));
    asked.push(("undecided", UNDECIDED.into(), Vec::new()));
    asked.push(("missing", MISSING.into(), Vec::new()));
    asked.push((
        "what a session still has here",
        UNSTORED.into(),
        vec![first],
    ));
    let since = vec![text("2026-09-21T00:00:00Z"), Value::Integer(3)];
    asked.push(("failing cameras", FAILING.into(), since));
    let day = vec![text("2026-09-21"), text("2026-09-21"), Value::Integer(2000)];
    asked.push(("a day's completeness", COMPLETENESS.into(), day));
    asked
}

#[test]
fn no_list_and_no_figure_takes_more_steps_in_a_larger_journal() {
    let dir = tempfile::tempdir().unwrap();
    let (small, large) = (20_000, 100_000);
    let journals = [small, large].map(|items| journal(dir.path(), items));
    for ((what, sql, values), (_, same, others)) in asked(small).into_iter().zip(asked(large)) {
        assert_eq!(sql, same);
        let (few, _) = cost(&journals[0].lock(), &sql, &values);
        let (many, plan) = cost(&journals[1].lock(), &sql, &others);
        println!("{what}: {few} steps, {many} with five times as much; {plan:?}");
        assert!(
            many <= few + few / 4 + 200,
            "{what} takes {few} steps with {small} items and {many} with {large}: {plan:#?}"
        );
        // The wide rows are only ever reached by their id or their state.
        for line in &plan {
            let whole = line.starts_with("SCAN items") || *line == "SCAN i";
            assert!(!whole, "{what}: {plan:#?}");
        }
    }
}

#[test]
fn what_a_session_still_has_here_counts_what_it_took_and_what_it_holds() {
    let dir = tempfile::tempdir().unwrap();
    let journal = journal(dir.path(), 1000);
    let session = |n: u32| {
        let text = format!("s{n:015}");
        crate::model::SessionId::from_bytes(text.into_bytes().try_into().unwrap())
    };
    assert_eq!(journal.unstored_of(session(19)).unwrap(), 50);
    assert_eq!(journal.unstored_of(session(3)).unwrap(), 0);
    // Docked again: it holds two that wait, one of its own, and one that is stored.
    let held = [id(950), id(960), id(999), id(3)];
    for (n, item) in held.iter().enumerate() {
        journal
            .lock()
            .execute(
                "INSERT INTO inventory (session, path, size, kind, flagged, rank, outcome, item)
                 VALUES (?1, ?2, 1, 'video', 0, 0, 'held', ?3)",
                (session(3), format!("{n}").into_bytes(), item),
            )
            .unwrap();
    }
    assert_eq!(journal.unstored_of(session(3)).unwrap(), 3);
    journal
        .lock()
        .execute(
            "UPDATE items SET session = ?1 WHERE id = ?2",
            (session(3), id(999)),
        )
        .unwrap();
    assert_eq!(journal.unstored_of(session(3)).unwrap(), 3, "each once");
    assert!(journal.overview(Timestamp::now()).is_ok());
    let before = journal.changes();
    journal.state_totals().unwrap();
    assert_eq!(journal.changes(), before);
    journal.set_number("x", 1).unwrap();
    assert!(journal.changes() > before);
}

#[test]
fn the_next_to_upload_cost_the_same_however_many_wait() {
    let dir = tempfile::tempdir().unwrap();
    let [few, many] = [500, 20_000].map(|items| {
        let journal = journal(dir.path(), items);
        let connection = journal.lock();
        connection
            .execute_batch("UPDATE items SET state = 'logged'")
            .unwrap();
        let sql = format!("SELECT * FROM items {TO_UPLOAD}");
        cost(&connection, &sql, &[Value::Integer(64)]).0
    });
    assert_eq!(few, many);
}

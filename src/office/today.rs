//! What the page *Today* shows: everything that needs somebody, over all stations, out of what the office last saw.

use jiff::Timestamp;

use super::error::OfficeError;
use super::index::{NamedFinding, StationRow};
use super::{KnownGap, LogStanding, open_gaps, standings, station_rows};
use crate::config::OfficeConfig;
use crate::model::{StationName, codes};
use crate::web::{Matter, Today};

/// Findings of each kind that are shown as examples.
const EXAMPLES: u32 = 20;

pub fn gather(config: &OfficeConfig) -> Result<Today, OfficeError> {
    let now = Timestamp::now();
    let (mut matters, mut stations) = (Vec::new(), Vec::new());
    let rows = station_rows(config, EXAMPLES)?;
    let gaps = open_gaps(config, EXAMPLES)?;
    let stood = standings(config)?.into_iter().zip(rows).zip(gaps);
    for (((station, standing), row), gaps) in stood {
        if let Some(standing) = &standing {
            matters.extend(of_log(&station, standing));
        }
        if let Some((row, findings)) = &row {
            of_bucket(&station, row, findings, &mut matters);
            matters.extend(of_gaps(&station, row, &gaps));
        }
        let mut line = serde_json::to_value(&standing).unwrap_or_default();
        if standing.is_none() {
            line = serde_json::json!({"station": station, "looked_at": null});
        }
        if let Some((row, _)) = row {
            line["bucket"] = serde_json::to_value(row).unwrap_or_default();
        }
        stations.push(line);
    }
    Ok(Today {
        office: config.name.clone(),
        at: now,
        matters,
        stations,
        may_decide: false,
    })
}

fn of_log(station: &StationName, standing: &LogStanding) -> Option<Matter> {
    let (code, problem) = (standing.code.as_ref()?, standing.problem.as_ref()?);
    Some(Matter::new(station, code, problem.clone()))
}

fn of_bucket(
    station: &StationName,
    row: &StationRow,
    findings: &[NamedFinding],
    matters: &mut Vec<Matter>,
) {
    for (kind, count) in row.found() {
        let of_kind = findings.iter().filter(|finding| finding.kind == kind);
        let examples = of_kind.filter_map(|finding| serde_json::to_value(finding).ok());
        let examples = examples.collect();
        let found = counted(station, kind.label(), count);
        matters.extend(found.map(|matter| Matter { examples, ..matter }));
    }
    if let (Some(code), Some(problem)) = (&row.index_code, &row.index_problem) {
        matters.push(Matter::new(station, code, problem.clone()));
    }
    if let Some(note) = &row.unfit_note {
        let code = "office_entries_unfit";
        matters.push(Matter {
            count: Some(row.unfit_entries),
            ..Matter::new(station, code, note.clone())
        });
    }
    matters.extend(counted(station, "office_not_held", row.not_held));
    matters.extend(counted(station, "office_lock_ending", row.locks_ending));
    let refused = row.locks_refused.saturating_sub(row.locks_ending);
    matters.extend(counted(station, "office_lock_refused", refused));
    let code = "office_items_undecided";
    matters.extend(counted(station, code, row.undecided));
    let code = "office_items_waiting";
    matters.extend(counted(station, code, row.waiting));
}

fn of_gaps(station: &StationName, row: &StationRow, gaps: &[KnownGap]) -> Option<Matter> {
    let examples = gaps.iter().filter_map(|gap| serde_json::to_value(gap).ok());
    let code = "office_gaps";
    let found = counted(station, code, row.gaps)?;
    Some(Matter {
        examples: examples.collect(),
        ..found
    })
}

/// Something that there is a number of, in the words of its code; `None` if there is none.
fn counted(station: &StationName, code: &str, count: u64) -> Option<Matter> {
    let meaning = codes::find(code).map_or("", |code| code.meaning);
    (count > 0).then(|| Matter {
        count: Some(count),
        ..Matter::new(station, code, meaning.to_owned())
    })
}

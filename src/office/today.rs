//! What the page *Today* shows: everything that needs somebody, over all stations, out of what the office last saw.

use jiff::Timestamp;

use super::error::OfficeError;
use super::index::{NamedFinding, StationRow, UNFIT_ENTRIES};
use super::{LogStanding, standings, station_rows};
use crate::config::OfficeConfig;
use crate::model::{Explain as _, StationName};
use crate::web::{Matter, OfficeBackend, Today};

/// Findings of each kind that are shown as examples.
const EXAMPLES: u32 = 20;

impl OfficeBackend for OfficeConfig {
    fn today(&self) -> Result<Today, (&'static str, String)> {
        gather(self).map_err(|error| (error.label(), error.described()))
    }
}

fn gather(config: &OfficeConfig) -> Result<Today, OfficeError> {
    let now = Timestamp::now();
    let (mut matters, mut stations) = (Vec::new(), Vec::new());
    let rows = station_rows(config, EXAMPLES)?;
    for ((station, standing), row) in standings(config)?.into_iter().zip(rows) {
        if let Some(standing) = &standing {
            matters.extend(of_log(&station, standing));
        }
        if let Some((row, findings)) = &row {
            of_bucket(&station, row, findings, &mut matters);
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
    for (kind, count) in row.found().into_iter().filter(|(_, count)| *count > 0) {
        let meaning = crate::model::codes::find(kind.code()).map_or("", |code| code.meaning);
        let of_kind = findings.iter().filter(|finding| finding.kind == kind);
        matters.push(Matter {
            count: Some(count),
            examples: of_kind
                .filter_map(|finding| serde_json::to_value(finding).ok())
                .collect(),
            ..Matter::new(station, kind.code(), meaning.to_owned())
        });
    }
    if let (Some(code), Some(problem)) = (&row.index_code, &row.index_problem) {
        matters.push(Matter::new(station, code, problem.clone()));
    }
    if let Some(note) = &row.unfit_note {
        matters.push(Matter {
            count: Some(row.unfit_entries),
            ..Matter::new(station, UNFIT_ENTRIES, note.clone())
        });
    }
    let waiting = [
        (row.undecided, "office_items_undecided"),
        (row.waiting, "office_items_waiting"),
    ];
    for (count, code) in waiting.into_iter().filter(|(count, _)| *count > 0) {
        let meaning = crate::model::codes::find(code).map_or("", |code| code.meaning);
        matters.push(Matter {
            count: Some(count),
            ..Matter::new(station, code, meaning.to_owned())
        });
    }
}

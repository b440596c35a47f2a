//! `camdock office status`: how each station's log and its objects in the bucket stand.

use std::io::Write;

use crate::cli::Outcome;
use crate::config::OfficeConfig;
use crate::model::Escaped;
use crate::office::{self, NamedFinding, StationRow};

/// Findings of each kind that are shown for a station.
const SHOWN: u32 = 20;

pub fn run(config: &OfficeConfig, json: bool) -> anyhow::Result<Outcome> {
    let mut out = std::io::stdout().lock();
    let mut attention = false;
    let now = jiff::Timestamp::now();
    let rows = office::station_rows(config, SHOWN)?;
    for ((station, standing), row) in office::standings(config)?.into_iter().zip(rows) {
        let stale = standing
            .as_ref()
            .is_some_and(|s| s.is_stale(config.follow_interval, now));
        attention |= stale || standing.as_ref().is_none_or(|s| s.code.is_some());
        attention |= row.as_ref().is_some_and(|(row, _)| row.needs_somebody());
        if json {
            let mut line = match &standing {
                Some(standing) => serde_json::to_value(standing)?,
                None => serde_json::json!({"station": station, "looked_at": null}),
            };
            line["stale"] = stale.into();
            if let Some((row, findings)) = row {
                line["bucket"] = serde_json::to_value(row)?;
                line["findings"] = serde_json::to_value(findings)?;
            }
            writeln!(out, "{line}")?;
            continue;
        }
        log_line(&mut out, station.as_str(), standing.as_ref())?;
        if let Some(standing) = standing.filter(|_| stale) {
            let since = standing.looked_at;
            writeln!(
                out,
                "  ! nobody has looked since {since}\n    next: systemctl status camdock-office.service"
            )?;
        }
        if let Some((row, findings)) = &row {
            bucket_lines(&mut out, row, findings)?;
        }
    }
    Ok(if attention {
        Outcome::NeedsAttention
    } else {
        Outcome::Fine
    })
}

fn log_line(
    out: &mut impl Write,
    station: &str,
    standing: Option<&office::LogStanding>,
) -> std::io::Result<()> {
    let Some(standing) = standing else {
        return writeln!(
            out,
            "{station:<24} not looked at yet; is the office running?"
        );
    };
    let since = standing
        .cosigned_at
        .map_or_else(|| "never".to_owned(), |at| at.to_string());
    let closed = if standing.closed { ", closed" } else { "" };
    writeln!(
        out,
        "{station:<24} {:>10} entries cosigned, last {since}{closed}",
        standing.cosigned_entries
    )?;
    match (&standing.code, &standing.problem) {
        (Some(code), Some(problem)) => problem_lines(out, code, problem),
        _ => Ok(()),
    }
}

fn problem_lines(out: &mut impl Write, code: &str, problem: &str) -> std::io::Result<()> {
    let problem = Escaped(problem.as_bytes());
    writeln!(
        out,
        "  ! {problem} ({code})\n    next: camdock explain {code}"
    )
}

/// What was read of the log and found in the bucket.
fn bucket_lines(
    out: &mut impl Write,
    row: &StationRow,
    findings: &[NamedFinding],
) -> std::io::Result<()> {
    let listed = row
        .listed
        .map_or_else(|| "never".to_owned(), |at| at.to_string());
    writeln!(
        out,
        "{:<24} {:>10} entries read, {} items; {} objects listed, last {listed}",
        "", row.indexed_entries, row.items, row.objects
    )?;
    if let (Some(code), Some(problem)) = (&row.index_code, &row.index_problem) {
        problem_lines(out, code, problem)?;
    }
    if let Some(note) = &row.unfit_note {
        let many = format!("{} entries make no sense: {note}", row.unfit_entries);
        let code = "office_entries_unfit";
        problem_lines(out, code, &many)?;
    }
    if row.unknown_entries > 0 {
        let known = "of kinds that this version does not know";
        writeln!(out, "  {} entries are {known}", row.unknown_entries)?;
    }
    if row.not_held > 0 {
        let many = format!(
            "{} items are not held in the store as people decided",
            row.not_held
        );
        problem_lines(out, "office_not_held", &many)?;
    }
    if row.locks_refused > 0 {
        let code = if row.locks_ending > 0 {
            "office_lock_ending"
        } else {
            "office_lock_refused"
        };
        let many = format!(
            "the store did not renew the locks of {} items; {} of them end within 30 days",
            row.locks_refused, row.locks_ending
        );
        problem_lines(out, code, &many)?;
    }
    for (kind, count) in row.found() {
        let of_kind = findings.iter().filter(|finding| finding.kind == kind);
        for finding in of_kind {
            let key = Escaped(finding.key.as_bytes());
            problem_lines(out, finding.code, &format!("{key}: {}", finding.what))?;
        }
        if count > u64::from(SHOWN) {
            let kind = kind.as_str();
            writeln!(out, "  {count} in all are of this kind ({kind})")?;
        }
    }
    Ok(())
}

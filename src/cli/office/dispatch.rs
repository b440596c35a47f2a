//! `camdock office tag --from FILE`: which recordings were made in the time of which row of a dispatch file.

use std::fs::File;
use std::io::{self, Read as _, Write};
use std::path::Path;

use anyhow::Context as _;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use super::decide;
use crate::cli::orders::OrderSignature;
use crate::cli::{Outcome, usage};
use crate::config::{OfficeConfig, TagSettings};
use crate::model::{DispatchMatch, Escaped, FileTag, MatchConfidence, Officer, StationName};
use crate::office::dispatch::{DispatchFile, FILE_MAX, Finding, Matches, find_matches};
use crate::office::{DatedRecording, Index, NamedItem};

// Not a doc comment: clap would show it as the help of the verb.
#[derive(clap::Args)]
pub struct DispatchArgs {
    /// The least confidence of a match that is tagged: `high` (the whole recording is in the row's time), `medium` (within 5 minutes of
    /// it), both by a measured clock; `low`: the camera's clock was not measured
    #[arg(long, requires = "from", value_enum, default_value = "medium")]
    least: Least,
    /// The heading of a column in this file, in place of office.toml's: badge, start, end, incident or category
    #[arg(long, requires = "from", value_name = "FIELD=HEADING")]
    column: Vec<String>,
    /// The zone of the file's times that have no offset, such as Europe/London
    #[arg(long, requires = "from", value_name = "ZONE")]
    time_zone: Option<String>,
    /// With --from: one JSON object a line
    #[arg(long, requires = "from")]
    json: bool,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Least {
    High,
    Medium,
    Low,
}

impl From<Least> for MatchConfidence {
    fn from(least: Least) -> Self {
        match least {
            Least::High => Self::High,
            Least::Medium => Self::Medium,
            Least::Low => Self::Low,
        }
    }
}

pub fn run(
    config: &OfficeConfig,
    path: &Path,
    args: &DispatchArgs,
    yes: bool,
    signature: &OrderSignature,
) -> anyhow::Result<Outcome> {
    if yes && args.json {
        return Err(usage(
            "--json lists what would be tagged; tag by --yes alone",
        ));
    }
    let settings = settings(config, args)?;
    let file = DispatchFile::read(&bytes(path)?, &settings);
    let file = file.map_err(|why| {
        let path = Escaped(path.as_os_str().as_encoded_bytes()).to_string();
        usage(format!("{path} is no file of dispatch: {why}"))
    })?;
    let index = Index::open_read_only(&config.index())?
        .context("there is no index yet; is the office running?")?;
    let stations: Vec<StationName> = config.stations.iter().map(|s| s.name.clone()).collect();
    let matches = find_matches(&index, &file.rows, &stations, args.least.into())?;
    let mut out = io::stdout().lock();
    let fine = tell(&mut out, &file, &matches, args.json)?;
    let tags = tags(&file, &matches);
    if !args.json {
        writeln!(
            out,
            "{} recordings fit rows, {} rows have none",
            tags.len(),
            matches.without_recording.len()
        )?;
    }
    let told = if fine {
        Outcome::Fine
    } else {
        Outcome::NeedsAttention
    };
    if !yes {
        if !args.json {
            writeln!(
                out,
                "nothing was tagged; give the command again with --yes to tag what fits"
            )?;
        }
        return Ok(told);
    }
    drop(out);
    match decide::tag_dispatched(config, &tags, signature)? {
        Outcome::Fine => Ok(told),
        other => Ok(other),
    }
}

/// office.toml's, changed by the flags.
fn settings(config: &OfficeConfig, args: &DispatchArgs) -> anyhow::Result<TagSettings> {
    let mut settings = config.tags.clone();
    let format = &mut settings.dispatch;
    for given in &args.column {
        let column = given.split_once('=').and_then(|(field, heading)| {
            let column = match field {
                "badge" => &mut format.badge,
                "start" => &mut format.start,
                "end" => &mut format.end,
                "incident" => &mut format.incident,
                "category" => &mut format.category,
                _ => return None,
            };
            Some((column, heading.trim().to_owned()))
        });
        let Some((column, heading)) = column else {
            return Err(usage(
                "--column is badge=, start=, end=, incident= or category= and the heading",
            ));
        };
        *column = heading;
    }
    if let Some(name) = &args.time_zone {
        let zone = TimeZone::get(name);
        format.time_zone = Some(zone.map_err(|_| usage("--time-zone is not a known time zone"))?);
    }
    Ok(settings)
}

fn bytes(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let limit = FILE_MAX + 1;
    if path == Path::new("-") {
        io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes))
    }
    .with_context(|| format!("cannot read {}", path.display()))?;
    if bytes.len() as u64 > FILE_MAX {
        return Err(usage(format!(
            "the file is larger than {} MiB; give it in parts",
            FILE_MAX >> 20
        )));
    }
    Ok(bytes)
}

/// What is to be tagged.
fn tags(file: &DispatchFile, matches: &Matches) -> Vec<(NamedItem, FileTag)> {
    let tagged = matches.found.iter().filter_map(|(_, recording, finding)| {
        let Finding::Match {
            row,
            confidence,
            ahead,
            ..
        } = finding
        else {
            return None;
        };
        let row = &file.rows[*row];
        let item = NamedItem {
            station: Some(recording.station.clone()),
            evidence: recording.evidence,
        };
        let tag = FileTag {
            incident: row.incident.clone(),
            category: row.category.clone(),
            found: DispatchMatch {
                file_sha256: file.sha256,
                line: row.line,
                confidence: *confidence,
                ahead_seconds: *ahead,
            },
        };
        Some((item, tag))
    });
    tagged.collect()
}

/// Tells every match and every doubt; whether there was none of these.
fn tell(
    out: &mut impl Write,
    file: &DispatchFile,
    matches: &Matches,
    json: bool,
) -> anyhow::Result<bool> {
    let mut fine = file.problems.is_empty() && matches.without_recording.is_empty();
    for problem in &file.problems {
        if json {
            let line = json!({"outcome": "row_unfit", "line": problem.line, "why": problem.why});
            writeln!(out, "{line}")?;
        } else {
            writeln!(out, "! line {}: {}", problem.line, problem.why)?;
        }
    }
    for (officer, recording, finding) in &matches.found {
        fine &= matches!(finding, Finding::Match { .. } | Finding::Kept { .. });
        if json {
            writeln!(out, "{}", as_json(file, officer, recording, finding))?;
        } else {
            writeln!(out, "{}", in_words(file, officer, recording, finding))?;
        }
    }
    for place in &matches.without_recording {
        let row = &file.rows[*place];
        if json {
            let mut line =
                json!({"outcome": "no_recording", "line": row.line, "officer": row.badge});
            line["incident"] = row.incident.as_str().into();
            writeln!(out, "{line}")?;
        } else {
            let (line, incident) = (row.line, &row.incident);
            let badge = Escaped(row.badge.0.as_bytes());
            writeln!(
                out,
                "! line {line}: no recording of {badge} for {incident:?}"
            )?;
        }
    }
    if matches.cut {
        let why = "the file has more recordings than are compared in one go; give it in parts";
        if json {
            writeln!(out, "{}", json!({"outcome": "cut", "why": why}))?;
        } else {
            writeln!(out, "! {why}")?;
        }
    }
    Ok(fine && !matches.cut)
}

fn lines(file: &DispatchFile, places: &[usize]) -> Vec<u64> {
    places.iter().map(|place| file.rows[*place].line).collect()
}

fn as_json(
    file: &DispatchFile,
    officer: &Officer,
    recording: &DatedRecording,
    finding: &Finding,
) -> Value {
    let mut line = json!({"outcome": "", "station": recording.station, "evidence": recording.evidence,
        "path": recording.path, "officer": officer, "recorded": recording.recorded, "lines": []});
    let mut rows = Vec::new();
    match finding {
        Finding::Match {
            row: place,
            confidence,
            ahead,
            at,
        } => {
            let row = &file.rows[*place];
            line["incident"] = row.incident.as_str().into();
            line["category"] = row.category.clone().into();
            line["confidence"] = confidence.as_str().into();
            line["ahead_seconds"] = (*ahead).into();
            line["corrected"] = at.to_string().into();
            rows.push(*place);
        }
        Finding::Kept { row } => rows.push(*row),
        Finding::LessSure { row, confidence } => {
            line["confidence"] = confidence.as_str().into();
            rows.push(*row);
        }
        Finding::SeveralRows(several) => rows.clone_from(several),
        Finding::ClockUnmeasured { rows: several, why } => {
            line["why"] = (*why).into();
            rows.clone_from(several);
        }
        Finding::NoRow => {}
        Finding::NoTime(why) => line["why"] = (*why).into(),
    }
    line["outcome"] = outcome(finding).into();
    line["lines"] = lines(file, &rows).into();
    line
}

const fn outcome(finding: &Finding) -> &'static str {
    match finding {
        Finding::Match { .. } => "match",
        Finding::Kept { .. } => "kept",
        Finding::LessSure { .. } => "less_sure",
        Finding::SeveralRows(_) => "several_rows",
        Finding::ClockUnmeasured { .. } => "clock_unmeasured",
        Finding::NoRow => "no_row",
        Finding::NoTime(_) => "no_time",
    }
}

fn in_words(
    file: &DispatchFile,
    officer: &Officer,
    recording: &DatedRecording,
    finding: &Finding,
) -> String {
    let officer = Escaped(officer.0.as_bytes());
    let item = format!(
        "{} of {officer}, {}",
        recording.evidence,
        Escaped(recording.path.as_bytes())
    );
    let of_row = |place: usize| {
        let row = &file.rows[place];
        format!("line {}, incident {:?}", row.line, row.incident)
    };
    let all = |places: &[usize]| {
        let all: Vec<String> = places.iter().map(|place| of_row(*place)).collect();
        all.join("; ")
    };
    match finding {
        Finding::Match {
            row,
            confidence,
            ahead,
            ..
        } => {
            let by = ahead.map_or_else(
                || "by a clock that was not measured".to_owned(),
                |ahead| format!("its clock was {ahead} s ahead"),
            );
            let sure = confidence.as_str();
            format!("fits     {item}: {} ({sure}; {by})", of_row(*row))
        }
        Finding::Kept { row } => {
            format!("kept     {item}: a person has tagged it ({})", of_row(*row))
        }
        Finding::LessSure { row, confidence } => format!(
            "! {item}: fits with confidence {} only ({})",
            confidence.as_str(),
            of_row(*row)
        ),
        Finding::SeveralRows(rows) => format!("! {item}: fits several incidents ({})", all(rows)),
        Finding::ClockUnmeasured { rows, why } => format!("! {item}: {why} ({})", all(rows)),
        Finding::NoRow => format!("! {item}: no row of this officer is at its time"),
        Finding::NoTime(why) => format!("! {item}: {why}"),
    }
}

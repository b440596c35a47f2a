use std::io::Write;
use std::path::Path;

use anyhow::Context as _;
use clap::Subcommand;

use super::check::diagnosis::{Diagnosis, bad, failed, fine};
use super::{Outcome, logs};
use crate::config::{FollowedStation, OfficeConfig};
use crate::model::{BucketLayout, Escaped};
use crate::office::{self, NamedFinding, StationRow};
use crate::sys;
use crate::upload::Store;

/// Runs the evidence office: it follows the stations' logs in the bucket and witnesses them.
#[derive(clap::Args)]
#[command(after_help = "\
  camdock office check      says what the office still needs, with the fix for each finding; start here
  camdock office keygen     makes the key that cosigns the stations' logs
  camdock office run        the service
  camdock office status     how each station's log and objects stand; exit code 3 when one needs attention
  camdock office rebuild    makes the index of all stations anew from their logs in the bucket
A cosignature means that a log only grew since the one before. It says nothing of what the entries say.")]
pub struct Args {
    #[command(subcommand)]
    verb: OfficeVerb,
}

#[derive(Subcommand)]
enum OfficeVerb {
    /// Follow and witness the logs of all stations in office.toml, until stopped
    Run,
    /// Check configuration, keys, store and the stations' logs, each finding with its fix
    Check {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Show how each station's log and its objects in the bucket stood when the office last looked
    Status {
        /// One JSON object a line
        #[arg(long)]
        json: bool,
    },
    /// Make the index anew from the stations' logs in the bucket; the service may run meanwhile
    Rebuild,
    /// Make the witness's key pair; it never replaces one
    Keygen,
}

pub fn run(config: &Path, args: Args) -> anyhow::Result<Outcome> {
    let (config, warnings) = OfficeConfig::load(config)?;
    match args.verb {
        OfficeVerb::Run => serve(config, warnings),
        OfficeVerb::Check { json } => check(&config, warnings, json),
        OfficeVerb::Status { json } => status(&config, json),
        OfficeVerb::Rebuild => rebuild(&config),
        OfficeVerb::Keygen => {
            let public = office::make_key(&config)?;
            println!("private key: {}", config.witness_key().display());
            println!("public key:  {public}");
            println!(
                "Give the public key to everyone who is to verify these cosignatures, by a way that you trust."
            );
            Ok(Outcome::Fine)
        }
    }
}

fn serve(config: OfficeConfig, warnings: Vec<String>) -> anyhow::Result<Outcome> {
    sys::bound_heap();
    logs::start(config.log.format, &config.log.level);
    for warning in warnings {
        tracing::warn!(
            code = "config_unwise",
            warning,
            next_step = "edit the configuration file if this is not meant so",
            "the configuration works, but is unwise"
        );
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    runtime.block_on(office::run(config))?;
    Ok(Outcome::Fine)
}

fn check(config: &OfficeConfig, warnings: Vec<String>, json: bool) -> anyhow::Result<Outcome> {
    let mut found = vec![fine("configuration", format!("the office {}", config.name))];
    let unwise = |w| bad("configuration", w, "Edit office.toml.");
    found.extend(warnings.into_iter().map(unwise));
    found.push(match office::witness_public(config) {
        Ok(key) => fine("witness key", key.to_string()),
        Err(error) => failed("witness key", &error),
    });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    match office::open_store(config) {
        Ok(store) => {
            for station in &config.stations {
                found.push(runtime.block_on(log_of(&store, config, station)));
                found.push(runtime.block_on(objects_of(&store, config, station)));
            }
        }
        Err(error) => found.push(failed("store", &error)),
    }
    let mut out = std::io::stdout().lock();
    for diagnosis in &found {
        diagnosis.print(&mut out, json)?;
    }
    Ok(if found.iter().all(|diagnosis| diagnosis.ok) {
        Outcome::Fine
    } else {
        Outcome::NeedsAttention
    })
}

/// Whether the bucket has the station's log, signed by the key that office.toml names.
async fn log_of(store: &dyn Store, config: &OfficeConfig, station: &FollowedStation) -> Diagnosis {
    const WHAT: &str = "station";
    let name = &station.name;
    let key = match office::station_key(station) {
        Ok(key) => key,
        Err(error) => return failed(WHAT, &error.into()),
    };
    let path = format!("{}log/{name}/checkpoint", config.store.prefix);
    let note = match store.get(&path, 64 << 10).await {
        Ok(Some(bytes)) => String::from_utf8_lossy(&bytes).into_owned(),
        Ok(None) => {
            let station = name.clone();
            return failed(WHAT, &office::OfficeError::NoLog { station }.into());
        }
        Err(error) => return failed(WHAT, &error.into()),
    };
    match key.open(&note) {
        Ok(checkpoint) => fine(WHAT, format!("{name}: {} entries", checkpoint.size)),
        Err(error) => bad(
            WHAT,
            format!("{name}: {error}"),
            "If the station has new keys, see docs/security.md. Else its key in office.toml is another station's, or somebody else wrote the log: on the station, run `cat /var/lib/camdock/keys/log.pub` and compare.",
        ),
    }
}

/// Whether the office may list the station's objects.
async fn objects_of(
    store: &dyn Store,
    config: &OfficeConfig,
    station: &FollowedStation,
) -> Diagnosis {
    const WHAT: &str = "objects";
    let layout = BucketLayout::new(config.store.prefix.clone(), station.name.clone());
    match store.list(&layout.evidence_folder(), None).await {
        Ok(page) if page.objects.is_empty() => fine(WHAT, format!("{}: none", station.name)),
        Ok(_) => fine(WHAT, format!("{}: they can be listed", station.name)),
        Err(error) => failed(WHAT, &error.into()),
    }
}

fn rebuild(config: &OfficeConfig) -> anyhow::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let told = |station: &str, entries| println!("{station:<24} {entries:>10} entries read");
    runtime.block_on(office::rebuild(config, told))?;
    Ok(Outcome::Fine)
}

/// Findings of each kind that are shown for a station.
const SHOWN: u32 = 20;

fn status(config: &OfficeConfig, json: bool) -> anyhow::Result<Outcome> {
    let mut out = std::io::stdout().lock();
    let mut attention = false;
    let rows = office::station_rows(config, SHOWN)?;
    for ((station, standing), row) in office::standings(config)?.into_iter().zip(rows) {
        attention |= standing.as_ref().is_none_or(|s| s.code.is_some());
        attention |= row.as_ref().is_some_and(|(row, _)| row.needs_somebody());
        if json {
            let mut line = match &standing {
                Some(standing) => serde_json::to_value(standing)?,
                None => serde_json::json!({"station": station, "looked_at": null}),
            };
            if let Some((row, findings)) = row {
                line["bucket"] = serde_json::to_value(row)?;
                line["findings"] = serde_json::to_value(findings)?;
            }
            writeln!(out, "{line}")?;
            continue;
        }
        log_line(&mut out, station.as_str(), standing.as_ref())?;
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
    writeln!(
        out,
        "{station:<24} {:>10} entries cosigned, last {since}",
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

//! `camdock audit`: finds what is missing between the cameras, the custody log and the store.
//!
//! It only reads. Explanations of gaps are orders to the running station.

mod days;
mod listing;
mod report;

use std::path::Path;

use clap::Subcommand;
use jiff::{SignedDuration, Timestamp};

use self::days::DaysArgs;
use self::listing::Listing;
use self::report::GapReport;
use super::bucket::Bucket;
use super::orders::{OrderSignature, send};
use super::verify::{self, Anchors, Deletions, LoggedLocks, ReportedDisposal, ReportedFinding};
use super::{Outcome, load_config};
use crate::audit::{DirSource, GapRules, LogHistory, LogSource, VerifierKey, verify_log};
use crate::config::{Config, Roster};
use crate::durable;
use crate::model::{CameraId, Entry, Officer};
use crate::station::Order;

/// The limits of the daily audit, which the metrics show.
const UNSEEN_DAYS: u16 = GapRules::UNSEEN_DAYS;
const WAITING_HOURS: u16 = GapRules::WAITING_HOURS;

/// Finds what is missing between cameras, custody log and store.
#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: AuditVerb,
}

#[derive(Subcommand)]
enum AuditVerb {
    /// Name every file that was seen but is not stored, and what should have been seen
    Gaps(GapsArgs),
    /// List for each camera and day what was seen, held, sealed and stored, and what is missing
    Days(DaysArgs),
    /// Explain gaps, so that they are not reported any more
    Accept {
        /// Names of gaps from `camdock audit gaps`; a * at the end stands for all gaps that exist now and whose names begin so
        #[arg(required = true, value_name = "GAP")]
        gaps: Vec<String>,
        #[command(flatten)]
        signature: OrderSignature,
    },
}

/// Reads the whole custody log and lists the store; changes neither.
#[derive(clap::Args)]
#[command(after_help = "\
  camdock audit gaps                     every day by camdock-gaps.timer, or by hand
  camdock audit gaps --camera acme/X1    one camera
  camdock audit gaps --no-store          the log alone, without the right to list the bucket
  camdock audit accept 'number:acme/X1:DCIM/A#:0007' --operator 'M. Shah' --reason 'deleted by the officer, see note 12'
What it looks for:
  - files on a camera that were neither taken nor held, and files that could not be taken
  - sealed items that wait too long for the store; stays that were cut short and never finished
  - numbers missing in the names of a camera's recordings
  - cameras of the roster that were not docked here for long
  - objects that the log calls stored and the store does not have, and objects that only the store knows
What the office of camdock.toml says was deleted by rule is listed, and is no gap once it is gone.
Exit code 0: every gap is explained. 3: there are gaps. 1: log and store contradict each other.")]
struct GapsArgs {
    /// Only gaps of this camera
    #[arg(long, value_name = "MAKE/SERIAL")]
    camera: Option<String>,
    /// A camera of the roster may be absent this many days
    #[arg(long, value_name = "DAYS", default_value_t = UNSEEN_DAYS, value_parser = clap::value_parser!(u16).range(1..))]
    unseen_days: u16,
    /// An item may wait for the store, and a camera stay docked, this many hours
    #[arg(long, value_name = "HOURS", default_value_t = WAITING_HOURS, value_parser = clap::value_parser!(u16).range(1..))]
    waiting_hours: u16,
    /// Also show the explained gaps
    #[arg(long)]
    accepted: bool,
    /// Do not compare with the store
    #[arg(long)]
    no_store: bool,
    /// Take the log from the bucket, not from this station
    #[arg(long, conflicts_with = "no_store")]
    bucket: bool,
    /// The log's public key; default: log.pub beside the station's keys
    #[arg(long, value_name = "NAME+ID+KEY")]
    log_key: Option<String>,
    /// One JSON object for machines
    #[arg(long)]
    json: bool,
}

pub fn run(config: &Path, args: Args) -> anyhow::Result<Outcome> {
    let config = load_config(config)?;
    match args.what {
        AuditVerb::Gaps(args) => gaps(&config, &args),
        AuditVerb::Days(args) => days::run(&config, &args),
        AuditVerb::Accept { gaps, signature } => {
            send(&config, Order::AcceptGaps { gaps }, Vec::new(), signature)
        }
    }
}

fn gaps(config: &Config, args: &GapsArgs) -> anyhow::Result<Outcome> {
    let key = verify::verifier_key(config, args.log_key.as_deref())?;
    let local = DirSource::new(config.files.log_dir());
    let published = verify::published(config);
    // The store is listed before the log is read, so that a running station's newest objects are in the log.
    let bucket = if args.no_store {
        None
    } else {
        Some(Listing::take(Bucket::open(config)?)?)
    };
    let mut wrong = Vec::new();
    let mut copies = None;
    let mut anchors = Anchors::default();
    if let Some(listing) = &bucket {
        if !args.bucket {
            let (text, found) = verify::compare_copies(&local, &listing.bucket, &key)?;
            copies = Some(text);
            wrong.extend(found);
        }
        wrong.extend(verify::older(&listing.bucket, &key, published)?);
        anchors.locked(&listing.bucket, &key, &LoggedLocks::default())?;
    }
    let source: &(dyn LogSource + Sync) = match &bucket {
        Some(listing) if args.bucket => &listing.bucket,
        _ => &local,
    };
    let book = read(source, &key, anchors, &mut wrong)?;
    let rules = GapRules {
        now: Timestamp::now(),
        patience: SignedDuration::from_hours(args.waiting_hours.into()),
        unseen: SignedDuration::from_hours(i64::from(args.unseen_days) * 24),
        roster: roster(config)?,
    };
    let mut gaps = book.gaps(&rules);
    let mut receipts_waiting = 0;
    let mut deletions = Deletions::default();
    if let Some(listing) = &bucket {
        deletions = Deletions::read(config, |item| book.sealed_at(item));
        let compared = listing.compare(&book, &deletions.believed)?;
        gaps.extend(compared.gaps);
        receipts_waiting = compared.receipts_waiting;
        wrong.append(&mut deletions.findings);
        wrong.extend(compared.still_there);
    }
    gaps.sort_by(|a, b| (a.code, &a.gap).cmp(&(b.code, &b.gap)));
    gaps.dedup_by(|a, b| a.gap == b.gap);
    let mut report = GapReport::new(&book, gaps, wrong, copies, bucket.is_some());
    report.receipts_waiting = receipts_waiting;
    report.disposed = deletions
        .believed
        .values()
        .map(ReportedDisposal::of)
        .collect();
    report.unread = deletions.unread;
    if bucket.is_some() && (args.unseen_days, args.waiting_hours) == (UNSEEN_DAYS, WAITING_HOURS) {
        // For the station's metrics. A user without write permission there still gets the report.
        let done = serde_json::to_vec(&report.completeness())?;
        let _ = durable::write_unsynced(&config.files.completeness(), &done);
    }
    report
        .only(args.camera.as_deref())
        .print(args.accepted, args.json)
}

fn roster(config: &Config) -> anyhow::Result<Vec<(CameraId, Officer)>> {
    let roster = Roster::reload(config)?;
    let cameras = roster.cameras();
    Ok(cameras
        .map(|(camera, entry)| (camera.clone(), entry.officer.clone()))
        .collect())
}

fn read(
    source: &(dyn LogSource + Sync),
    key: &VerifierKey,
    mut anchors: Anchors,
    wrong: &mut Vec<ReportedFinding>,
) -> anyhow::Result<LogHistory> {
    let mut book = LogHistory::default();
    let report = verify_log(
        source,
        key,
        &mut |_, bytes| {
            if let Ok(entry) = serde_json::from_slice::<Entry>(bytes) {
                book.enter(&entry);
            }
        },
        None,
    )?;
    wrong.extend(report.findings.iter().map(ReportedFinding::of_log));
    let twice = book.first_entries().twice().iter();
    wrong.extend(twice.map(ReportedFinding::of_item_twice));
    let compared = anchors.compare(source, &report, key);
    wrong.append(&mut anchors.findings);
    if wrong.is_empty() {
        compared?;
    }
    Ok(book)
}

//! `camdock verify`: checks the log itself, compares its two copies, and checks every item in the store.

mod affected;
mod item;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use parking_lot::Mutex;
use serde::Serialize;

use self::affected::LogCopies;
use self::item::ItemCheck;
pub(super) use self::item::PartHasher;
use super::bucket::Bucket;
use super::{Outcome, load_config, usage};
use crate::audit::{DirSource, LogFinding, LogSource, Standing, VerifierKey, compare, verify_log};
use crate::config::Config;
use crate::durable;
use crate::model::{
    Entry, Event, EvidenceId, ItemSealed, ItemStored, PreviewMade, PreviewOutcome, Verification,
};
use crate::seal::RecipientKey;
use crate::upload::UploadError;

/// Checks the custody log with the station's public key alone, then every item against the store.
#[derive(clap::Args)]
#[command(after_help = "\
  camdock verify                                   the station's own copy, the bucket's, and every item
  camdock verify --deep --key evidence.key.pem     also opens every item and compares its SHA-256
  camdock verify --log FOLDER --log-key 'NAME+ID+KEY'
                                                   only a copy of a log: needs no station
Exit code 0: everything is there and unaltered. 1: something is wrong; each finding is named.")]
pub struct Args {
    /// Download and check every object's bytes; with --key, open them as well
    #[arg(long)]
    deep: bool,
    /// A recipient's private key for --deep
    #[arg(long, value_name = "FILE", requires = "deep")]
    key: Option<PathBuf>,
    /// Verify only this copy of a log, below FOLDER
    #[arg(long, value_name = "FOLDER")]
    log: Option<PathBuf>,
    /// The log's public key; default: log.pub beside the station's keys
    #[arg(long, value_name = "NAME+ID+KEY")]
    log_key: Option<String>,
    /// Take the log from the bucket, not from this station
    #[arg(long, conflicts_with = "log")]
    bucket: bool,
    /// One JSON object for machines
    #[arg(long)]
    json: bool,
}

/// What was verified, and every finding.
#[derive(Debug, Default, Serialize)]
struct VerifyReport {
    log_entries: u64,
    /// How the station's copy of the log compares with the bucket's.
    copies: Option<String>,
    items_sealed: usize,
    items_stored: usize,
    /// Sealed on the station, not yet in the store.
    items_waiting: usize,
    items_opened: usize,
    /// Storyboards and preview videos in the store.
    previews: usize,
    findings: Vec<ReportedFinding>,
    /// Findings of the log beyond those listed.
    more: u64,
}

#[derive(Debug, Clone, Serialize, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ReportedFinding {
    pub code: String,
    pub evidence: Option<EvidenceId>,
    pub what: String,
    pub next_step: String,
}

impl ReportedFinding {
    /// A finding about the log itself.
    pub(super) fn of_log(finding: &LogFinding) -> Self {
        Self {
            code: finding.label().to_owned(),
            evidence: None,
            what: finding.to_string(),
            next_step: finding.next_step().to_owned(),
        }
    }
}

#[derive(Default)]
struct LoggedItems {
    sealed: BTreeMap<EvidenceId, (ItemSealed, Vec<u8>)>,
    stored: BTreeMap<EvidenceId, (ItemStored, Vec<u8>)>,
    /// Lost on the station before it was stored.
    damaged: BTreeSet<EvidenceId>,
    /// By item and part.
    previews: BTreeMap<(EvidenceId, &'static str), PreviewMade>,
}

pub fn run(config: &Path, args: Args) -> anyhow::Result<Outcome> {
    let mut verified = VerifyReport::default();
    if let Some(dir) = &args.log {
        let key = args
            .log_key
            .as_deref()
            .ok_or_else(|| usage("--log needs --log-key: the station's public log key"))?;
        check_log(
            &DirSource::new(dir),
            &parse_key(key)?,
            None,
            &mut LoggedItems::default(),
            &mut verified,
        )?;
        return print(&verified, &args);
    }
    let config = load_config(config)?;
    let key = verifier_key(&config, args.log_key.as_deref())?;
    let recipient = args.key.as_deref().map(read_recipient).transpose()?;
    let bucket = Arc::new(Bucket::open(&config)?);
    let mut items = LoggedItems::default();
    let local = DirSource::new(config.files.log_dir());
    if args.bucket {
        check_log(&*bucket, &key, Some(&local), &mut items, &mut verified)?;
    } else {
        check_log(&local, &key, Some(&*bucket), &mut items, &mut verified)?;
        let (text, found) = compare_copies(&local, &bucket, &key)?;
        verified.copies = Some(text);
        verified.findings.extend(found);
    }
    check_items(
        &bucket,
        &key,
        &items,
        &args,
        recipient.as_ref(),
        &mut verified,
    )?;
    let done = Verification {
        time: jiff::Timestamp::now(),
        ok: verified.findings.is_empty(),
        findings: verified.findings.len() as u64 + verified.more,
    };
    // For the station's metrics. A user without write permission there still gets the report.
    let _ = durable::write_unsynced(&config.files.verification(), &serde_json::to_vec(&done)?);
    print(&verified, &args)
}

fn parse_key(text: &str) -> anyhow::Result<VerifierKey> {
    text.trim()
        .parse()
        .map_err(|e| usage(format!("{e}: a log key has the form NAME+ID+KEY")))
}

pub(super) fn verifier_key(config: &Config, given: Option<&str>) -> anyhow::Result<VerifierKey> {
    if let Some(text) = given {
        return parse_key(text);
    }
    let path = config.files.log_public_key();
    let text = std::fs::read_to_string(&path).with_context(|| {
        format!(
            "cannot read {}; give the log's public key with --log-key",
            path.display()
        )
    })?;
    parse_key(&text)
}

fn read_recipient(path: &Path) -> anyhow::Result<RecipientKey> {
    let text = zeroize::Zeroizing::new(
        std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?,
    );
    RecipientKey::from_pem(&text).with_context(|| format!("the key {}", path.display()))
}

fn check_log(
    source: &(dyn LogSource + Sync),
    key: &VerifierKey,
    other: Option<&dyn LogSource>,
    items: &mut LoggedItems,
    verified: &mut VerifyReport,
) -> anyhow::Result<()> {
    let report = verify_log(
        source,
        key,
        &mut |_, bytes| match serde_json::from_slice::<Entry>(bytes).map(|e| e.event) {
            Ok(Event::ItemSealed(sealed)) => {
                items
                    .sealed
                    .insert(sealed.evidence, (sealed, bytes.to_vec()));
            }
            Ok(Event::ItemStored(stored)) => {
                items
                    .stored
                    .insert(stored.evidence, (stored, bytes.to_vec()));
            }
            Ok(Event::ItemFailed(failed)) => items.damaged.extend(failed.evidence),
            Ok(Event::ItemPreviewed(previewed)) => {
                if let PreviewOutcome::Made(made) = previewed.outcome {
                    let key = (previewed.evidence, previewed.part.as_str());
                    items.previews.insert(key, *made);
                }
            }
            _ => {}
        },
        None,
    )?;
    verified.log_entries = report.size;
    verified.more = report.more;
    let copies = LogCopies {
        here: source,
        size: report.size,
        other,
    };
    verified
        .findings
        .extend(report.findings.iter().map(|finding| {
            let mut found = ReportedFinding::of_log(finding);
            let (words, evidence) = copies.affected(finding, key, items);
            found.what.push_str(&words);
            ReportedFinding { evidence, ..found }
        }));
    Ok(())
}

/// How the station's copy of the log compares with the bucket's, and the finding if they contradict each other.
pub(super) fn compare_copies(
    local: &DirSource,
    bucket: &Bucket,
    key: &VerifierKey,
) -> anyhow::Result<(String, Option<ReportedFinding>)> {
    let Some(note) = bucket.read("checkpoint")? else {
        return Ok(("the bucket holds no copy of the log yet".into(), None));
    };
    let note = String::from_utf8_lossy(&note).into_owned();
    let (text, wrong) = match compare(local, &note, key) {
        Ok(Standing::Same) => (
            "the station's copy and the bucket's are the same".to_owned(),
            false,
        ),
        Ok(Standing::Ahead { local, other }) => (
            format!(
                "the station's copy goes on from the bucket's ({local} entries, {other} there)"
            ),
            false,
        ),
        Ok(Standing::Behind { local, other }) => (
            format!(
                "the station's copy has {local} entries, the bucket's {other}: it was cut, or restored from an old copy"
            ),
            true,
        ),
        Ok(Standing::Fork { size }) => (
            format!(
                "the station's copy and the bucket's contradict each other within the first {size} entries"
            ),
            true,
        ),
        Err(error) => (
            format!("the bucket's copy cannot be compared: {error}"),
            true,
        ),
    };
    let found = wrong.then(|| ReportedFinding {
        code: "copies_differ".into(),
        evidence: None,
        what: text.clone(),
        next_step: "Keep both copies; verify the bucket's with `camdock verify --bucket`, and find out who changed what.".into(),
    });
    Ok((text, found))
}

fn check_items(
    bucket: &Arc<Bucket>,
    key: &VerifierKey,
    items: &LoggedItems,
    args: &Args,
    recipient: Option<&RecipientKey>,
    verified: &mut VerifyReport,
) -> anyhow::Result<()> {
    verified.items_sealed = items.sealed.len();
    verified.items_stored = items.stored.len();
    verified.items_waiting = items
        .sealed
        .keys()
        .filter(|id| !items.stored.contains_key(id) && !items.damaged.contains(id))
        .count();
    may_read(bucket, items)?;
    verified.findings.extend(not_taken_again(items));
    let findings = Mutex::new(Vec::new());
    let opened = AtomicUsize::new(0);
    let previews = AtomicUsize::new(0);
    let stored: Vec<&EvidenceId> = items.stored.keys().collect();
    let bar = progress(stored.len() as u64, args.json);
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..if args.deep { 2 } else { 8 } {
            scope.spawn(|| {
                while let Some(id) = stored.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let item = ItemCheck {
                        bucket,
                        key,
                        id: **id,
                        items,
                        recipient,
                        deep: args.deep,
                    };
                    match item.run() {
                        Ok(checked) => {
                            opened.fetch_add(usize::from(checked.opened), Ordering::Relaxed);
                            previews.fetch_add(checked.previews, Ordering::Relaxed);
                        }
                        Err((code, what)) => findings.lock().push(ReportedFinding {
                            code: code.to_owned(),
                            evidence: Some(**id),
                            what,
                            next_step: next_step(code, **id),
                        }),
                    }
                    bar.inc(1);
                }
            });
        }
    });
    bar.finish_and_clear();
    verified.items_opened = opened.into_inner();
    verified.previews = previews.into_inner();
    let mut findings = findings.into_inner();
    let known: BTreeSet<EvidenceId> = items.sealed.keys().copied().collect();
    let folder = bucket.layout().evidence_folder();
    for listed in bucket.evidence()? {
        let id = listed
            .key
            .strip_prefix(&folder)
            .and_then(|rest| rest.split('/').next()?.parse::<EvidenceId>().ok());
        if id.is_none_or(|id| !known.contains(&id)) {
            findings.push(ReportedFinding {
                code: "unknown_object".into(),
                evidence: id,
                what: format!(
                    "the store holds {}, which this station's log does not know",
                    listed.key.escape_debug()
                ),
                next_step:
                    "Find out who put it there: only this station's credentials should be able to."
                        .into(),
            });
        }
    }
    findings.sort();
    verified.findings.extend(findings);
    Ok(())
}

fn next_step(code: &str, id: EvidenceId) -> String {
    match code {
        "store_error" => "Check the network, the store and its credentials, then verify again: nothing is known of this item.".into(),
        "no_key" => {
            format!("Give --key the private key of one of the recipients: `camdock show {id}` names them.")
        }
        _ => format!(
            "Run `camdock show {id}`, keep the object as it is, call the evidence manager, and dock the camera again if it still holds the file."
        ),
    }
}

/// Items that were damaged on the station and whose recording was not stored as another item either.
fn not_taken_again(items: &LoggedItems) -> impl Iterator<Item = ReportedFinding> {
    let lost = items
        .damaged
        .iter()
        .filter(|id| !items.stored.contains_key(id))
        .filter_map(|id| Some((id, &items.sealed.get(id)?.0)));
    lost.filter(|(_, sealed)| {
        !items.stored.keys().any(|other| {
            items.sealed.get(other).is_some_and(|(again, _)| {
                (&again.camera, &again.path, again.sha256)
                    == (&sealed.camera, &sealed.path, sealed.sha256)
            })
        })
    })
    .map(|(id, sealed)| ReportedFinding {
        code: "item_damaged".into(),
        evidence: Some(*id),
        what: format!(
            "item {id} ({}) was damaged on the station before it was stored, and was not taken again",
            sealed.path
        ),
        next_step: "Dock its camera again; if the camera no longer has it, keep the station's spool folder and call the evidence manager.".into(),
    })
}

/// Credentials that may not read evidence cannot verify it: that is an error, not a finding about an item.
fn may_read(bucket: &Bucket, items: &LoggedItems) -> anyhow::Result<()> {
    let Some((stored, _)) = items.stored.values().next() else {
        return Ok(());
    };
    let asked = bucket.head(&stored.key, stored.version_id.as_deref());
    let Err(error) = asked else { return Ok(()) };
    let refused = error
        .chain()
        .any(|e| matches!(e.downcast_ref(), Some(UploadError::Forbidden { .. })));
    if refused {
        return Err(error.context(
            "these store credentials may not read evidence, so the items were not verified: give `verify_credentials_file` in \
             [store] credentials with the permissions of config/verify-policy.json, or verify on another machine",
        ));
    }
    Ok(())
}

fn progress(items: u64, quiet: bool) -> ProgressBar {
    let bar = if quiet {
        ProgressBar::hidden()
    } else {
        ProgressBar::new(items)
    };
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos}/{len} items, {eta} left") {
        bar.set_style(style);
    }
    bar
}

fn print(verified: &VerifyReport, args: &Args) -> anyhow::Result<Outcome> {
    let fine = verified.findings.is_empty();
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string_pretty(verified)?)?;
    } else {
        writeln!(out, "custody log: {} entries", verified.log_entries)?;
        if let Some(copies) = &verified.copies {
            writeln!(out, "             {copies}")?;
        }
        if args.log.is_none() {
            writeln!(
                out,
                "items:       {} sealed, {} stored, {} waiting for the store; {} previews",
                verified.items_sealed,
                verified.items_stored,
                verified.items_waiting,
                verified.previews
            )?;
        }
        if args.deep {
            match args.key {
                Some(_) => writeln!(
                    out,
                    "             {} opened; each has the SHA-256 that the log names",
                    verified.items_opened
                )?,
                None => {
                    writeln!(
                        out,
                        "             every stored byte was read; give --key to open them too"
                    )?;
                }
            }
        }
        for found in &verified.findings {
            writeln!(
                out,
                "WRONG ({}): {}\n    next: {}",
                found.code, found.what, found.next_step
            )?;
        }
        if verified.more > 0 {
            writeln!(out, "… and {} more findings", verified.more)?;
        }
        writeln!(
            out,
            "{}",
            match (fine, args.log.is_none()) {
                (true, true) => "verified: everything is there and unaltered",
                (true, false) =>
                    "verified: this copy of the log is whole and unaltered; items are checked where the store can be reached",
                (false, _) => "NOT verified: see above",
            }
        )?;
    }
    Ok(if fine {
        Outcome::Fine
    } else {
        Outcome::VerificationFailed
    })
}

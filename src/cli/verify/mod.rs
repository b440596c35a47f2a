//! `camdock verify`: checks the log itself, compares it with its other copy and with every checkpoint that the station cannot
//! take back, and checks every stored item.

mod affected;
mod anchors;
mod companions;
mod disposed;
mod item;
mod locks;
mod objects;
mod report;
mod versions;
mod view_notes;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};

use self::affected::LogCopies;
pub(super) use self::anchors::Anchors;
pub(super) use self::disposed::{Deletions, ReportedDisposal, against_rule, still_there};
pub(super) use self::item::PartHasher;
pub(super) use self::locks::LoggedLocks;
use self::report::VerifyReport;
pub(super) use self::report::{ReportedFinding, TIME_BACKWARDS};
use super::bucket::Bucket;
use super::views::ViewArgs;
use super::{Outcome, usage};
use crate::audit::{
    ClockSteps, DirSource, Disposal, FirstEntries, LogReport, LogSource, Standing, VerifierKey,
    compare, verify_log,
};
use crate::config::Config;
use crate::durable;
use crate::ingest::PUBLISHED;
use crate::journal::Journal;
use crate::model::{
    Entry, Event, EvidenceId, ItemSealed, ItemStored, Part, PreviewMade, PreviewOutcome,
    Verification,
};
use crate::seal::RecipientKey;

/// Checks the custody log with the station's public key alone, then every stored item against the store.
#[derive(clap::Args)]
#[command(after_help = "\
  camdock verify                                   the station's own copy, the bucket's, and every stored item
  camdock verify --deep                            also reads every object back
  camdock verify --deep --key evidence.key.pem --reason TEXT --signer shah.key
                                                   also opens every item, and says so before
  camdock verify --since kept.txt --keep kept.txt  also compares with the log of last time, and keeps this one
  camdock verify --log FOLDER --log-key 'NAME+ID+KEY'
                                                   only a copy of a log: needs no station
Exit code 0: nothing that was looked at is wrong; the last line says what that was. 1: something is wrong; each finding is named. 4: something could not be looked at.")]
pub struct Args {
    /// Download and check every object's bytes; with --key, open them as well
    #[arg(long, conflicts_with = "log")]
    deep: bool,
    /// A recipient's private key for --deep
    #[arg(long, value_name = "FILE", requires = "deep")]
    key: Option<PathBuf>,
    /// Read back a share of the items, so that each is read once in this many weeks
    #[arg(long, value_name = "WEEKS", conflicts_with_all = ["deep", "log"], value_parser = clap::value_parser!(u16).range(1..))]
    rolling: Option<u16>,
    /// Verify only this copy of a log, below FOLDER
    #[arg(long, value_name = "FOLDER")]
    log: Option<PathBuf>,
    #[command(flatten)]
    view: ViewArgs,
    /// The log's public key; default: log.pub beside the station's keys
    #[arg(long, value_name = "NAME+ID+KEY")]
    log_key: Option<String>,
    /// Take the log from the bucket, not from this station
    #[arg(long, conflicts_with = "log")]
    bucket: bool,
    /// A signed checkpoint that somebody kept: the log must continue it
    #[arg(long, value_name = "FILE")]
    since: Option<PathBuf>,
    /// If nothing is wrong, keep the log's signed checkpoint in this file, for --since
    #[arg(long, value_name = "FILE")]
    keep: Option<PathBuf>,
    /// One JSON object for machines
    #[arg(long)]
    json: bool,
}

#[derive(Default)]
struct LoggedItems {
    sealed: BTreeMap<EvidenceId, (ItemSealed, Vec<u8>)>,
    stored: BTreeMap<EvidenceId, (ItemStored, Vec<u8>)>,
    /// Lost on the station before it was stored.
    damaged: BTreeSet<EvidenceId>,
    /// By item and part.
    previews: BTreeMap<(EvidenceId, &'static str), PreviewMade>,
    clock: ClockSteps,
    first: FirstEntries,
    locks: LoggedLocks,
    /// Said to be gone by the log of a trusted office.
    disposed: BTreeMap<EvidenceId, Disposal>,
}

pub fn run(config: &Path, args: Args) -> anyhow::Result<Outcome> {
    let mut verified = VerifyReport::default();
    let mut items = LoggedItems::default();
    let mut anchors = Anchors::default();
    if let Some(dir) = &args.log {
        let key = args
            .log_key
            .as_deref()
            .ok_or_else(|| usage("--log needs --log-key: the station's public log key"))?;
        let key = parse_key(key)?;
        let source = DirSource::new(dir);
        verified.log_only = true;
        let report = check_log(&source, &key, None, &mut items, &mut verified)?;
        return finish(&source, &key, report, anchors, verified, &args, None);
    }
    let config = Config::load_to_read(config)?;
    let key = verifier_key(&config, args.log_key.as_deref())?;
    let recipient = args.key.as_deref().map(read_recipient).transpose()?;
    let views = recipient.as_ref().map(|_| args.view.views(&config));
    let views = views.transpose()?;
    let bucket = Arc::new(Bucket::open(&config)?);
    let local = DirSource::new(config.files.log_dir());
    let published = published(&config);
    // Before the log is read: a running station's newest objects are in the log by then.
    let listed = versions::Listed::take(&bucket, &bucket.layout().evidence_folder());
    let source: &(dyn LogSource + Sync) = if args.bucket { &*bucket } else { &local };
    let other: &dyn LogSource = if args.bucket { &local } else { &*bucket };
    let report = check_log(source, &key, Some(other), &mut items, &mut verified)?;
    disposed::read(&config, &mut items, &mut verified);
    // A store that does not answer must not hide what was found of the log.
    let asked = (|| {
        if !args.bucket {
            let (text, found) = compare_copies(&local, &bucket, &key)?;
            verified.copies = Some(text);
            verified.findings.extend(found);
        }
        verified.findings.extend(older(&bucket, &key, published)?);
        let check = objects::ObjectsCheck {
            bucket: &bucket,
            key: &key,
            items: &items,
            recipient: recipient.as_ref(),
            views: views.as_ref(),
            deep: args.deep,
            rolling: args.rolling,
            quiet: args.json,
        };
        check.run(listed, &mut verified, &mut anchors)?;
        view_notes::check(&config, &bucket, &mut verified)?;
        anchors.locked(&bucket, &key, &items.locks)
    })();
    anchors.cosigned(&config, &key, &mut verified);
    let away = asked.err();
    finish(
        source,
        &key,
        report,
        anchors,
        verified,
        &args,
        Some((&config, away)),
    )
}

/// Compares the anchors, keeps what was asked for, and reports.
fn finish(
    source: &(dyn LogSource + Sync),
    key: &VerifierKey,
    report: LogReport,
    mut anchors: Anchors,
    mut verified: VerifyReport,
    args: &Args,
    station: Option<(&Config, Option<anyhow::Error>)>,
) -> anyhow::Result<Outcome> {
    if let Some(path) = &args.since {
        anchors.kept(path, key)?;
    }
    // What is kept replaces what was kept there before, which must be a beginning of it.
    if let Some(path) = args
        .keep
        .as_ref()
        .filter(|path| Some(*path) != args.since.as_ref())
        && std::fs::read_to_string(path).is_ok_and(|note| key.open(&note).is_ok())
    {
        anchors.kept(path, key)?;
    }
    let compared = anchors.compare(source, &report, key);
    let right = compared.is_ok() && anchors.findings.is_empty() && verified.findings.is_empty();
    if let (Some(path), Some((_, note)), true) = (&args.keep, &report.signed, right) {
        durable::write_atomic(path, note.as_bytes())
            .with_context(|| format!("cannot keep the checkpoint in {}", path.display()))?;
    }
    if let Err(error) = compared {
        verified.unchecked.push(ReportedFinding {
            code: "store_error".into(),
            evidence: None,
            what: format!(
                "the log could not be compared with every checkpoint that was found: {error:#}"
            ),
            next_step: super::next_step(&error)
                .unwrap_or_else(|| "Check the network and the store, then verify again.".into()),
        });
    }
    let unseen = anchors.unchecked.take();
    let new = unseen.filter(|unseen| !verified.unchecked.contains(unseen));
    verified.unchecked.extend(new);
    verified.anchors = anchors.counts;
    // Findings about the log itself come first.
    verified.findings.splice(0..0, anchors.findings);
    let (config, away) = station.map_or((None, None), |(config, away)| (Some(config), away));
    // A verification that could not look at everything does not count as one.
    let looked = away.is_none() && verified.unchecked.is_empty() || !verified.findings.is_empty();
    if let Some(config) = config.filter(|_| looked) {
        let done = Verification {
            time: jiff::Timestamp::now(),
            ok: verified.findings.is_empty(),
            findings: verified.findings.len() as u64 + verified.more,
        };
        // For the station's metrics. A user without write permission there still gets the report.
        let _ = durable::write_unsynced(&config.files.verification(), &serde_json::to_vec(&done)?);
    }
    if let Some(error) = &away {
        verified.unchecked.push(ReportedFinding {
            code: "store_error".into(),
            evidence: None,
            what: format!("the store could not be looked at, nor any item in it: {error:#}"),
            next_step: super::next_step(error)
                .unwrap_or_else(|| "Check the network and the store, then verify again.".into()),
        });
    }
    let unchecked = verified.unchecked.len();
    match (verified.print(args.json)?, away) {
        (Outcome::Fine, Some(error)) => Err(error.context("not everything was verified")),
        (Outcome::Fine, None) if unchecked > 0 => {
            bail!("{unchecked} things could not be looked at; nothing is known of them")
        }
        (outcome, _) => Ok(outcome),
    }
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

/// Verifies one copy of the log and gathers its items.
fn check_log(
    source: &(dyn LogSource + Sync),
    key: &VerifierKey,
    other: Option<&dyn LogSource>,
    items: &mut LoggedItems,
    verified: &mut VerifyReport,
) -> anyhow::Result<LogReport> {
    let report = verify_log(
        source,
        key,
        &mut |index, bytes| {
            if let Ok(entry) = serde_json::from_slice::<Entry>(bytes) {
                items.enter(index, entry, bytes);
            }
        },
        None,
    )?;
    verified.log_entries = report.size;
    verified.more = report.more + items.first.more();
    verified.clock_steps = items.clock.steps().to_vec();
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
    let twice = items.first.twice().iter();
    verified
        .findings
        .extend(twice.map(ReportedFinding::of_item_twice));
    Ok(report)
}

impl LoggedItems {
    /// Key and version of each object of an item that the log has a version of.
    fn recorded(&self, id: EvidenceId) -> impl Iterator<Item = (&str, Option<&str>)> {
        let stored = self.stored.get(&id).into_iter();
        let original = stored.map(|(stored, _)| (&*stored.key, stored.version_id.as_deref()));
        let previews = [Part::Storyboard, Part::Preview]
            .into_iter()
            .filter_map(move |part| self.previews.get(&(id, part.as_str())));
        original.chain(previews.map(|made| (&*made.key, made.version_id.as_deref())))
    }

    fn enter(&mut self, index: u64, entry: Entry, bytes: &[u8]) {
        self.clock.see(index, entry.time);
        if !self.first.see(index, &entry.event) {
            return;
        }
        match entry.event {
            Event::ItemSealed(sealed) => {
                self.sealed
                    .insert(sealed.evidence, (sealed, bytes.to_vec()));
            }
            Event::ItemStored(stored) => {
                let lock = stored.retention.as_ref();
                self.locks.see(index, entry.time, lock);
                self.stored
                    .insert(stored.evidence, (stored, bytes.to_vec()));
            }
            Event::ItemFailed(failed) => self.damaged.extend(failed.evidence),
            Event::ItemPreviewed(previewed) => {
                if let PreviewOutcome::Made(made) = previewed.outcome {
                    let key = (previewed.evidence, previewed.part.as_str());
                    self.previews.insert(key, *made);
                }
            }
            _ => {}
        }
    }
}

/// The size of the log that the station published, by its journal. It has to be read before the bucket is.
pub(super) fn published(config: &Config) -> Option<u64> {
    let journal = Journal::open_read_only(&config.files.journal()).ok()?;
    journal.number(PUBLISHED).ok()?
}

/// The finding that the bucket holds an older checkpoint than this station put there.
pub(super) fn older(
    bucket: &Bucket,
    key: &VerifierKey,
    published: Option<u64>,
) -> anyhow::Result<Option<ReportedFinding>> {
    let Some(published) = published.filter(|size| *size > 0) else {
        return Ok(None);
    };
    let there = match bucket.read("checkpoint")? {
        Some(note) => match key.open(&String::from_utf8_lossy(&note)) {
            Ok(checkpoint) => checkpoint.size,
            // Comparing the copies reports it.
            Err(_) => return Ok(None),
        },
        None => 0,
    };
    Ok((there < published).then(|| ReportedFinding {
        code: "bucket_log_older".into(),
        evidence: None,
        what: format!(
            "the bucket's copy of the log ends at {there} entries, but this station published {published}: an older copy was put there, or it was emptied"
        ),
        next_step: "Change nothing in the bucket, find out who else may write there, and call the evidence manager.".into(),
    }))
}

/// How the station's copy of the log compares with the bucket's, and the finding if they contradict each other.
pub(in crate::cli) fn compare_copies(
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
            "the bucket's copy has the same signed checkpoint; nothing else of that copy was read"
                .to_owned(),
            false,
        ),
        Ok(Standing::Ahead { local, other }) => (
            format!("it continues the bucket's signed checkpoint ({local} entries, {other} there)"),
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

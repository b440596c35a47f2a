//! `camdock verify`: the log by itself, the two copies of it against each other, every item against the store.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::remote::{Bucket, ObjectReader};
use super::{Outcome, load, usage};
use crate::audit::{
    DirSource, Log, LogKey, LogSource, Standing, VerifierKey, compare, encode_entry, verify_log,
    verify_receipt,
};
use crate::config::Config;
use crate::model::{
    Entry, Event, EvidenceId, ItemSealed, ItemStored, Part, Sha256Digest, StationStopped,
    composite_checksum,
};
use crate::seal::{Expected, KeySource, RecipientKey, SealError, open_to};
use crate::station::parts;

/// Checks the custody log with the station's public key alone, then every item against the store.
#[derive(clap::Args)]
#[command(after_help = "\
  camdock verify                                   the station's own copy, the bucket's, and every item
  camdock verify --deep --key evidence.key.pem     also opens every item and compares its SHA-256
  camdock verify --log FOLDER --log-key 'NAME+ID+KEY'
                                                   a copy of a log by itself: no station needed
Exit code 0: everything is there and unaltered. 1: something is wrong; each finding is named.")]
pub struct Args {
    /// Download and check every object's bytes; with --key, open them too
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

/// What was verified, and what is wrong.
#[derive(Debug, Default, Serialize)]
struct Verified {
    log_entries: u64,
    /// How the station's copy of the log stands to the bucket's.
    copies: Option<String>,
    items_sealed: usize,
    items_stored: usize,
    /// Sealed on the station, not yet in the store.
    items_waiting: usize,
    items_opened: usize,
    findings: Vec<Found>,
    /// Findings of the log beyond those listed.
    more: u64,
}

#[derive(Debug, Clone, Serialize, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    code: String,
    evidence: Option<EvidenceId>,
    what: String,
    next_step: String,
}

#[derive(Default)]
struct Items {
    sealed: BTreeMap<EvidenceId, (ItemSealed, Vec<u8>)>,
    stored: BTreeMap<EvidenceId, (ItemStored, Vec<u8>)>,
}

pub fn run(config: &Path, args: Args) -> anyhow::Result<Outcome> {
    let mut verified = Verified::default();
    if let Some(dir) = &args.log {
        let key = args
            .log_key
            .as_deref()
            .ok_or_else(|| usage("--log needs --log-key: the station's public log key"))?;
        check_log(
            &DirSource::new(dir),
            &parse_key(key)?,
            &mut Items::default(),
            &mut verified,
        )?;
        return tell(&verified, &args);
    }
    let config = load(config)?.config;
    let key = verifier_key(&config, args.log_key.as_deref())?;
    let recipient = args.key.as_deref().map(read_recipient).transpose()?;
    let bucket = Arc::new(Bucket::open(&config)?);
    let mut items = Items::default();
    let local = DirSource::new(parts::log_dir(&config));
    if args.bucket {
        check_log(&*bucket, &key, &mut items, &mut verified)?;
    } else {
        check_log(&local, &key, &mut items, &mut verified)?;
        check_copies(&local, &bucket, &key, &mut verified)?;
    }
    check_items(
        &bucket,
        &key,
        &items,
        &args,
        recipient.as_ref(),
        &mut verified,
    )?;
    tell(&verified, &args)
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
    let path = config.station.state_dir.join("keys/log.pub");
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
    items: &mut Items,
    verified: &mut Verified,
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
            _ => {}
        },
        None,
    )?;
    verified.log_entries = report.size;
    verified.more = report.more;
    verified
        .findings
        .extend(report.findings.iter().map(|finding| Found {
            code: finding.label().to_owned(),
            evidence: None,
            what: finding.to_string(),
            next_step: finding.next_step().to_owned(),
        }));
    Ok(())
}

fn check_copies(
    local: &DirSource,
    bucket: &Bucket,
    key: &VerifierKey,
    verified: &mut Verified,
) -> anyhow::Result<()> {
    let Some(note) = bucket.read("checkpoint")? else {
        verified.copies = Some("the bucket holds no copy of the log yet".into());
        return Ok(());
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
    if wrong {
        verified.findings.push(Found {
            code: "copies_differ".into(),
            evidence: None,
            what: text.clone(),
            next_step: "Keep both copies; verify the bucket's with `camdock verify --bucket`, and find out who changed what.".into(),
        });
    }
    verified.copies = Some(text);
    Ok(())
}

fn check_items(
    bucket: &Arc<Bucket>,
    key: &VerifierKey,
    items: &Items,
    args: &Args,
    recipient: Option<&RecipientKey>,
    verified: &mut Verified,
) -> anyhow::Result<()> {
    verified.items_sealed = items.sealed.len();
    verified.items_stored = items.stored.len();
    verified.items_waiting = items
        .sealed
        .keys()
        .filter(|id| !items.stored.contains_key(id))
        .count();
    let findings = Mutex::new(Vec::new());
    let opened = AtomicUsize::new(0);
    let stored: Vec<&EvidenceId> = items.stored.keys().collect();
    let bar = progress(stored.len() as u64, args.json);
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..if args.deep { 2 } else { 8 } {
            scope.spawn(|| {
                while let Some(id) = stored.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let item = Item { bucket, key, id: **id, items, recipient, deep: args.deep };
                    match item.check() {
                        Ok(was_opened) => {
                            opened.fetch_add(usize::from(was_opened), Ordering::Relaxed);
                        }
                        Err((code, what)) => findings.lock().unwrap_or_else(PoisonError::into_inner).push(Found {
                            code: code.to_owned(),
                            evidence: Some(**id),
                            what,
                            next_step: format!("Run `camdock show {id}`, keep the object as it is, and dock the camera again if it still holds the file."),
                        }),
                    }
                    bar.inc(1);
                }
            });
        }
    });
    bar.finish_and_clear();
    verified.items_opened = opened.into_inner();
    let mut findings = findings
        .into_inner()
        .unwrap_or_else(PoisonError::into_inner);
    let known: BTreeSet<EvidenceId> = items.sealed.keys().copied().collect();
    let prefix = bucket.evidence_prefix();
    let shared = bucket.shared()?;
    for listed in bucket.evidence()? {
        let id = listed
            .key
            .strip_prefix(&prefix)
            .and_then(|rest| rest.split('/').next()?.parse::<EvidenceId>().ok());
        if id.is_none_or(|id| !known.contains(&id)) && !shared {
            findings.push(Found {
                code: "unknown_object".into(),
                evidence: id,
                what: format!("the store holds {}, which this station's log does not know", listed.key.escape_debug()),
                next_step: "Find out who put it there; other stations that share the bucket have logs of their own.".into(),
            });
        }
    }
    findings.sort();
    verified.findings.extend(findings);
    Ok(())
}

struct Item<'a> {
    bucket: &'a Arc<Bucket>,
    key: &'a VerifierKey,
    id: EvidenceId,
    items: &'a Items,
    recipient: Option<&'a RecipientKey>,
    deep: bool,
}

type Wrong = (&'static str, String);

impl Item<'_> {
    /// `true`: its footage was opened, too.
    fn check(&self) -> Result<bool, Wrong> {
        let (stored, stored_entry) = &self.items.stored[&self.id];
        let Some((sealed, manifest)) = self.items.sealed.get(&self.id) else {
            return Err((
                "stored_not_sealed",
                format!("item {} is logged as stored but not as sealed", self.id),
            ));
        };
        let name = format!("item {} ({})", self.id, sealed.path);
        let failed =
            |e: anyhow::Error| ("store_error", format!("{name} could not be checked: {e:#}"));
        let Some(head) = self
            .bucket
            .head(&stored.key, stored.version_id.as_deref())
            .map_err(failed)?
        else {
            return Err((
                "object_missing",
                format!("{name} is not in the store at {}", stored.key),
            ));
        };
        if head.size != stored.size || stored.size != sealed.sealed_size {
            return Err((
                "object_size",
                format!(
                    "{name} has {} sealed bytes in the store, {} in the log",
                    head.size, sealed.sealed_size
                ),
            ));
        }
        if head
            .checksum
            .as_ref()
            .is_some_and(|c| *c != stored.checksum)
        {
            return Err((
                "object_checksum",
                format!("{name} has another checksum in the store than in the log"),
            ));
        }
        let small = |object: &str| {
            let found = self
                .bucket
                .get(&self.bucket.evidence_key(self.id, object), 1 << 20)
                .map_err(failed)?;
            found.ok_or((
                "object_missing",
                format!("{name} has no {object} in the store"),
            ))
        };
        if small("manifest.json")? != manifest[..] {
            return Err((
                "manifest_altered",
                format!("{name} has a manifest that is not the log's entry"),
            ));
        }
        let receipt = small("receipt")?;
        let text = String::from_utf8_lossy(&receipt);
        if let Err(error) = verify_receipt(&text, stored_entry, self.key) {
            return Err((
                "receipt_wrong",
                format!("{name} has a receipt that does not hold: {error}"),
            ));
        }
        small("item-key")?;
        if self.deep {
            self.read(sealed, stored, &name)
        } else {
            Ok(false)
        }
    }

    /// Reads every byte once: part checksums as the log has them and, with a key, the footage itself.
    fn read(&self, sealed: &ItemSealed, stored: &ItemStored, name: &str) -> Result<bool, Wrong> {
        let failed = |e: anyhow::Error| ("store_error", format!("{name} could not be read: {e:#}"));
        let object = ObjectReader::version(
            Arc::clone(self.bucket),
            stored.key.clone(),
            stored.version_id.clone(),
        )
        .map_err(failed)?;
        let mut reader = PartHasher::new(object, stored.part_size);
        if let Some(recipient) = self.recipient {
            let expected = Expected {
                evidence: self.id,
                part: Part::Original,
                sha256: Some(sealed.sha256),
            };
            let opened = open_to(
                BufReader::with_capacity(1 << 20, &mut reader),
                &KeySource::Recipient(recipient),
                Some(&expected),
                |_| Ok(()),
            );
            match opened {
                Ok((_, size)) if size == sealed.size => {}
                Ok((_, size)) => {
                    return Err((
                        "footage_size",
                        format!("{name} opens to {size} bytes, the log says {}", sealed.size),
                    ));
                }
                Err(SealError::NoKey) => {
                    return Err(("no_key", format!("{name} is not sealed to the given key")));
                }
                Err(error) => {
                    return Err(("footage_altered", format!("{name} does not open: {error}")));
                }
            }
        }
        std::io::copy(&mut reader, &mut std::io::sink()).map_err(|e| failed(e.into()))?;
        let checksum = reader.finish();
        if checksum != stored.checksum {
            return Err((
                "object_altered",
                format!(
                    "{name} was altered in the store: its bytes have the checksum {checksum}, the log says {}",
                    stored.checksum
                ),
            ));
        }
        Ok(self.recipient.is_some())
    }
}

/// Hashes what passes, part by part, as S3 does.
struct PartHasher<R> {
    inner: R,
    part_size: Option<u64>,
    in_part: u64,
    hash: sha2::Sha256,
    parts: Vec<Sha256Digest>,
}

impl<R: Read> PartHasher<R> {
    fn new(inner: R, part_size: Option<u64>) -> Self {
        Self {
            inner,
            part_size,
            in_part: 0,
            hash: sha2::Digest::new(),
            parts: Vec::new(),
        }
    }

    fn cut(&mut self) {
        let hash = std::mem::take(&mut self.hash);
        self.parts
            .push(Sha256Digest(sha2::Digest::finalize(hash).into()));
        self.in_part = 0;
    }

    fn finish(mut self) -> String {
        if self.part_size.is_none() {
            return Sha256Digest(sha2::Digest::finalize(self.hash).into()).to_base64();
        }
        if self.in_part > 0 || self.parts.is_empty() {
            self.cut();
        }
        composite_checksum(&self.parts)
    }
}

impl<R: Read> Read for PartHasher<R> {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        let room = self.part_size.map_or(u64::MAX, |size| size - self.in_part);
        let longest = usize::try_from(room).unwrap_or(usize::MAX).min(out.len());
        let n = self.inner.read(&mut out[..longest])?;
        sha2::Digest::update(&mut self.hash, &out[..n]);
        self.in_part += n as u64;
        if self.part_size == Some(self.in_part) {
            self.cut();
        }
        Ok(n)
    }
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

fn tell(verified: &Verified, args: &Args) -> anyhow::Result<Outcome> {
    let fine = verified.findings.is_empty();
    if args.json {
        println!("{}", serde_json::to_string_pretty(verified)?);
    } else {
        println!("custody log: {} entries", verified.log_entries);
        if let Some(copies) = &verified.copies {
            println!("             {copies}");
        }
        if args.log.is_none() {
            println!(
                "items:       {} sealed, {} stored, {} waiting for the store",
                verified.items_sealed, verified.items_stored, verified.items_waiting
            );
        }
        if args.deep {
            match args.key {
                Some(_) => println!(
                    "             {} opened; each has the SHA-256 that the log names",
                    verified.items_opened
                ),
                None => {
                    println!(
                        "             every stored byte was read; give --key to open them too"
                    );
                }
            }
        }
        for found in &verified.findings {
            println!(
                "WRONG ({}): {}\n    next: {}",
                found.code, found.what, found.next_step
            );
        }
        if verified.more > 0 {
            println!("… and {} more findings", verified.more);
        }
        println!(
            "{}",
            if fine {
                "verified: everything is there and unaltered"
            } else {
                "NOT verified: see above"
            }
        );
    }
    Ok(if fine {
        Outcome::Fine
    } else {
        Outcome::VerificationFailed
    })
}

/// Measures appending and verifying on this machine's disk.
#[derive(clap::Args)]
pub struct BenchLog {
    #[arg(long, default_value_t = 1_000_000)]
    entries: u64,
    /// An empty folder on the disk to measure
    #[arg(long)]
    dir: PathBuf,
}

pub fn bench(args: BenchLog) -> anyhow::Result<Outcome> {
    let (key, _) = LogKey::generate()?;
    let verifier = key.verifier("camdock/bench")?;
    let mut log = Log::open(&args.dir, key, "camdock/bench")?;
    let reason = "x".repeat(180);
    let began = Instant::now();
    for chunk in 0..args.entries.div_ceil(1000) {
        let entries = (0..1000.min(args.entries - chunk * 1000)).map(|n| {
            let reason = format!("{reason}{}", chunk * 1000 + n);
            let event = Event::StationStopped(StationStopped { reason });
            encode_entry(&Entry {
                v: 1,
                time: crate::ingest::now(),
                station: "bench".parse()?,
                session: None,
                event,
            })
            .map_err(anyhow::Error::from)
        });
        log.append(&entries.collect::<anyhow::Result<Vec<_>>>()?)?;
    }
    let appending = began.elapsed().as_secs_f64();
    log.close()?;
    let began = Instant::now();
    let report = verify_log(&DirSource::new(&args.dir), &verifier, &mut |_, _| {}, None)?;
    let figures = serde_json::json!({
        "entries": args.entries, "append_per_second": args.entries as f64 / appending,
        "verify_seconds": began.elapsed().as_secs_f64(), "clean": report.is_clean(),
    });
    println!("{figures}");
    Ok(if report.is_clean() {
        Outcome::Fine
    } else {
        Outcome::VerificationFailed
    })
}

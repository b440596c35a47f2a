//! `camdock confirm`: a second party reads every stored object back and signs that its bytes match the log.

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use sha2::Digest as _;
use zeroize::Zeroizing;

use super::bucket::{Bucket, ObjectReader};
use super::verify::{PartHasher, verifier_key};
use super::{Outcome, load_config, usage};
use crate::audit::{Confirmation, LogKey, VerifierKey, verify_log};
use crate::ingest::now;
use crate::model::{Entry, Event, ItemStored, Sha256Digest};

/// Larger than any private key.
const KEY_MAX: u64 = 4096;

/// Reads stored footage back and signs a confirmation of each object, for wiping at the level `confirmed`.
#[derive(clap::Args)]
#[command(after_help = "\
  camdock keygen confirmer --name reader.example.org --out reader     once; reader.pub goes into wipe.toml
  camdock confirm --key reader.key --log-key 'NAME+ID+KEY'            as often as you like
Run it on a machine that is not a station, with its own keys for the store (verify_credentials_file in [store]): they need
the permissions in config/confirm-policy.json. The log is verified first, from the bucket, with the key that you give.
Objects that were confirmed before are not read again. Nothing is decrypted.
Exit code 0: everything stored is confirmed. 1: the log or an object is wrong. 3: an object could not be read.")]
pub struct Args {
    /// The confirmer's private key; its public key lies beside it
    #[arg(long, value_name = "FILE.key")]
    key: PathBuf,
    /// The station's public log key, obtained in a way that you trust; default: log.pub beside the station's keys
    #[arg(long, value_name = "NAME+ID+KEY")]
    log_key: Option<String>,
    /// One JSON object for machines
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Default, Serialize)]
struct ConfirmReport {
    log_entries: u64,
    stored: usize,
    /// In this run.
    confirmed: usize,
    /// In earlier runs.
    confirmed_before: usize,
    /// Contradictions between the store's bytes and the log.
    wrong: Vec<String>,
    /// Objects that could not be read this time.
    unread: Vec<String>,
}

/// The result of reading one object back.
enum ReadBack {
    Same(Sha256Digest),
    Differs(String),
}

pub fn run(config: &Path, args: Args) -> anyhow::Result<Outcome> {
    let config = load_config(config)?;
    let log_key = verifier_key(&config, args.log_key.as_deref())?;
    let (key, name) = confirmer(&args.key, &log_key)?;
    let bucket = Arc::new(Bucket::open(&config)?);
    let mut report = ConfirmReport::default();
    let mut stored: Vec<ItemStored> = Vec::new();
    let verified = verify_log(
        &*bucket,
        &log_key,
        &mut |_, bytes| {
            if let Ok(Event::ItemStored(item)) =
                serde_json::from_slice::<Entry>(bytes).map(|entry| entry.event)
            {
                stored.push(item);
            }
        },
        None,
    )?;
    report.log_entries = verified.size;
    report.stored = stored.len();
    report.wrong.extend(
        verified
            .findings
            .iter()
            .map(|finding| format!("the log: {finding} {}", finding.next_step())),
    );
    // Nothing can be confirmed against a log that does not verify.
    if !verified.is_clean() {
        return print(&report, args.json);
    }
    let before: BTreeSet<String> = bucket.confirmed()?.into_iter().collect();
    stored.retain(|item| !before.contains(&bucket.layout().confirmation(item.evidence)));
    report.confirmed_before = report.stored - stored.len();
    let bar = progress(&stored, args.json);
    for item in &stored {
        let id = item.evidence;
        match read_back(&bucket, item, &bar) {
            Ok(ReadBack::Same(sha256)) => {
                let note = note(item, sha256, &key, &name, log_key.name())?;
                match bucket.put_confirmation(id, note) {
                    Ok(()) => report.confirmed += 1,
                    Err(error) => report.unread.push(format!(
                        "item {id} was read, and its confirmation cannot be stored: {error:#}"
                    )),
                }
            }
            Ok(ReadBack::Differs(what)) => report.wrong.push(format!("item {id}: {what}")),
            Err(error) => report
                .unread
                .push(format!("item {id} cannot be read: {error:#}")),
        }
    }
    bar.finish_and_clear();
    print(&report, args.json)
}

/// The confirmer's key with its name, which is not the station's.
fn confirmer(path: &Path, log: &VerifierKey) -> anyhow::Result<(LogKey, String)> {
    let (key, named) = signer(path)?;
    if named.same_key(log) {
        return Err(usage(
            "this is the station's own log key: its signature would confirm nothing",
        ));
    }
    let name = named.name().to_owned();
    Ok((key, name))
}

/// A private key of `camdock keygen confirmer`, and its public half, which lies beside it.
pub(super) fn signer(path: &Path) -> anyhow::Result<(LogKey, VerifierKey)> {
    let mut pkcs8 = Zeroizing::new(Vec::new());
    std::fs::File::open(path)
        .and_then(|file| file.take(KEY_MAX).read_to_end(&mut pkcs8))
        .with_context(|| format!("cannot read {}", path.display()))?;
    let key = LogKey::from_pkcs8(&pkcs8).with_context(|| format!("the key {}", path.display()))?;
    let public = path.with_extension("pub");
    let text = std::fs::read_to_string(&public)
        .with_context(|| format!("cannot read {}, the public key beside it", public.display()))?;
    let named: VerifierKey = text
        .trim()
        .parse()
        .map_err(|error| usage(format!("{}: {error}", public.display())))?;
    if key.verifier(named.name())? != named {
        return Err(usage(format!(
            "{} is not the public key of {}",
            public.display(),
            path.display()
        )));
    }
    Ok((key, named))
}

/// Every byte of the exact version, once.
fn read_back(
    bucket: &Arc<Bucket>,
    item: &ItemStored,
    bar: &ProgressBar,
) -> anyhow::Result<ReadBack> {
    if item.bucket != bucket.name() {
        bail!(
            "it is in the bucket {}, not in {}",
            item.bucket,
            bucket.name()
        );
    }
    let head = bucket.head(&item.key, item.version_id.as_deref())?;
    let Some(head) = head else {
        return Ok(ReadBack::Differs(format!("the store has no {}", item.key)));
    };
    if head.size != item.size {
        return Ok(ReadBack::Differs(format!(
            "the store has {} bytes of it, the log says {}",
            head.size, item.size
        )));
    }
    let lock = item.retention.as_ref();
    if let Some(problem) = bucket.lock_problem(&item.key, item.version_id.as_deref(), lock)? {
        return Ok(ReadBack::Differs(format!("it is {problem}")));
    }
    let reader = ObjectReader::version(
        Arc::clone(bucket),
        item.key.clone(),
        item.version_id.clone(),
    )?;
    let mut parts = PartHasher::new(reader, item.part_size);
    let mut whole = sha2::Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    let mut bytes = 0;
    loop {
        let count = parts.read(&mut buffer)?;
        if count == 0 {
            break;
        }
        whole.update(&buffer[..count]);
        bytes += count as u64;
        bar.inc(count as u64);
    }
    let checksum = parts.finish();
    Ok(if bytes == item.size && checksum == item.checksum {
        ReadBack::Same(Sha256Digest(whole.finalize().into()))
    } else {
        ReadBack::Differs(format!(
            "the bytes in the store have the checksum {checksum}, the log says {}",
            item.checksum
        ))
    })
}

fn note(
    item: &ItemStored,
    sha256: Sha256Digest,
    key: &LogKey,
    name: &str,
    origin: &str,
) -> anyhow::Result<String> {
    let confirmation = Confirmation {
        origin: origin.to_owned(),
        evidence: item.evidence,
        bucket: item.bucket.clone(),
        key: item.key.clone(),
        version_id: item.version_id.clone(),
        size: item.size,
        checksum: item.checksum.clone(),
        sha256,
        time: now(),
    };
    Ok(confirmation.sign(key, name)?)
}

fn progress(stored: &[ItemStored], quiet: bool) -> ProgressBar {
    let bar = if quiet {
        ProgressBar::hidden()
    } else {
        ProgressBar::new(stored.iter().map(|item| item.size).sum())
    };
    let template = "{bar:30} {bytes}/{total_bytes} read back, {bytes_per_sec}, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

fn print(report: &ConfirmReport, json: bool) -> anyhow::Result<Outcome> {
    let mut out = std::io::stdout().lock();
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(report)?)?;
    } else {
        writeln!(out, "custody log: {} entries", report.log_entries)?;
        writeln!(
            out,
            "items:       {} stored, {} confirmed now, {} before",
            report.stored, report.confirmed, report.confirmed_before
        )?;
        for what in &report.wrong {
            writeln!(
                out,
                "WRONG: {what}\n    next: Change nothing; run `camdock verify --deep`, and call the evidence manager."
            )?;
        }
        for what in &report.unread {
            writeln!(
                out,
                "NOT CONFIRMED: {what}\n    next: Check the store and these credentials' permissions (config/confirm-policy.json), then run this again."
            )?;
        }
    }
    Ok(if !report.wrong.is_empty() {
        Outcome::VerificationFailed
    } else if report.unread.is_empty() {
        Outcome::Fine
    } else {
        Outcome::NeedsAttention
    })
}

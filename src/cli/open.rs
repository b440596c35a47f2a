use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use zeroize::Zeroizing;

use super::bucket::{Bucket, ObjectReader};
use super::verify::verifier_key;
use super::{Outcome, usage};
use crate::audit::{
    DirSource, LogSource, VerifierKey, claimed_indices, claimed_size, entries_from, entry_at,
    verify_log, verify_receipt,
};
use crate::config::Config;
use crate::durable::{self, AppendFile};
use crate::model::{Entry, Event, EvidenceId, ItemStored, Part, PreviewOutcome, Sha256Digest};
use crate::seal::{ExpectedMessage, ItemKey, KeySource, RecipientKey, open_to};

/// Decrypts sealed footage and checks it against the custody log. OUT exists only if all of it verified.
#[derive(clap::Args)]
#[command(after_help = "\
  camdock open 0195f2c4-… --key evidence.key.pem -o footage.mp4    fetches it from the store
  camdock open 0195f2c4-… --part preview --key evidence.key.pem -o preview.mp4
  camdock open 0195f2c4-… --part storyboard --key evidence.key.pem -o sheet.jpg
  camdock open ./original --key evidence.key.pem -o footage.mp4    a sealed file that you have
A machine that is no station needs only [station] name and [store] in its camdock.toml.
The public AWS Encryption SDK opens these files, too.")]
pub struct Args {
    /// An evidence id, or a sealed file
    item: String,
    /// A recipient's private key (PKCS#8 PEM), or with --item-key an opened item key
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// KEY holds the 32 bytes of an opened item-key message, which open only this item
    #[arg(long)]
    item_key: bool,
    /// The output file; an existing file is never overwritten
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    /// The object of the item to open
    #[arg(long, value_parser = parse_part, default_value = "original")]
    part: Part,
    /// The log's public key; default: log.pub beside the station's keys, if there is one
    #[arg(long, value_name = "NAME+ID+KEY")]
    log_key: Option<String>,
}

fn parse_part(text: &str) -> Result<Part, String> {
    [
        Part::Original,
        Part::Preview,
        Part::Storyboard,
        Part::ItemKey,
    ]
    .into_iter()
    .find(|part| part.as_str() == text)
    .ok_or_else(|| "use original, preview, storyboard or item-key".into())
}

enum OpeningKey {
    Recipient(RecipientKey),
    Item(ItemKey),
}

pub fn run(config: &Path, args: Args) -> anyhow::Result<Outcome> {
    if args.out.exists() {
        return Err(usage(format!(
            "{} exists already; choose another name for -o",
            args.out.display()
        )));
    }
    let key = read_key(&args)?;
    let source = match &key {
        OpeningKey::Recipient(key) => KeySource::Recipient(key),
        OpeningKey::Item(key) => KeySource::Item(key),
    };
    if let Ok(id) = args.item.parse::<EvidenceId>() {
        let config = Config::load_to_read(config)?;
        let bucket = Arc::new(Bucket::open(&config)?);
        let record = ItemRecord::find(&config, &bucket, &args, id)?;
        let object =
            ObjectReader::version(Arc::clone(&bucket), record.key, record.version.clone())?;
        let expected = ExpectedMessage {
            evidence: id,
            part: args.part,
            sha256: record.sha256,
        };
        open(
            BufReader::with_capacity(4 << 20, object),
            &source,
            Some(&expected),
            &args.out,
        )?;
        println!("opened {id} ({}) to {}", args.part, args.out.display());
        if let Some(version) = &record.version {
            println!("it is the version {version} of the store, which the custody log names");
        }
        match record.sha256 {
            Some(digest) if record.proven => {
                println!("its SHA-256 is {digest}, as the custody log says");
            }
            Some(digest) => println!(
                "its SHA-256 is {digest}, as its record in the store says; the log's signature was not checked, for want of its public key (--log-key)"
            ),
            None => {}
        }
    } else {
        let path = Path::new(&args.item);
        let file = File::open(path).with_context(|| {
            format!(
                "{} is neither an evidence id nor a file that can be read",
                args.item.escape_debug()
            )
        })?;
        let digest = open(
            BufReader::with_capacity(1 << 20, file),
            &source,
            None,
            &args.out,
        )?;
        println!("opened {} to {}", path.display(), args.out.display());
        println!("its SHA-256 is {digest}: compare it with the item's manifest");
    }
    Ok(Outcome::Fine)
}

fn read_key(args: &Args) -> anyhow::Result<OpeningKey> {
    let bytes = Zeroizing::new(
        std::fs::read(&args.key)
            .with_context(|| format!("cannot read the key {}", args.key.display()))?,
    );
    if args.item_key {
        return match ItemKey::from_bytes(&bytes) {
            Some(key) => Ok(OpeningKey::Item(key)),
            None => Err(usage(format!(
                "{} is not the 32 bytes of an item key",
                args.key.display()
            ))),
        };
    }
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| usage(format!("{} is not a PEM file", args.key.display())))?;
    Ok(OpeningKey::Recipient(
        RecipientKey::from_pem(text).with_context(|| format!("the key {}", args.key.display()))?,
    ))
}

/// Where the log says that the object is, and what it must contain.
struct ItemRecord {
    key: String,
    /// What was laid over this version later is not what was stored.
    version: Option<String>,
    sha256: Option<Sha256Digest>,
    /// The log's signature was checked.
    proven: bool,
}

impl ItemRecord {
    fn find(config: &Config, bucket: &Bucket, args: &Args, id: EvidenceId) -> anyhow::Result<Self> {
        let key = match &args.log_key {
            None if !config.files.log_public_key().exists() => None,
            given => Some(verifier_key(config, given.as_deref())?),
        };
        match args.part {
            Part::Original => original(config, bucket, key.as_ref(), id),
            Part::Preview | Part::Storyboard => {
                preview(config, bucket, key.as_ref(), id, args.part)
            }
            // Its version is in no entry.
            Part::ItemKey => Ok(Self {
                key: bucket.layout().object(id, Part::ItemKey.as_str()),
                version: None,
                sha256: None,
                proven: false,
            }),
        }
    }
}

fn original(
    config: &Config,
    bucket: &Bucket,
    key: Option<&VerifierKey>,
    id: EvidenceId,
) -> anyhow::Result<ItemRecord> {
    let Some(manifest) = bucket.get(&bucket.layout().object(id, "manifest.json"), 1 << 17)? else {
        bail!("the store holds no item {id}; `camdock items` lists what there is");
    };
    let entry: Entry =
        serde_json::from_slice(&manifest).context("the item's manifest is damaged")?;
    let sha256 = match entry.event {
        Event::ItemSealed(sealed) if sealed.evidence == id => sealed.sha256,
        _ => bail!("the manifest of {id} is that of something else; run `camdock verify`"),
    };
    let mut stored = receipted(config, bucket, key, id)?;
    if stored.is_none() {
        // Its receipt does not help: the whole log does.
        each_entry(config, bucket, key, &mut |event| match event {
            Event::ItemStored(entry) if entry.evidence == id => stored = Some(entry),
            _ => {}
        })?;
    }
    let Some(stored) = stored else {
        bail!("the custody log does not say that {id} was stored; run `camdock verify`");
    };
    Ok(ItemRecord {
        key: stored.key,
        version: stored.version_id,
        sha256: Some(sha256),
        proven: key.is_some(),
    })
}

/// The entry about the storing that the item's receipt proves.
fn receipted(
    config: &Config,
    bucket: &Bucket,
    key: Option<&VerifierKey>,
    id: EvidenceId,
) -> anyhow::Result<Option<ItemStored>> {
    let Some(receipt) = bucket.get(&bucket.layout().object(id, "receipt"), 1 << 20)? else {
        return Ok(None);
    };
    let receipt = String::from_utf8_lossy(&receipt);
    with_log(config, bucket, |source| {
        let size = claimed_size(source)?;
        for index in claimed_indices(&receipt) {
            let Ok(entry) = entry_at(source, size, index) else {
                continue;
            };
            if key.is_some_and(|key| verify_receipt(&receipt, &entry, key).is_err()) {
                continue;
            }
            if let Ok(Event::ItemStored(stored)) =
                serde_json::from_slice::<Entry>(&entry).map(|entry| entry.event)
                && stored.evidence == id
            {
                return Ok(Some(stored));
            }
        }
        Ok(None)
    })
}

fn preview(
    config: &Config,
    bucket: &Bucket,
    key: Option<&VerifierKey>,
    id: EvidenceId,
    part: Part,
) -> anyhow::Result<ItemRecord> {
    let mut found = None;
    each_entry(config, bucket, key, &mut |event| match event {
        Event::ItemPreviewed(entry) if entry.evidence == id && entry.part == part => {
            found = Some(entry.outcome);
        }
        _ => {}
    })?;
    match found {
        Some(PreviewOutcome::Made(made)) => Ok(ItemRecord {
            key: made.key,
            version: made.version_id,
            sha256: Some(made.sha256),
            proven: key.is_some(),
        }),
        Some(PreviewOutcome::Failed { reason, .. }) => {
            bail!("the {part} of {id} could not be made: {reason}; open the original")
        }
        Some(PreviewOutcome::Skipped { reason }) => {
            bail!("there is no {part} of {id}: {reason}; open the original")
        }
        None => bail!("the log names no {part} of {id}; `camdock show {id}` lists what there is"),
    }
}

/// The station's copy of the log, or the bucket's where there is none.
fn with_log<T>(
    config: &Config,
    bucket: &Bucket,
    read: impl FnOnce(&(dyn LogSource + Sync)) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let dir = config.files.log_dir();
    if dir.join("checkpoint").exists() {
        read(&DirSource::new(dir))
    } else {
        read(bucket)
    }
}

/// Shows every entry of the log, which is verified where its key is known.
fn each_entry(
    config: &Config,
    bucket: &Bucket,
    key: Option<&VerifierKey>,
    see: &mut dyn FnMut(Event),
) -> anyhow::Result<()> {
    let mut look = |bytes: &[u8]| {
        if let Ok(entry) = serde_json::from_slice::<Entry>(bytes) {
            see(entry.event);
        }
    };
    with_log(config, bucket, |source| {
        if let Some(key) = key {
            let report = verify_log(source, key, &mut |_, bytes| look(bytes), None)?;
            if !report.is_clean() {
                bail!("the custody log does not verify; run `camdock verify`");
            }
            return Ok(());
        }
        let (size, mut at) = (claimed_size(source)?, 0);
        while at < size {
            let entries = entries_from(source, size, at)?;
            if entries.is_empty() {
                break;
            }
            at += entries.len() as u64;
            for bytes in &entries {
                look(bytes);
            }
        }
        Ok(())
    })
}

/// Writes to a hidden file beside OUT, which is renamed only when everything verified.
fn open(
    reader: impl Read,
    key: &KeySource<'_>,
    expected: Option<&ExpectedMessage>,
    out: &Path,
) -> anyhow::Result<Sha256Digest> {
    let mut name = std::ffi::OsString::from(".");
    name.push(out.file_name().context("OUT has no file name")?);
    name.push(format!(".{}.camdock", std::process::id()));
    let temporary = out.with_file_name(name);
    let result = (|| -> anyhow::Result<_> {
        let mut file = AppendFile::create(&temporary)?;
        let (digest, _) = open_to(reader, key, expected, |bytes| {
            file.append(bytes).map_err(std::io::Error::other)
        })
        .context("it was not opened")?;
        file.sync()?;
        durable::rename_new(&temporary, out)?;
        Ok(digest)
    })();
    let _ = durable::remove(&temporary);
    result
}

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use zeroize::Zeroizing;

use super::bucket::{Bucket, ObjectReader};
use super::verify::{PartHasher, verifier_key};
use super::views::ViewArgs;
use super::{Outcome, usage};
use crate::audit::{
    DirSource, FirstEntries, LogSource, VerifierKey, claimed_indices, claimed_size, entries_from,
    entry_at, verify_log, verify_receipt,
};
use crate::config::Config;
use crate::durable::{self, AppendFile};
use crate::model::{
    Entry, Event, EvidenceId, ItemSealed, ItemStored, Part, PreviewMade, PreviewOutcome,
    Sha256Digest,
};
use crate::seal::{ExpectedMessage, ItemKey, KeySource, RecipientKey, open_to};

/// Decrypts sealed footage and checks it against the custody log. OUT exists only if all of it verified.
#[derive(clap::Args)]
#[command(after_help = "\
  camdock open 0195f2c4-… --key evidence.key.pem -o footage.mp4 --reason TEXT --signer shah.key
                            fetches it, once a note that your key signs is in the bucket
  camdock open 0195f2c4-… --part preview --key evidence.key.pem -o preview.mp4 --reason TEXT …
  camdock open ./original --key evidence.key.pem -o footage.mp4
                            a sealed file that you have; nobody can enter that you open it
With --office https://HOST --token-file FILE in place of --signer, the office's log has it.
A machine that is not a station needs only [station] name and [store] in its camdock.toml.
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
    #[command(flatten)]
    view: ViewArgs,
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
        let views = args.view.views(&config)?;
        let bucket = Arc::new(Bucket::open(&config)?);
        let record = ItemRecord::find(&config, &bucket, &args, id)?;
        views.enter(&bucket, id, Some(args.part))?;
        let object =
            ObjectReader::version(Arc::clone(&bucket), record.key, record.version.clone())?;
        let expected = ExpectedMessage {
            evidence: id,
            part: args.part,
            sha256: record.sha256,
        };
        let content = record.content.as_ref();
        let reader = PartHasher::new(object, content.and_then(|content| content.part_size));
        open(
            BufReader::with_capacity(4 << 20, reader),
            &source,
            Some(&expected),
            &args.out,
            |mut reader| {
                std::io::copy(&mut reader, &mut std::io::sink())?;
                let checksum = reader.into_inner().finish();
                match content {
                    Some(content) if content.checksum != checksum => bail!(
                        "its bytes in the store have the checksum {checksum}, but {} was stored; run `camdock verify --deep`",
                        content.checksum
                    ),
                    _ => Ok(()),
                }
            },
        )?;
        println!("opened {id} ({}) to {}", args.part, args.out.display());
        let (names, says) = match record.unproven {
            None => ("the custody log names", "the custody log says".to_owned()),
            Some(why) => (
                "its record in the store names",
                format!("its record in the store says; {why}"),
            ),
        };
        if let Some(version) = &record.version {
            println!("it is the version {version} of the store, which {names}");
        }
        if let Some(digest) = record.sha256 {
            println!("its SHA-256 is {digest}, as {says}");
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
            |_| Ok(()),
        )?;
        println!("opened {} to {}", path.display(), args.out.display());
        println!("nobody can see that it was opened: it is a copy outside the store");
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
    Ok(OpeningKey::Recipient(recipient_key(&args.key, &bytes)?))
}

/// The private key in a file's bytes.
pub fn recipient_key(path: &Path, bytes: &[u8]) -> anyhow::Result<RecipientKey> {
    let text = std::str::from_utf8(bytes)
        .map_err(|_| usage(format!("{} is not a PEM file", path.display())))?;
    RecipientKey::from_pem(text).with_context(|| format!("the key {}", path.display()))
}

const NO_KEY: &str = "the log's signature was not checked, for want of its public key (--log-key)";
const BROKEN: &str =
    "the log proves nothing of it, because it does not verify: run `camdock verify`";

/// Where the log says that the object is, and what it must contain.
struct ItemRecord {
    key: String,
    /// The version that was stored. A newer one over it is not what was stored.
    version: Option<String>,
    /// Of the opened footage.
    sha256: Option<Sha256Digest>,
    content: Option<SealedContent>,
    /// Why the signed log does not prove all of this; `None` if it does.
    unproven: Option<&'static str>,
}

/// The sealed bytes that were stored.
struct SealedContent {
    part_size: Option<u64>,
    checksum: String,
}

impl ItemRecord {
    fn find(config: &Config, bucket: &Bucket, args: &Args, id: EvidenceId) -> anyhow::Result<Self> {
        let key = match &args.log_key {
            None if !config.files.log_public_key().exists() => None,
            given => Some(verifier_key(config, given.as_deref())?),
        };
        match args.part {
            Part::Original => Self::original(config, bucket, key.as_ref(), id),
            Part::Preview | Part::Storyboard => {
                let made = preview(config, bucket, key.as_ref(), id, args.part)?;
                Ok(Self {
                    key: made.key,
                    version: made.version_id,
                    sha256: Some(made.sha256),
                    content: Some(SealedContent {
                        part_size: made.part_size,
                        checksum: made.checksum,
                    }),
                    unproven: key.is_none().then_some(NO_KEY),
                })
            }
            // Its version is in no entry.
            Part::ItemKey => Ok(Self {
                key: bucket.layout().object(id, Part::ItemKey.as_str()),
                version: None,
                sha256: None,
                content: None,
                unproven: None,
            }),
        }
    }

    fn original(
        config: &Config,
        bucket: &Bucket,
        key: Option<&VerifierKey>,
        id: EvidenceId,
    ) -> anyhow::Result<Self> {
        let (mut sealed, mut stored) = (None, None);
        let read = each_entry(config, bucket, key, &mut |event| match event {
            Event::ItemSealed(entry) if entry.evidence == id => sealed = Some(entry),
            Event::ItemStored(entry) if entry.evidence == id => stored = Some(entry),
            _ => {}
        });
        let (sealed, stored, unproven) = match (read, sealed, stored) {
            (Ok(()), Some(sealed), Some(stored)) => {
                (sealed, stored, key.is_none().then_some(NO_KEY))
            }
            (Ok(()), ..) => bail!(
                "the custody log does not say that {id} was stored; `camdock items` lists what there is"
            ),
            // A damaged log keeps nobody from the footage, but it proves nothing of it.
            (Err(error), ..) => match (manifest(bucket, id)?, receipted(config, bucket, key, id)) {
                (Some(sealed), Ok(Some(stored))) => (sealed, stored, Some(BROKEN)),
                _ => return Err(error),
            },
        };
        Ok(Self {
            key: stored.key,
            version: stored.version_id,
            sha256: Some(sealed.sha256),
            content: Some(SealedContent {
                part_size: stored.part_size,
                checksum: stored.checksum,
            }),
            unproven,
        })
    }
}

/// The entry about the sealing as it lies beside the item: whoever may write there may have replaced it.
fn manifest(bucket: &Bucket, id: EvidenceId) -> anyhow::Result<Option<ItemSealed>> {
    let bytes = bucket.get(&bucket.layout().object(id, "manifest.json"), 1 << 17)?;
    let entry = bytes.and_then(|bytes| serde_json::from_slice::<Entry>(&bytes).ok());
    Ok(match entry.map(|entry| entry.event) {
        Some(Event::ItemSealed(sealed)) if sealed.evidence == id => Some(sealed),
        _ => None,
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
) -> anyhow::Result<PreviewMade> {
    let mut found = None;
    each_entry(config, bucket, key, &mut |event| match event {
        Event::ItemPreviewed(entry) if entry.evidence == id && entry.part == part => {
            found = Some(entry.outcome);
        }
        _ => {}
    })?;
    match found {
        Some(PreviewOutcome::Made(made)) => Ok(*made),
        Some(PreviewOutcome::Failed { reason, .. }) => {
            bail!("the {part} of {id} could not be made: {reason}; open the original")
        }
        Some(PreviewOutcome::Skipped { reason, .. }) => {
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

/// Shows every entry of the log that counts. The log is verified where its key is known; then the entries hold if this returns.
fn each_entry(
    config: &Config,
    bucket: &Bucket,
    key: Option<&VerifierKey>,
    see: &mut dyn FnMut(Event),
) -> anyhow::Result<()> {
    let mut first = FirstEntries::default();
    let mut look = |index: u64, bytes: &[u8]| {
        if let Ok(entry) = serde_json::from_slice::<Entry>(bytes)
            && first.see(index, &entry.event)
        {
            see(entry.event);
        }
    };
    with_log(config, bucket, |source| {
        if let Some(key) = key {
            let report = verify_log(source, key, &mut look, None)?;
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
            for (index, bytes) in (at..).zip(&entries) {
                look(index, bytes);
            }
            at += entries.len() as u64;
        }
        Ok(())
    })
}

/// Writes to a hidden file beside OUT, which is renamed only when everything verified, and `check` with it: it gets the reader
/// when the footage was opened.
fn open<R: Read>(
    mut reader: R,
    key: &KeySource<'_>,
    expected: Option<&ExpectedMessage>,
    out: &Path,
    check: impl FnOnce(R) -> anyhow::Result<()>,
) -> anyhow::Result<Sha256Digest> {
    let mut name = std::ffi::OsString::from(".");
    name.push(out.file_name().context("OUT has no file name")?);
    name.push(format!(".{}.camdock", std::process::id()));
    let temporary = out.with_file_name(name);
    let result = (|| -> anyhow::Result<_> {
        let mut file = AppendFile::create(&temporary)?;
        let (digest, _) = open_to(&mut reader, key, expected, |bytes| {
            file.append(bytes).map_err(std::io::Error::other)
        })
        .context("it was not opened")?;
        check(reader).context("it was not opened")?;
        file.sync()?;
        durable::rename_new(&temporary, out)?;
        Ok(digest)
    })();
    let _ = durable::remove(&temporary);
    result
}

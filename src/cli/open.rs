use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use zeroize::Zeroizing;

use super::bucket::{Bucket, ObjectReader};
use super::verify::verifier_key;
use super::{Outcome, load_config, usage};
use crate::audit::{DirSource, verify_log};
use crate::config::Config;
use crate::durable::{self, AppendFile};
use crate::model::{Entry, Event, EvidenceId, Part, PreviewOutcome, Sha256Digest};
use crate::seal::{ExpectedMessage, ItemKey, KeySource, RecipientKey, open_to};

/// Decrypts sealed footage and checks it against the custody log. OUT exists only if all of it verified.
#[derive(clap::Args)]
#[command(after_help = "\
  camdock open 0195f2c4-… --key evidence.key.pem -o footage.mp4    fetches it from the store
  camdock open 0195f2c4-… --part preview --key evidence.key.pem -o preview.mp4
  camdock open 0195f2c4-… --part storyboard --key evidence.key.pem -o sheet.jpg
  camdock open ./original --key evidence.key.pem -o footage.mp4    a sealed file that you have
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

enum Key {
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
        Key::Recipient(key) => KeySource::Recipient(key),
        Key::Item(key) => KeySource::Item(key),
    };
    if let Ok(id) = args.item.parse::<EvidenceId>() {
        let config = load_config(config)?;
        let bucket = Arc::new(Bucket::open(&config)?);
        let expected = expected(&config, &bucket, id, args.part)?;
        let object = ObjectReader::new(
            Arc::clone(&bucket),
            bucket.layout().object(id, args.part.as_str()),
        )?;
        open(
            BufReader::with_capacity(4 << 20, object),
            &source,
            Some(&expected),
            &args.out,
        )?;
        println!("opened {id} ({}) to {}", args.part, args.out.display());
        if let Some(digest) = expected.sha256 {
            println!("its SHA-256 is {digest}, as the custody log says");
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

fn read_key(args: &Args) -> anyhow::Result<Key> {
    let bytes = Zeroizing::new(
        std::fs::read(&args.key)
            .with_context(|| format!("cannot read the key {}", args.key.display()))?,
    );
    if args.item_key {
        return match ItemKey::from_bytes(&bytes) {
            Some(key) => Ok(Key::Item(key)),
            None => Err(usage(format!(
                "{} is not the 32 bytes of an item key",
                args.key.display()
            ))),
        };
    }
    let text = std::str::from_utf8(&bytes)
        .map_err(|_| usage(format!("{} is not a PEM file", args.key.display())))?;
    Ok(Key::Recipient(RecipientKey::from_pem(text).with_context(
        || format!("the key {}", args.key.display()),
    )?))
}

/// What the object must contain: the original according to its manifest, previews according to the log.
fn expected(
    config: &Config,
    bucket: &Bucket,
    id: EvidenceId,
    part: Part,
) -> anyhow::Result<ExpectedMessage> {
    let sha256 = match part {
        Part::Original => Some(original(bucket, id)?),
        Part::Preview | Part::Storyboard => Some(preview(config, bucket, id, part)?),
        Part::ItemKey => None,
    };
    Ok(ExpectedMessage {
        evidence: id,
        part,
        sha256,
    })
}

fn original(bucket: &Bucket, id: EvidenceId) -> anyhow::Result<Sha256Digest> {
    let Some(manifest) = bucket.get(&bucket.layout().object(id, "manifest.json"), 1 << 17)? else {
        bail!("the store holds no item {id}; `camdock items` lists what there is");
    };
    let entry: Entry =
        serde_json::from_slice(&manifest).context("the item's manifest is damaged")?;
    match entry.event {
        Event::ItemSealed(sealed) if sealed.evidence == id => Ok(sealed.sha256),
        _ => bail!("the manifest of {id} is that of something else; run `camdock verify`"),
    }
}

/// Reads the station's copy of the log, or the bucket's where there is none, and verifies it.
fn preview(
    config: &Config,
    bucket: &Bucket,
    id: EvidenceId,
    part: Part,
) -> anyhow::Result<Sha256Digest> {
    let key = verifier_key(config, None)?;
    let mut found = None;
    let mut look = |_, bytes: &[u8]| {
        if let Ok(Event::ItemPreviewed(entry)) =
            serde_json::from_slice::<Entry>(bytes).map(|entry| entry.event)
            && entry.evidence == id
            && entry.part == part
        {
            found = Some(entry.outcome);
        }
    };
    let dir = config.files.log_dir();
    let report = if dir.join("checkpoint").exists() {
        verify_log(&DirSource::new(dir), &key, &mut look, None)?
    } else {
        verify_log(bucket, &key, &mut look, None)?
    };
    if !report.is_clean() {
        bail!("the custody log does not verify; run `camdock verify`");
    }
    match found {
        Some(PreviewOutcome::Made(made)) => Ok(made.sha256),
        Some(PreviewOutcome::Failed { reason, .. }) => {
            bail!("the {part} of {id} could not be made: {reason}; open the original")
        }
        Some(PreviewOutcome::Skipped { reason }) => {
            bail!("there is no {part} of {id}: {reason}; open the original")
        }
        None => bail!("the log names no {part} of {id}; `camdock show {id}` lists what there is"),
    }
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

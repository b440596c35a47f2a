//! `camdock office pack`: items opened into a folder for court. The running office enters and publishes it first.

use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};
use indicatif::{ProgressBar, ProgressStyle};
use zeroize::Zeroizing;

use super::decide::{NO_OFFICE, OTHER_ANSWER};
use crate::cli::bucket::{Bucket, ObjectReader};
use crate::cli::open::recipient_key;
use crate::cli::orders::{OrderSignature, ask};
use crate::cli::verify::PartHasher;
use crate::cli::{Outcome, usage};
use crate::config::OfficeConfig;
use crate::model::{EvidenceId, PackId};
use crate::office::{
    self, DisclosedItem, Disclosure, OfficeReply, OrderedItem, PACK_ITEMS_MAX, PackOrder,
    SealedObject, disclose, socket_path,
};
use crate::pack::{
    BagWriter, PackFacts, add_papers, custody_file, fingerprint, grouped, part_file, write_zip,
};
use crate::seal::{ExpectedMessage, KeySource, RecipientKey, open_to};
use crate::upload::Store;

#[derive(clap::Args)]
#[command(after_help = "\
  camdock office pack 0195f2c4-… 0195f2c5-… --key evidence.key.pem -o /media/disc/R-v-Jones --operator 'M. Shah' --reason 'disclosure, R v Jones'
The folder checks itself: its READ-ME.txt says how. The running office publishes in its log that the pack is made, and why, before anything is opened.
Give the fingerprints that are shown at the end to whoever gets the pack, by another way than with it.")]
pub struct PackArgs {
    /// The items' evidence ids, as on the page Find
    #[arg(required = true, value_name = "ID")]
    items: Vec<EvidenceId>,
    /// A recipient's private key (PKCS#8 PEM)
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The folder to make; nothing that exists is overwritten, and until it is whole its name ends with .unfinished
    #[arg(long, short, value_name = "DIR")]
    out: PathBuf,
    /// Write DIR.zip, too
    #[arg(long)]
    zip: bool,
    /// Items that are restricted may be in it; without this they are answered as if they did not exist
    #[arg(long)]
    restricted: bool,
    #[command(flatten)]
    signature: OrderSignature,
}

pub fn run(config: &OfficeConfig, args: PackArgs) -> anyhow::Result<Outcome> {
    let mut ids = args.items.clone();
    ids.sort_unstable();
    ids.dedup();
    if ids.len() > PACK_ITEMS_MAX {
        return Err(usage(format!(
            "a pack has at most {PACK_ITEMS_MAX} items; make several"
        )));
    }
    let key = read_key(&args.key)?;
    let made = jiff::Timestamp::from_second(jiff::Timestamp::now().as_second())?;
    let mut bag = BagWriter::create(&args.out, args.zip, made)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    let store: Arc<dyn Store> = Arc::new(office::open_store(config)?);
    let disclosure = disclose(config, &store, runtime.handle(), &ids, args.restricted)?;
    let pack = PackId::new();
    let acts = enter(config, pack, &disclosure, &args)?;

    let parts = disclosure.items.iter().flat_map(|it| &it.item.parts);
    let bytes = parts.map(|part| part.size).sum();
    let progress = bar(bytes, "opening");
    for disclosed in &disclosure.items {
        let layout = config.layout_of(&disclosed.item.station);
        let bucket = Arc::new(Bucket::of(office::open_store(config)?, layout)?);
        for object in &disclosed.objects {
            open(&mut bag, &bucket, disclosed, object, &key, &progress)?;
        }
        add_entries(&mut bag, disclosed)?;
    }
    progress.finish_and_clear();
    let left_out: usize = disclosure.items.iter().map(|it| it.left_out).sum();
    let facts = PackFacts {
        id: pack,
        made,
        version: env!("CARGO_PKG_VERSION"),
        office: config.name.clone(),
        operator: args.signature.operator.trim().to_owned(),
        acts,
        witness: disclosure.witness,
        logs: disclosure.logs,
        items: disclosure.items.into_iter().map(|it| it.item).collect(),
    };
    let totals = add_papers(bag, &facts)?;
    let out = args.out.display();
    println!(
        "made {out}: {} recordings, {} files, {} bytes",
        facts.items.len(),
        totals.files.len(),
        totals.bytes
    );
    if args.zip {
        let progress = bar(totals.bytes, "zipping");
        let zip = write_zip(&args.out, &totals.files, made, |bytes| progress.inc(bytes));
        progress.finish_and_clear();
        println!("made {}", zip?.display());
    }
    tell(&facts, left_out);
    Ok(Outcome::Fine)
}

fn tell(facts: &PackFacts, left_out: usize) {
    let acts: Vec<String> = facts.acts.iter().map(ToString::to_string).collect();
    println!(
        "the office's log says so in the entries {}",
        acts.join(", ")
    );
    if left_out > 0 {
        println!(
            "{left_out} entries that also tell of other recordings, or of who looked, are not in it"
        );
    }
    println!(
        "\nFingerprints, to be given to whoever gets the pack by another way than with it, such as a signed statement on paper:"
    );
    for log in &facts.logs {
        println!(
            "  station {}: {}",
            log.station,
            grouped(&fingerprint(&log.key))
        );
    }
    println!("  witness: {}", grouped(&fingerprint(&facts.witness.key)));
}

fn read_key(path: &Path) -> anyhow::Result<RecipientKey> {
    let bytes = std::fs::read(path);
    let bytes = bytes.with_context(|| format!("cannot read the key {}", path.display()))?;
    recipient_key(path, &Zeroizing::new(bytes))
}

/// Has it entered in the office's log; returns once that is published.
fn enter(
    config: &OfficeConfig,
    pack: PackId,
    disclosure: &Disclosure,
    args: &PackArgs,
) -> anyhow::Result<Vec<u64>> {
    let signature = &args.signature;
    let items = disclosure.items.iter().map(|it| OrderedItem {
        station: it.item.station.clone(),
        evidence: it.item.evidence,
    });
    let order = PackOrder {
        pack,
        items: items.collect(),
        operator: signature.operator.clone(),
        reason: signature.reason.clone(),
        restricted: args.restricted,
    };
    match ask(&socket_path(config), &order, NO_OFFICE)? {
        OfficeReply::Packed {
            acts,
            published: true,
        } => Ok(acts),
        OfficeReply::Packed { .. } => bail!(
            "the office entered it in its log, and could not publish that; nothing was opened. Check the network and the store's endpoint, then give the command again"
        ),
        OfficeReply::Refused(reason) => bail!("refused: {reason}"),
        _ => bail!(OTHER_ANSWER),
    }
}

/// Opens one object into the pack. It counts only if its bytes in the store and its content are those of the log.
fn open(
    bag: &mut BagWriter,
    bucket: &Arc<Bucket>,
    disclosed: &DisclosedItem,
    object: &SealedObject,
    key: &RecipientKey,
    progress: &ProgressBar,
) -> anyhow::Result<()> {
    let (item, part) = (&disclosed.item, object.part);
    let logged = item.parts.iter().find(|logged| logged.part == part);
    let (Some(logged), Some(name)) = (logged, part_file(item, part)) else {
        bail!("a pack holds no {part}");
    };
    let named = || format!("the {part} of {} was not opened", item.evidence);
    let expected = ExpectedMessage {
        evidence: item.evidence,
        part,
        sha256: Some(logged.sha256),
    };
    let path = bucket.layout().object(item.evidence, part);
    let sealed = ObjectReader::version(Arc::clone(bucket), path, object.version.clone());
    let sealed = PartHasher::new(sealed.with_context(named)?, object.part_size);
    let mut sealed = BufReader::with_capacity(4 << 20, sealed);
    let mut file = bag.begin(&name)?;
    open_to(
        &mut sealed,
        &KeySource::Recipient(key),
        Some(&expected),
        |bytes| {
            progress.inc(bytes.len() as u64);
            file.write(bytes).map_err(std::io::Error::other)
        },
    )
    .with_context(named)?;
    std::io::copy(&mut sealed.by_ref(), &mut std::io::sink())?;
    let checksum = sealed.into_inner().finish();
    if checksum != object.checksum {
        bail!(
            "{}: its bytes in the store have the checksum {checksum}, but {} was stored; run `camdock verify --deep` on the station",
            named(),
            object.checksum
        );
    }
    bag.end(file)?;
    Ok(())
}

/// The entries with their proofs. Items of one docking share its entries.
fn add_entries(bag: &mut BagWriter, disclosed: &DisclosedItem) -> anyhow::Result<()> {
    let station = &disclosed.item.station;
    for entry in &disclosed.entries {
        let name = |end| custody_file(station, format_args!("{}.{end}", entry.index));
        if !bag.has(&name("json")) {
            bag.add(&name("json"), &entry.bytes)?;
            bag.add(&name("tlog-proof"), entry.proof.as_bytes())?;
        }
    }
    Ok(())
}

fn bar(bytes: u64, what: &str) -> ProgressBar {
    let style =
        ProgressStyle::with_template("{msg} {bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta}");
    let bar = ProgressBar::new(bytes).with_message(what.to_owned());
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar
}

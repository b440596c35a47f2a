//! `camdock office share`, `shares` and `end-share`: orders to the running office, which alone writes its log. With a recipient's
//! private key, the item keys are sealed here; otherwise the key desk does it.

use std::path::PathBuf;

use anyhow::{Context as _, bail};
use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _};
use zeroize::Zeroizing;

use super::decide::{NO_OFFICE, OTHER_ANSWER};
use crate::cli::open::recipient_key;
use crate::cli::orders::{OrderSignature, ask};
use crate::cli::{Outcome, usage};
use crate::config::OfficeConfig;
use crate::model::{Escaped, EvidenceId, Part, ShareId, StationName, fingerprint_words};
use crate::office::{self, OfficeReply, SHARE_ITEMS_MAX, ShareCommand, socket_path};
use crate::seal::{Recipient, RecipientKey, open_item_key};
use crate::upload::{Body, Store as _};
use crate::web::{ItemToShare, ShareMade, ShareRow};

/// Far longer than an item-key message with as many recipients as there can be.
const MESSAGE_MAX: u64 = 64 << 10;

#[derive(clap::Args)]
#[command(after_help = "\
  camdock office share 0195f2c4-… 0195f2c5-… --to 'A. Clerk' --until 2027-01-31 --operator 'M. Shah' --reason 'disclosure, R v Jones'
Each recipient gets a share and a link of their own. `camdock office people outside` lists who may be shared with.
Without a key desk, --key names a recipient's private key: it opens the item keys here, and they are sealed to the recipient anew.
Nothing is handed over before the office has published who shares what with whom, and why. Originals are neither touched nor copied.")]
pub struct ShareArgs {
    /// The items' evidence ids, as on the page Find; their sidecars go with them
    #[arg(required = true, value_name = "ID")]
    items: Vec<EvidenceId>,
    /// The fingerprint of a recipient's key, or their name where only one has it; several times for several recipients
    #[arg(long, required = true, value_name = "KEY")]
    to: Vec<String>,
    /// Until when: a day of UTC, which is included, or a time
    #[arg(long, value_name = "DATE", value_parser = until)]
    until: Timestamp,
    /// The station that took the items, if several stations list the same ids
    #[arg(long)]
    station: Option<StationName>,
    /// A recipient's private key (PKCS#8 PEM), where there is no key desk
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// One JSON object for each share
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    signature: OrderSignature,
}

#[derive(clap::Args)]
pub struct EndShareArgs {
    /// The share's number, as `camdock office shares` shows it
    share: ShareId,
    #[command(flatten)]
    signature: OrderSignature,
}

/// A day of UTC with all its hours, or a time.
pub fn until(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Ok(time);
    }
    let day = text.parse::<Date>().ok();
    let next = day.and_then(|day| day.checked_add(1.day()).ok());
    let midnight = next.and_then(|day| format!("{day}T00:00:00Z").parse().ok());
    let wrong =
        || "give a day such as 2027-01-31, or a time such as 2027-01-31T12:00:00Z".to_owned();
    midnight.ok_or_else(wrong)
}

pub fn run(config: &OfficeConfig, args: &ShareArgs) -> anyhow::Result<Outcome> {
    if args.items.len() > SHARE_ITEMS_MAX {
        return Err(usage(format!(
            "a share has at most {SHARE_ITEMS_MAX} items; make several"
        )));
    }
    let key = args.key.as_ref().map(|path| {
        let bytes = std::fs::read(path);
        let bytes = bytes.with_context(|| format!("cannot read the key {}", path.display()))?;
        recipient_key(path, &Zeroizing::new(bytes))
    });
    let key = key.transpose()?;
    let items = args.items.iter().map(|evidence| ItemToShare {
        station: args.station.clone(),
        evidence: *evidence,
    });
    let items: Vec<_> = items.collect();
    let mut fine = true;
    for to in &args.to {
        let order = ShareCommand::Share {
            items: items.clone(),
            to: to.clone(),
            until: args.until,
            operator: args.signature.operator.clone(),
            reason: args.signature.reason.clone(),
            by_key_desk: key.is_none(),
        };
        let mut made = match ask(&socket_path(config), &order, NO_OFFICE)? {
            OfficeReply::Shared(made) => made,
            OfficeReply::Refused(reason) => bail!("refused: {reason}"),
            _ => bail!(OTHER_ANSWER),
        };
        if let Some(key) = key.as_ref().filter(|_| made.published) {
            made.sealed = seal(config, &made, key)?;
        }
        fine &= made.published && made.sealed == made.items.len();
        if args.json {
            println!("{}", serde_json::to_string(&made)?);
        } else {
            tell(to, &made);
        }
    }
    Ok(if fine {
        Outcome::Fine
    } else {
        Outcome::NeedsAttention
    })
}

fn tell(to: &str, made: &ShareMade) {
    for item in &made.items {
        println!(
            "shared   {} (entry {} of the office's log)",
            item.evidence, item.entry
        );
    }
    println!("with {}: the share {}", Escaped(to.as_bytes()), made.share);
    if made.link.starts_with('/') {
        println!(
            "its link ends with {}; the rest is the share reader's address: give it as `address` in [share] of office.toml, and whole links are shown",
            made.link
        );
    } else {
        println!("its link, for the recipient: {}", made.link);
    }
    let (sealed, all) = (made.sealed, made.items.len());
    if !made.published {
        println!(
            "not in the bucket yet; it takes effect once the store can be reached and has it, and the key desk seals the keys then"
        );
    } else if sealed < all {
        println!(
            "{sealed} of {all} item keys are sealed to the recipient; see why in the key desk's log, or end the share and give --key"
        );
    }
}

/// Seals each item's key to the share's recipient; returns how many are sealed.
fn seal(config: &OfficeConfig, made: &ShareMade, key: &RecipientKey) -> anyhow::Result<usize> {
    let recipient = Recipient::from_pem(&made.to_key)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let store = office::open_store(config)?;
    for item in &made.items {
        let (station, id) = (&item.station, item.evidence);
        let named = || format!("the key of {id} was not sealed");
        let name = config.layout_of(station).object(id, Part::ItemKey);
        let sealed = runtime.block_on(store.get(&name, MESSAGE_MAX));
        let sealed = sealed.with_context(named)?;
        let sealed = sealed.with_context(|| format!("the store has no item key of {id}"))?;
        let opened = open_item_key(&sealed, key, id).with_context(named)?;
        if opened.station != station.as_str() {
            bail!("what the store has as the item key of {id} is that of another station's item");
        }
        let message = (opened.key).seal_to_share(made.share, &recipient, id, station.as_str())?;
        let target = config.bucket_layout().shared_key(made.share, id);
        let put = runtime.block_on(store.put_once(&target, Body::new(message), None));
        put.with_context(named)?;
    }
    Ok(made.items.len())
}

pub fn list(config: &OfficeConfig, json: bool) -> anyhow::Result<Outcome> {
    let rows = match ask(&socket_path(config), &ShareCommand::Shares, NO_OFFICE)? {
        OfficeReply::Shares(rows) => rows,
        OfficeReply::Refused(reason) => bail!("refused: {reason}"),
        _ => bail!(OTHER_ANSWER),
    };
    if rows.is_empty() && !json {
        println!("nothing was ever shared");
    }
    for row in rows {
        if json {
            println!("{}", serde_json::to_string(&row)?);
        } else {
            print(&row);
        }
    }
    Ok(Outcome::Fine)
}

fn print(row: &ShareRow) {
    let name = |text: &Option<String>| {
        let text = text
            .as_deref()
            .unwrap_or("(not in the address book any more)");
        Escaped(text.as_bytes()).to_string()
    };
    let state = match (row.ended, row.published) {
        (Some(at), _) => format!("ended at {at}"),
        (None, true) => format!("until {}", row.until),
        (None, false) => "not published yet".to_owned(),
    };
    println!(
        "{}  {} ({})  by {}  {state}",
        row.share,
        name(&row.name),
        fingerprint_words(&row.fingerprint).unwrap_or_default(),
        Escaped(row.by.as_bytes())
    );
    println!("    {}", row.link);
    for item in &row.items {
        println!(
            "    {} {} (entry {})",
            item.station, item.evidence, item.entry
        );
    }
}

pub fn end(config: &OfficeConfig, args: EndShareArgs) -> anyhow::Result<Outcome> {
    let order = ShareCommand::EndShare {
        share: args.share,
        operator: args.signature.operator,
        reason: args.signature.reason,
    };
    match ask(&socket_path(config), &order, NO_OFFICE)? {
        OfficeReply::Entered { index, published } => {
            println!(
                "ended: entry {index} of the office's log; what the recipient has taken cannot be taken back"
            );
            if published {
                return Ok(Outcome::Fine);
            }
            println!("it takes effect once the store has it");
            Ok(Outcome::NeedsAttention)
        }
        OfficeReply::Refused(reason) => bail!("refused: {reason}"),
        _ => bail!(OTHER_ANSWER),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_share_lasts_to_the_end_of_the_day_that_is_named() {
        let until = |text: &str| super::until(text).map(|time| time.to_string());
        assert_eq!(until("2026-12-31").unwrap(), "2027-01-01T00:00:00Z");
        assert_eq!(
            until("2026-12-31T12:00:00Z").unwrap(),
            "2026-12-31T12:00:00Z"
        );
        for wrong in ["", "tomorrow", "2026-02-30", "31.12.2026"] {
            assert!(until(wrong).is_err(), "{wrong}");
        }
    }
}

//! Checks the small objects beside an item's footage: manifest, receipt and item key, and how each of them is locked.

use bytes::Bytes;
use jiff::SignedDuration;
use zeroize::Zeroizing;

use super::item::{ItemCheck, ItemProblem, MISSING, unreadable};
use crate::audit::verify_receipt;
use crate::cli::bucket::{RECEIPT, is_oversized};
use crate::model::{Entry, ItemStored, Part, Retention};
use crate::seal::{
    ExpectedMessage, ItemKey, KeySource, MessageHeader, Opener, RecipientKey, SealError, open_to,
};

const MANIFEST: &str = "manifest.json";
/// Each of them is smaller.
const SMALL_MAX: u64 = 1 << 20;
/// More than any header of a sealed message has.
const HEADER_MAX: u64 = 128 << 10;
/// Between what the station locked for the same days, which it counted from other moments.
const LOCKS_APART: SignedDuration = SignedDuration::from_hours(1);

/// What stands beside the footage.
#[derive(Default)]
pub(super) struct Companions {
    pub problems: Vec<ItemProblem>,
    pub receipt: Option<Bytes>,
    /// The receipt is not there, and may still be on its way.
    pub receipt_waits: bool,
    pub item_key: Option<Bytes>,
}

impl ItemCheck<'_> {
    pub(super) fn companions(
        &self,
        name: &str,
        manifest: &[u8],
        stored_entry: &[u8],
        stored: &ItemStored,
    ) -> Companions {
        let mut found = Companions::default();
        let lock = lasting(manifest, stored_entry, stored);
        let problems = &mut found.problems;
        let mut check = |object: &str, content: &dyn Fn(&[u8]) -> Result<(), ItemProblem>| {
            self.companion(name, object, content, lock.as_ref(), problems)
        };
        check(MANIFEST, &|theirs| {
            if theirs == manifest {
                return Ok(());
            }
            Err((
                "manifest_altered",
                format!("{name} has a manifest that is not the log's entry"),
            ))
        });
        let receipt = check(RECEIPT, &|theirs| {
            let text = String::from_utf8_lossy(theirs);
            let held = verify_receipt(&text, stored_entry, self.key);
            held.map(drop).map_err(|error| {
                (
                    "receipt_wrong",
                    format!("{name} has a receipt that does not hold: {error}"),
                )
            })
        });
        let item_key = (!stored.unverified).then(|| {
            check(Part::ItemKey.as_str(), &|theirs| {
                let header = MessageHeader::read(&mut &theirs[..]);
                header
                    .and_then(|(header, ..)| header.expect(self.id, Part::ItemKey))
                    .map_err(|error| item_key_wrong(name, &error.to_string()))
            })
        });
        // Whatever lies there may hold signed checkpoints.
        found.receipt = receipt.map(|(bytes, _)| bytes);
        found.item_key = item_key
            .flatten()
            .and_then(|(bytes, right)| right.then_some(bytes));
        self.excuse_receipt(name, stored_entry, &mut found);
        found
    }

    /// Gets one of them, with whether its content is right; compares its lock if so.
    fn companion(
        &self,
        name: &str,
        object: &str,
        content: &dyn Fn(&[u8]) -> Result<(), ItemProblem>,
        lock: Option<&Retention>,
        problems: &mut Vec<ItemProblem>,
    ) -> Option<(Bytes, bool)> {
        let key = self.bucket.layout().object(self.id, object);
        let got = match self.bucket.get(&key, SMALL_MAX) {
            Ok(Some(bytes)) => Ok(bytes),
            Ok(None) => Err((MISSING, object.to_owned())),
            // No object of the station's is as large: none of it is as wrong as all of it.
            Err(error) if is_oversized(&error) => Ok(Bytes::new()),
            Err(error) => Err(unreadable(name)(error)),
        };
        let bytes = got.map_err(|problem| problems.push(problem)).ok()?;
        if let Err(problem) = content(&bytes) {
            problems.push(problem);
            return Some((bytes, false));
        }
        match lock.map(|lock| self.bucket.lock_short(&key, None, lock)) {
            Some(Ok(Some(seen))) => problems.push((
                "object_unlocked",
                format!(
                    "the {object} of {name} is {seen} in the store, unlike its footage according to the log"
                ),
            )),
            Some(Err(error)) => problems.push(unreadable(name)(error)),
            Some(Ok(None)) | None => {}
        }
        Some((bytes, true))
    }

    /// A receipt that is missing may still be on its way.
    fn excuse_receipt(&self, name: &str, stored_entry: &[u8], found: &mut Companions) {
        let missing = |problem: &ItemProblem| problem.0 == MISSING && problem.1 == RECEIPT;
        let at = found.problems.iter().position(missing);
        let entry = serde_json::from_slice::<Entry>(stored_entry);
        if let (Some(at), Ok(entry)) = (at, entry) {
            match self.bucket.receipt_waits(self.id, entry.time) {
                Ok(false) => {}
                Ok(true) => {
                    found.problems.remove(at);
                    found.receipt_waits = true;
                }
                Err(error) => found.problems[at] = unreadable(name)(error),
            }
        }
    }

    /// The recipient can open the item key, and it opens the footage.
    pub(super) fn opens_with(
        &self,
        item_key: &[u8],
        recipient: &RecipientKey,
        stored: &ItemStored,
        name: &str,
    ) -> Result<(), ItemProblem> {
        let wrong = |error: SealError| item_key_wrong(name, &error.to_string());
        let expected = ExpectedMessage {
            evidence: self.id,
            part: Part::ItemKey,
            sha256: None,
        };
        let mut bytes = Zeroizing::new(Vec::new());
        let source = KeySource::Recipient(recipient);
        open_to(item_key, &source, Some(&expected), |more| {
            bytes.extend_from_slice(more);
            Ok(())
        })
        .map_err(wrong)?;
        let key =
            ItemKey::from_bytes(&bytes).ok_or_else(|| item_key_wrong(name, "it holds no key"))?;
        let version = stored.version_id.as_deref();
        let length = HEADER_MAX.min(stored.size);
        let header = self
            .bucket
            .beginning(&stored.key, version, length)
            .map_err(unreadable(name))?;
        match Opener::open(&header[..], &KeySource::Item(&key)) {
            Ok(_) => Ok(()),
            Err(error) => Err(wrong(error)),
        }
    }
}

fn item_key_wrong(name: &str, why: &str) -> ItemProblem {
    (
        "item_key_wrong",
        format!("{name} has an item-key that is not its own: {why}"),
    )
}

/// How the objects beside the footage must be locked at least: they were put after the sealing, for as many days as the
/// footage.
fn lasting(manifest: &[u8], stored_entry: &[u8], stored: &ItemStored) -> Option<Retention> {
    let time = |bytes| Some(serde_json::from_slice::<Entry>(bytes).ok()?.time);
    let between = time(stored_entry)?.duration_since(time(manifest)?);
    let apart = between.max(SignedDuration::ZERO).checked_add(LOCKS_APART)?;
    Some(stored.retention.as_ref()?.sooner(apart))
}

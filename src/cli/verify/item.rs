//! Checks one item: every object that belongs to it, and with `--deep` every byte.

use std::io::{BufReader, Read};
use std::sync::Arc;

use super::super::bucket::{Bucket, ObjectReader};
use super::LoggedItems;
use crate::audit::VerifierKey;
use crate::cli::views::Views;
use crate::model::{
    EvidenceId, Part, PreviewMade, Retention, Sha256Digest, composite_checksum, same_checksum,
};
use crate::seal::{ExpectedMessage, KeySource, RecipientKey, SealError, open_to};

/// The check of one stored item.
pub struct ItemCheck<'a> {
    pub bucket: &'a Arc<Bucket>,
    pub key: &'a VerifierKey,
    pub id: EvidenceId,
    pub items: &'a LoggedItems,
    pub recipient: Option<&'a RecipientKey>,
    pub views: Option<&'a Views>,
    pub deep: bool,
}

/// A code of `docs/codes.md`, and in words what was seen.
pub type ItemProblem = (&'static str, String);

/// The code of objects that the store does not have. One finding names all that an item lacks, so that a loss of many items stays
/// readable.
pub(super) const MISSING: &str = "object_missing";

/// The extent of the check of an item, or of several.
#[derive(Debug, Default, Clone)]
pub struct ItemChecked {
    /// Every byte of its footage was read back.
    pub read: usize,
    /// Its footage was opened as well.
    pub opened: usize,
    /// The number of storyboards and preview videos that are logged.
    pub previews: usize,
    /// Stored so recently that the receipt may still be on its way.
    pub receipts_waiting: usize,
    /// The store locked nothing of it when it was stored.
    pub without_lock: usize,
    /// Objects for which the store named the checksum of the log.
    pub checksums_named: usize,
    /// Objects for which the store named no checksum, and whose bytes were not read.
    pub by_size_only: usize,
    /// Deleted by rule, and gone.
    pub disposed: usize,
    /// The receipt as it lies in the store.
    pub receipt: Option<bytes::Bytes>,
}

impl ItemChecked {
    pub fn add(&mut self, other: &Self) {
        self.read += other.read;
        self.opened += other.opened;
        self.previews += other.previews;
        self.receipts_waiting += other.receipts_waiting;
        self.without_lock += other.without_lock;
        self.checksums_named += other.checksums_named;
        self.by_size_only += other.by_size_only;
        self.disposed += other.disposed;
    }
}

/// One sealed object according to the log.
struct ObjectToCheck<'a> {
    part: Part,
    key: &'a str,
    version: Option<&'a str>,
    /// Sealed bytes.
    size: u64,
    part_size: Option<u64>,
    checksum: &'a str,
    lock: Option<&'a Retention>,
    /// The digest of the plaintext.
    sha256: Sha256Digest,
    plain: u64,
    name: String,
}

/// The checksum that the store names for an object. One that differs from the log's is a problem.
enum NamedChecksum {
    AsLogged,
    /// The store names no SHA-256.
    None,
}

pub(super) fn unreadable(name: &str) -> impl Fn(anyhow::Error) -> ItemProblem {
    move |e| ("store_error", format!("{name} could not be checked: {e:#}"))
}

impl ItemCheck<'_> {
    /// Everything that is wrong: one problem must not hide another.
    pub fn run(&self) -> (ItemChecked, Vec<ItemProblem>) {
        let (mut checked, mut problems) = (ItemChecked::default(), Vec::new());
        if let Err(problem) = self.check(&mut checked, &mut problems) {
            problems.push(problem);
        }
        let missing: Vec<_> = problems
            .extract_if(.., |problem| problem.0 == MISSING)
            .map(|(_, object)| object)
            .collect();
        if !missing.is_empty() {
            let path = self
                .items
                .sealed
                .get(&self.id)
                .map(|(sealed, _)| &sealed.path);
            let name = path.map_or_else(String::new, |path| format!(" ({path})"));
            let id = self.id;
            let what = format!("item {id}{name} lacks in the store: {}", missing.join(", "));
            problems.insert(0, (MISSING, what));
        }
        (checked, problems)
    }

    /// An error is a problem after which nothing more can be said of the item.
    fn check(
        &self,
        checked: &mut ItemChecked,
        problems: &mut Vec<ItemProblem>,
    ) -> Result<(), ItemProblem> {
        let (stored, stored_entry) = &self.items.stored[&self.id];
        let Some((sealed, manifest)) = self.items.sealed.get(&self.id) else {
            return Err((
                "stored_not_sealed",
                format!("item {} is logged as stored but not as sealed", self.id),
            ));
        };
        let name = format!("item {} ({})", self.id, sealed.path);
        if stored.size != sealed.sealed_size {
            return Err((
                "object_size",
                format!(
                    "{name} is logged as stored with {} sealed bytes but as sealed with {}",
                    stored.size, sealed.sealed_size
                ),
            ));
        }
        if self.items.disposed.contains_key(&self.id) {
            let logged = (&**manifest, &**stored_entry, stored);
            return self.gone(&name, logged, checked, problems);
        }
        if let Some(views) = self.views.filter(|_| self.deep) {
            let entered = views.enter(self.bucket, self.id, None);
            entered.map_err(unreadable(&name))?;
        }
        let original = ObjectToCheck {
            part: Part::Original,
            key: &stored.key,
            version: stored.version_id.as_deref(),
            size: stored.size,
            part_size: stored.part_size,
            checksum: &stored.checksum,
            lock: stored.retention.as_ref(),
            sha256: sealed.sha256,
            plain: sealed.size,
            name: name.clone(),
        };
        let companions = self.companions(&name, manifest, stored_entry, stored);
        problems.extend(companions.problems);
        checked.receipt = companions.receipt;
        checked.receipts_waiting = usize::from(companions.receipt_waits);
        checked.without_lock = usize::from(stored.retention.is_none());
        if self.sound(&original, checked, problems) {
            checked.read = 1;
            if let Some(recipient) = self.recipient {
                checked.opened = 1;
                if let Some(item_key) = companions.item_key {
                    let opened = self.opens_with(&item_key, recipient, stored, &name);
                    problems.extend(opened.err());
                }
            }
        }
        for part in [Part::Storyboard, Part::Preview] {
            if let Some(made) = self.items.previews.get(&(self.id, part.as_str())) {
                self.sound(&preview_object(part, made, &name), checked, problems);
                checked.previews += 1;
            }
        }
        Ok(())
    }

    /// Checks one object, and reads it if that is due; `true` if all of it was read and is as it should be.
    fn sound(
        &self,
        object: &ObjectToCheck<'_>,
        checked: &mut ItemChecked,
        problems: &mut Vec<ItemProblem>,
    ) -> bool {
        match self.object(object) {
            Ok(NamedChecksum::AsLogged) => checked.checksums_named += 1,
            Ok(NamedChecksum::None) if self.deep => {}
            Ok(NamedChecksum::None) => checked.by_size_only += 1,
            Err(problem) => {
                // An object over the recorded version does not keep us from reading that version.
                let covered = problem.0 == "object_covered";
                problems.push(problem);
                if !covered {
                    return false;
                }
            }
        }
        let read = self.deep.then(|| self.read(object));
        match read {
            None => false,
            Some(Ok(())) => true,
            Some(Err(problem)) => {
                problems.push(problem);
                false
            }
        }
    }

    /// The object exists with the size in the log, the lock in the log and, if the store names one, the checksum in the log;
    /// and no newer version covers it.
    fn object(&self, object: &ObjectToCheck<'_>) -> Result<NamedChecksum, ItemProblem> {
        let failed = unreadable(&object.name);
        let name = &object.name;
        let Some(head) = self
            .bucket
            .head(object.key, object.version)
            .map_err(&failed)?
        else {
            return Err((MISSING, object.part.as_str().to_owned()));
        };
        if head.size != object.size {
            return Err((
                "object_size",
                format!(
                    "{name} has {} sealed bytes in the store, {} in the log",
                    head.size, object.size
                ),
            ));
        }
        let other = |theirs: &String| !same_checksum(theirs, object.checksum);
        if head.checksum.as_ref().is_some_and(other) {
            return Err((
                "object_checksum",
                format!("{name} has another checksum in the store than in the log"),
            ));
        }
        if let Some(problem) = self
            .bucket
            .lock_problem(object.key, object.version, object.lock)
            .map_err(&failed)?
        {
            return Err(("object_unlocked", format!("{name} is {problem}")));
        }
        if let Some(version) = object.version {
            let seen = self.bucket.head(object.key, None).map_err(failed)?;
            if seen.is_none_or(|seen| seen.version_id.as_deref() != Some(version)) {
                return Err((
                    "object_covered",
                    format!(
                        "{name} is stored as version {version} of {}, but a newer version or a deletion covers it",
                        object.key
                    ),
                ));
            }
        }
        Ok(match head.checksum {
            Some(_) => NamedChecksum::AsLogged,
            None => NamedChecksum::None,
        })
    }

    /// Reads every byte once: compares the part checksums with the log and, with a key, opens the footage.
    fn read(&self, object: &ObjectToCheck<'_>) -> Result<(), ItemProblem> {
        let name = &object.name;
        let failed = |e: anyhow::Error| ("store_error", format!("{name} could not be read: {e:#}"));
        let reader = ObjectReader::version(
            Arc::clone(self.bucket),
            object.key.to_owned(),
            object.version.map(str::to_owned),
        )
        .map_err(failed)?;
        let mut reader = PartHasher::new(reader, object.part_size);
        if let Some(recipient) = self.recipient {
            let expected = ExpectedMessage {
                evidence: self.id,
                part: object.part,
                sha256: Some(object.sha256),
            };
            let opened = open_to(
                BufReader::with_capacity(1 << 20, &mut reader),
                &KeySource::Recipient(recipient),
                Some(&expected),
                |_| Ok(()),
            );
            match opened {
                Ok((_, size)) if size == object.plain => {}
                Ok((_, size)) => {
                    return Err((
                        "footage_size",
                        format!(
                            "{name} opens to {size} bytes, the log says {}",
                            object.plain
                        ),
                    ));
                }
                // A missing answer says nothing about the footage.
                Err(SealError::Read(error)) => return Err(failed(error.into())),
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
        if checksum != object.checksum {
            return Err((
                "object_altered",
                format!(
                    "{name} was altered in the store: its bytes have the checksum {checksum}, the log says {}",
                    object.checksum
                ),
            ));
        }
        Ok(())
    }
}

fn preview_object<'a>(part: Part, made: &'a PreviewMade, name: &str) -> ObjectToCheck<'a> {
    ObjectToCheck {
        part,
        key: &made.key,
        version: made.version_id.as_deref(),
        size: made.sealed_size,
        part_size: made.part_size,
        checksum: &made.checksum,
        lock: made.retention.as_ref(),
        sha256: made.sha256,
        plain: made.size,
        name: format!("the {part} of {name}"),
    }
}

/// Hashes the bytes that pass, part by part, as S3 does.
pub struct PartHasher<R> {
    inner: R,
    part_size: Option<u64>,
    in_part: u64,
    hash: sha2::Sha256,
    parts: Vec<Sha256Digest>,
}

impl<R: Read> PartHasher<R> {
    pub fn new(inner: R, part_size: Option<u64>) -> Self {
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

    pub fn finish(mut self) -> String {
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

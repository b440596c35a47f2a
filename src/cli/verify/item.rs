//! One item: every object that belongs to it, and with `--deep` every byte.

use std::io::{BufReader, Read};
use std::sync::Arc;

use super::super::remote::{Bucket, ObjectReader};
use super::Items;
use crate::audit::{VerifierKey, verify_receipt};
use crate::model::{EvidenceId, ItemSealed, ItemStored, Part, Sha256Digest, composite_checksum};
use crate::seal::{Expected, KeySource, RecipientKey, SealError, open_to};

/// One stored item against the store.
pub struct Item<'a> {
    pub bucket: &'a Arc<Bucket>,
    pub key: &'a VerifierKey,
    pub id: EvidenceId,
    pub items: &'a Items,
    pub recipient: Option<&'a RecipientKey>,
    pub deep: bool,
}

pub type Wrong = (&'static str, String);

impl Item<'_> {
    /// `true`: its footage was opened, too.
    pub fn check(&self) -> Result<bool, Wrong> {
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
        if stored.version_id.is_some() {
            let seen = self.bucket.head(&stored.key, None).map_err(failed)?;
            if seen.is_none_or(|seen| seen.version_id != stored.version_id) {
                return Err((
                    "object_covered",
                    format!(
                        "{name} is stored as version {} of {}, but a later version or a deletion lies over it",
                        stored.version_id.as_deref().unwrap_or_default(),
                        stored.key
                    ),
                ));
            }
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

//! The cosigned checkpoints of one log in the bucket: each put there once, and found again from the largest on.
//!
//! They are what an office that lost its disk goes by. Nothing there counts as its own before its cosignature was verified.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::OfficeError;
use super::witness::{Cosigned, WitnessedLog};
use crate::audit::WitnessKey;
use crate::upload::{RetentionPolicy, Store, UploadError, each_page, put_small_once};

const NOTE_MAX: u64 = 64 << 10;
/// Names that one listing keeps. A larger number saves listings where a person released the log.
const FEW: usize = 64;

pub struct CosignedCopies {
    pub store: Arc<dyn Store>,
    /// With a slash at its end.
    pub folder: String,
    pub retention: Option<RetentionPolicy>,
}

/// A name in the folder: the checkpoint's size, and the whole key. They sort by size.
pub type CopyName = (u64, String);

impl CosignedCopies {
    /// Puts a checkpoint there, once and locked. The one that is there already counts if it was cosigned by this witness: it may
    /// have another time.
    pub async fn put(
        &self,
        log: &WitnessedLog,
        own: &WitnessKey,
        cosigned: Cosigned,
    ) -> Result<(), OfficeError> {
        let Cosigned {
            checkpoint, note, ..
        } = cosigned;
        let key = format!("{}{}-{}", self.folder, checkpoint.size, checkpoint.root);
        let put = async |note: String| {
            put_small_once(&*self.store, &key, note.into(), self.retention).await
        };
        let differs = match put(note).await {
            // A store that names no SHA-256 says only that it is another one.
            Err(
                error @ (UploadError::ContentDiffers { .. } | UploadError::ConflictUnknown { .. }),
            ) => error,
            other => return other.map(drop).map_err(Into::into),
        };
        let there = match self.get(&key).await {
            Err(OfficeError::Store(UploadError::Oversized { .. })) => None,
            answer => answer?,
        };
        let ours = there.and_then(|note| log.read(note, own).ok());
        match ours.filter(|ours| ours.checkpoint == checkpoint) {
            // Put once more as it is there, its lock is looked at, too.
            Some(ours) => put(ours.note).await.map(drop).map_err(Into::into),
            None => Err(OfficeError::CopyForeign {
                key: key.clone(),
                source: differs.into(),
            }),
        }
    }

    pub async fn get(&self, key: &str) -> Result<Option<String>, OfficeError> {
        let bytes = self.store.get(key, NOTE_MAX).await?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// The names of the few largest checkpoints below `bound`, largest first; all of them if fewer than [`FEW`]. However many
    /// there are, only these are held.
    pub async fn largest(&self, bound: Option<&CopyName>) -> Result<Vec<CopyName>, OfficeError> {
        let mut largest = Largest {
            bound,
            few: BTreeSet::new(),
        };
        let mut last = String::new();
        each_page(&*self.store, &self.folder, |page| {
            for object in page {
                if object.key <= last {
                    return Err(OfficeError::Listing {
                        folder: self.folder.clone(),
                    });
                }
                last.clone_from(&object.key);
                if let Some(size) = self.size(&object.key) {
                    largest.see((size, object.key));
                }
            }
            Ok(())
        })
        .await?;
        Ok(largest.few.into_iter().rev().collect())
    }

    fn size(&self, key: &str) -> Option<u64> {
        let name = key.strip_prefix(&self.folder)?;
        name.split('-').next()?.parse().ok()
    }
}

/// The few largest names below `bound` that were seen.
struct Largest<'a> {
    bound: Option<&'a CopyName>,
    few: BTreeSet<CopyName>,
}

impl Largest<'_> {
    fn see(&mut self, name: CopyName) {
        if self.bound.is_none_or(|bound| name < *bound) {
            self.few.insert(name);
        }
        if self.few.len() > FEW {
            self.few.pop_first();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_from_the_largest_on_however_many_there_are() {
        let names: BTreeSet<String> = (1..=500u64).map(|size| format!("{size}-root")).collect();
        let (mut bound, mut found) = (None, Vec::new());
        loop {
            let mut largest = Largest {
                bound: bound.as_ref(),
                few: BTreeSet::new(),
            };
            for name in &names {
                let size = name.trim_end_matches("-root").parse().unwrap();
                largest.see((size, name.clone()));
            }
            assert!(largest.few.len() <= FEW);
            let few: Vec<CopyName> = largest.few.into_iter().rev().collect();
            found.extend(few.iter().map(|(size, _)| *size));
            bound = few.into_iter().last();
            if bound.is_none() {
                break;
            }
        }
        assert_eq!(found, (1..=500).rev().collect::<Vec<u64>>());
    }
}

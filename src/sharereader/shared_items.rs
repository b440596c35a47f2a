//! Finds shares in the bucket, and hands out their objects once the office has said yes.

use std::sync::Arc;

use bytes::Bytes;

use super::manifest::{self, MANIFEST_MAX};
use super::{OfficeClient, ShareReaderError, warn};
use crate::model::{BucketLayout, EvidenceId, Part, ShareId, SharedItem, StationName};
use crate::upload::{Store, UploadError};
use crate::web::{
    FoundShare, RecipientBackend, SealedPart, ShareTaking, TakenId, TakenItem, WatchFuture,
};

/// Far longer than an item key that is sealed to one person.
const SEALED_KEY_MAX: u64 = 16 << 10;

pub struct SharedItems {
    /// Stands before all keys in the bucket.
    pub prefix: String,
    pub store: Arc<dyn Store>,
    pub office: OfficeClient,
}

impl RecipientBackend for SharedItems {
    fn find(&self, share: ShareId) -> WatchFuture<'_, Option<FoundShare>> {
        Box::pin(async move { Ok(self.read_manifest(share).await?) })
    }

    fn open<'a>(&'a self, share: &'a FoundShare, peer: &'a str) -> WatchFuture<'a, ()> {
        Box::pin(async move {
            let taking = taking(share, peer, None);
            self.office.ask(share.manifest.share, &taking).await?;
            Ok(())
        })
    }

    fn take<'a>(
        &'a self,
        share: &'a FoundShare,
        item: EvidenceId,
        peer: &'a str,
    ) -> WatchFuture<'a, TakenItem> {
        Box::pin(async move { Ok(self.take_item(share, item, peer).await?) })
    }

    fn item_key(&self, share: ShareId, item: EvidenceId) -> WatchFuture<'_, Bytes> {
        Box::pin(async move {
            let key = self.of_share(share, |layout| layout.shared_key(share, item))?;
            let found = self.get(&key, SEALED_KEY_MAX).await?;
            let missing = || ShareReaderError::Object {
                evidence: item,
                key: key.clone(),
            };
            Ok(found.ok_or_else(missing)?)
        })
    }

    fn sealed<'a>(
        &'a self,
        item: &'a TakenItem,
        part: &'a SealedPart,
        offset: u64,
        length: u64,
    ) -> WatchFuture<'a, Bytes> {
        Box::pin(async move {
            let layout = BucketLayout::new(self.prefix.clone(), item.station.clone());
            let key = layout.object(item.evidence, part.part);
            let version = part.version.as_deref();
            let read = self.store.get_range(&key, version, offset, length).await;
            let evidence = item.evidence;
            match read {
                Ok(bytes) if bytes.len() as u64 == length => Ok(bytes),
                Ok(_) | Err(UploadError::Refused { status: 404, .. }) => {
                    Err(ShareReaderError::Object { evidence, key }.into())
                }
                Err(error) => Err(ShareReaderError::Store(error).into()),
            }
        })
    }
}

impl SharedItems {
    async fn read_manifest(&self, share: ShareId) -> Result<Option<FoundShare>, ShareReaderError> {
        let key = self.of_share(share, |layout| layout.share_manifest(share))?;
        let Some(bytes) = self.get(&key, MANIFEST_MAX).await? else {
            return Ok(None);
        };
        match manifest::read(&bytes, share, &self.prefix) {
            Ok(found) => Ok(Some(found)),
            Err(what) => {
                // Whoever asks learns no more than of a share that is not there.
                let error = ShareReaderError::Manifest { share, what };
                warn(&error, "a share stays closed");
                Ok(None)
            }
        }
    }

    async fn get(&self, key: &str, limit: u64) -> Result<Option<Bytes>, ShareReaderError> {
        match self.store.get(key, limit).await {
            // AWS forbids what is not there to whoever may not list it.
            Err(UploadError::Refused {
                status: 403 | 404, ..
            }) => Ok(None),
            found => Ok(found?),
        }
    }

    /// A name below `shares/`, which is no station's.
    fn of_share(
        &self,
        share: ShareId,
        name: impl FnOnce(&BucketLayout) -> String,
    ) -> Result<String, ShareReaderError> {
        let nobody: Result<StationName, _> = "share".parse();
        let nobody = nobody.map_err(|_| ShareReaderError::Closed { share })?;
        Ok(name(&BucketLayout::new(self.prefix.clone(), nobody)))
    }

    async fn take_item(
        &self,
        share: &FoundShare,
        id: EvidenceId,
        peer: &str,
    ) -> Result<TakenItem, ShareReaderError> {
        let number = share.manifest.share;
        let mut items = share.manifest.items.iter();
        let item = items.find(|item| item.id == id);
        let item = item.ok_or(ShareReaderError::Closed { share: number })?;
        // First: nothing is entered as taken that is not there.
        let parts = self.look_up(item).await?;
        let taking = taking(share, peer, Some(item));
        let entry = self.office.ask(number, &taking).await?;
        tracing::info!(share = %number, evidence = %id, to = taking.recipient, peer, entry, "an item of a share was taken");
        Ok(TakenItem {
            station: item.station.clone(),
            evidence: id,
            parts,
        })
    }

    /// What there is of an item: the versions that the manifest names, each of the size that it names.
    async fn look_up(&self, item: &SharedItem) -> Result<Vec<SealedPart>, ShareReaderError> {
        let mut parts = Vec::new();
        for (part, object) in manifest::objects(item) {
            let head = self.store.head(&object.key, object.version.as_deref());
            match head.await? {
                Some(head) if head.size == object.size => parts.push(SealedPart {
                    part,
                    size: head.size,
                    version: object.version.clone().or(head.version_id),
                }),
                // Without its preview or storyboard, a recording is still what was shared.
                None if part != Part::Original => {}
                _ => {
                    return Err(ShareReaderError::Object {
                        evidence: item.id,
                        key: object.key.clone(),
                    });
                }
            }
        }
        Ok(parts)
    }
}

fn taking(share: &FoundShare, peer: &str, item: Option<&SharedItem>) -> ShareTaking {
    ShareTaking {
        recipient: share.manifest.to.fingerprint.clone(),
        manifest: share.digest,
        peer: peer.to_owned(),
        item: item.map(|item| TakenId {
            station: item.station.clone(),
            evidence: item.id,
        }),
    }
}

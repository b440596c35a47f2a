//! Finds out whether the store has our object, and how it is locked. The store's answers decide, never our requests.

use jiff::SignedDuration;

use crate::model::{ConfirmedBy, Explain as _, Retention, RetryClass, same_checksum};

use super::store::{Completed, DonePart, Head, Put, Store, StoredObject};
use super::{BoxError, UploadError};

/// The object as it must be, by our own computation.
#[derive(Debug, Clone)]
pub struct ExpectedObject<'a> {
    pub key: &'a str,
    pub size: u64,
    pub part_size: Option<u64>,
    pub checksum: String,
    /// The ETag that follows from the MD5 of our bytes, if that was computed.
    pub etag: Option<String>,
    pub retention: Option<Retention>,
}

/// The object that the store has at the key.
pub enum KeyState {
    /// Our bytes; the lock has not been looked at.
    Ours(StoredObject),
    Free,
    /// The credentials do not allow us to look.
    Hidden(UploadError),
}

impl ExpectedObject<'_> {
    /// The store said done. It counts as stored only if the store names our checksum, in its answer or when asked.
    pub async fn confirm(&self, store: &dyn Store, put: Put) -> Result<StoredObject, UploadError> {
        let conduct = store.conduct();
        let named = |theirs: &String| -> Result<StoredObject, UploadError> {
            conduct.saw_sha256(true);
            if same_checksum(theirs, &self.checksum) {
                Ok(self.object(put.version_id.clone(), ConfirmedBy::Sha256))
            } else {
                Err(self.differs(theirs))
            }
        };
        let object = if let Some(theirs) = &put.checksum {
            named(theirs)?
        } else {
            match store.head(self.key, put.version_id.as_deref()).await {
                Ok(Some(head)) => {
                    let etag = head.etag.clone().or(put.etag);
                    let seen = self.compare(Head { etag, ..head }, conduct)?;
                    let mut object = seen.ok_or_else(|| conduct.stop(self.unconfirmed()))?;
                    object.already_there = false;
                    object.version_id = put.version_id.or(object.version_id);
                    object
                }
                Ok(None) | Err(UploadError::Forbidden { .. })
                    if self.is_etag(put.etag.as_ref()) =>
                {
                    conduct.saw_sha256(false);
                    self.object(put.version_id, ConfirmedBy::Md5)
                }
                Ok(None) | Err(UploadError::Forbidden { .. }) => {
                    return Err(conduct.stop(self.unconfirmed()));
                }
                Err(error) => return Err(error),
            }
        };
        self.see_lock(store, object).await
    }

    /// Looks at the key; other content there is an error that is an alarm.
    pub async fn look(&self, store: &dyn Store) -> Result<KeyState, UploadError> {
        let unknown = |head: &Head| UploadError::ConflictUnknown {
            key: self.key.to_owned(),
            source: Some(BoxError::from(match &head.etag {
                Some(etag) => format!(
                    "the store names no SHA-256 checksum for it, and its ETag {etag} is not the MD5 of ours"
                ),
                None => "the store names no SHA-256 checksum and no ETag for it".to_owned(),
            })),
        };
        match store.head(self.key, None).await {
            Ok(Some(head)) => {
                let seen = self.compare(head.clone(), store.conduct())?;
                seen.map(KeyState::Ours).ok_or_else(|| unknown(&head))
            }
            Ok(None) => Ok(KeyState::Free),
            // The list of an object's versions has sizes and ETags, and no bytes: a right of its own.
            Err(hidden @ UploadError::Forbidden { .. }) => match store.newest(self.key).await {
                Ok(Some(head)) => {
                    if self.is_etag(head.etag.as_ref()) && head.size == self.size {
                        let object = self.object(head.version_id, ConfirmedBy::Md5);
                        return Ok(KeyState::Ours(StoredObject {
                            already_there: true,
                            ..object
                        }));
                    }
                    Ok(KeyState::Hidden(unknown(&head)))
                }
                Ok(None) => Ok(KeyState::Free),
                Err(UploadError::Forbidden { .. } | UploadError::Refused { .. }) => {
                    Ok(KeyState::Hidden(hidden))
                }
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    /// To be called before the object is made: what is there already, where the store may not refuse a second version.
    pub async fn before(&self, store: &dyn Store) -> Result<Option<StoredObject>, UploadError> {
        let conduct = store.conduct();
        if let Some(object) = conduct.remembered(self.key, &self.checksum) {
            return self.see_lock(store, object).await.map(Some);
        }
        if conduct.refuses_second() == Some(true) {
            return Ok(None);
        }
        match self.look(store).await? {
            KeyState::Ours(object) => self.see_lock(store, object).await.map(Some),
            KeyState::Hidden(error) if conduct.refuses_second() == Some(false) => {
                Err(self.unknown(error))
            }
            KeyState::Free | KeyState::Hidden(_) => Ok(None),
        }
    }

    /// The key is taken: by our object (fine), by other content (an alarm), or by what we may not see.
    pub async fn key_taken(&self, store: &dyn Store) -> Result<StoredObject, UploadError> {
        if let Some(object) = store.conduct().remembered(self.key, &self.checksum) {
            return self.see_lock(store, object).await;
        }
        match self.look(store).await? {
            KeyState::Ours(object) => self.see_lock(store, object).await,
            KeyState::Free => Err(UploadError::Racing {
                key: self.key.to_owned(),
            }),
            KeyState::Hidden(error) => Err(self.unknown(error)),
        }
    }

    /// The store no longer knows the upload: it was finished and the reply got lost, or it is gone (`Ok(None)`).
    pub async fn upload_gone(
        &self,
        store: &dyn Store,
        upload_id: &str,
        parts: Option<&[DonePart]>,
    ) -> Result<Option<StoredObject>, UploadError> {
        if let Some(object) = store.conduct().remembered(self.key, &self.checksum) {
            return self.see_lock(store, object).await.map(Some);
        }
        let hidden = match self.look(store).await? {
            KeyState::Ours(object) => return self.see_lock(store, object).await.map(Some),
            KeyState::Free => return Ok(None),
            KeyState::Hidden(error) => error,
        };
        let Some(parts) = parts else {
            return Ok(None);
        };
        // S3 answers a repeated Complete of a finished upload as it did the first time. Without `If-None-Match`,
        // which would refuse our own object; nothing can be overwritten, for the upload itself is gone.
        match store.complete(self.key, upload_id, parts, false).await? {
            Completed::Done(put) => match put.checksum.as_ref() {
                Some(_) => {
                    let mut object = self.confirm(store, put).await?;
                    object.already_there = true;
                    Ok(Some(object))
                }
                None => Err(self.unknown(hidden)),
            },
            Completed::KeyTaken | Completed::Conflict => Err(self.unknown(hidden)),
            Completed::NoSuchUpload | Completed::PartsDiffer => Ok(None),
        }
    }

    /// Asks the store how this version is locked. One that is not locked as promised gets the lock set, and is asked for
    /// once more; a store that still does not hold it gets nothing more. No second version is ever made for this.
    pub async fn see_lock(
        &self,
        store: &dyn Store,
        mut object: StoredObject,
    ) -> Result<StoredObject, UploadError> {
        let Some(asked) = &self.retention else {
            return Ok(object);
        };
        let conduct = store.conduct();
        conduct.remember(&object);
        let version = object.version_id.clone();
        // The lock of an earlier attempt counts from that attempt.
        let least = if object.already_there {
            asked.sooner(SignedDuration::from_hours(24))
        } else {
            asked.clone()
        };
        let mut seen = self.lock_of(store, version.as_deref()).await?;
        if !seen
            .as_ref()
            .is_ok_and(|seen| least.is_held_by(seen.as_ref()))
        {
            let set = store
                .set_retention(self.key, version.as_deref(), asked)
                .await;
            match set {
                Err(error) if error.retry_class() == RetryClass::Later => return Err(error),
                Err(error) => {
                    tracing::warn!(code = error.label(), key = self.key, %error, next_step = error.next_step(), "the store does not let a lock be set");
                }
                Ok(()) => {}
            }
            seen = self.lock_of(store, version.as_deref()).await?;
        }
        let shown = match &seen {
            Ok(Some(seen)) if least.is_held_by(Some(seen)) => {
                conduct.forget(self.key);
                object.retention = Some(seen.clone());
                return Ok(object);
            }
            Ok(Some(seen)) => seen.to_string(),
            Ok(None) => "no lock".to_owned(),
            Err(why) => why.clone(),
        };
        Err(conduct.stop(UploadError::NotLocked {
            key: self.key.to_owned(),
            asked: asked.to_string(),
            seen: shown,
        }))
    }

    /// The inner error says why the store cannot answer.
    async fn lock_of(
        &self,
        store: &dyn Store,
        version: Option<&str>,
    ) -> Result<Result<Option<Retention>, String>, UploadError> {
        match store.retention(self.key, version).await {
            Ok(seen) => Ok(Ok(seen)),
            Err(error @ UploadError::Refused { .. }) => Ok(Err(error.to_string())),
            Err(error) => Err(error),
        }
    }

    /// `Ok(None)` when the store names nothing that confirms our bytes.
    fn compare(
        &self,
        head: Head,
        conduct: &super::StoreConduct,
    ) -> Result<Option<StoredObject>, UploadError> {
        if head.size != self.size {
            return Err(UploadError::ContentDiffers {
                key: self.key.to_owned(),
                ours: format!("{} bytes", self.size),
                theirs: format!("{} bytes", head.size),
            });
        }
        conduct.saw_sha256(head.checksum.is_some());
        let confirmed_by = match head.checksum {
            Some(theirs) if !same_checksum(&theirs, &self.checksum) => {
                return Err(self.differs(&theirs));
            }
            Some(_) => ConfirmedBy::Sha256,
            None if self.is_etag(head.etag.as_ref()) => ConfirmedBy::Md5,
            None => return Ok(None),
        };
        Ok(Some(StoredObject {
            already_there: true,
            ..self.object(head.version_id, confirmed_by)
        }))
    }

    /// An object whose lock has not been looked at.
    fn object(&self, version_id: Option<String>, confirmed_by: ConfirmedBy) -> StoredObject {
        StoredObject {
            key: self.key.to_owned(),
            version_id,
            size: self.size,
            part_size: self.part_size,
            checksum: self.checksum.clone(),
            confirmed_by,
            retention: None,
            already_there: false,
        }
    }

    fn is_etag(&self, theirs: Option<&String>) -> bool {
        theirs.is_some() && theirs == self.etag.as_ref()
    }

    fn unconfirmed(&self) -> UploadError {
        UploadError::Unconfirmed {
            key: self.key.to_owned(),
        }
    }

    fn differs(&self, theirs: &str) -> UploadError {
        UploadError::ContentDiffers {
            key: self.key.to_owned(),
            ours: format!("SHA-256 {}", self.checksum),
            theirs: format!("SHA-256 {theirs}"),
        }
    }

    fn unknown(&self, source: UploadError) -> UploadError {
        UploadError::ConflictUnknown {
            key: self.key.to_owned(),
            source: Some(source.into()),
        }
    }
}

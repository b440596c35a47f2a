//! Finds out whether the store has our object when its answer alone does not say so: the key is taken, or the upload is
//! gone.

use crate::model::Retention;

use super::store::{Completed, DonePart, Head, Put, Store, StoredObject};
use super::{BoxError, UploadError};

/// What the object must be, as we computed it.
#[derive(Debug, Clone)]
pub struct ExpectedObject<'a> {
    pub key: &'a str,
    pub size: u64,
    pub part_size: Option<u64>,
    pub checksum: String,
    pub retention: Option<Retention>,
}

/// What the store has at the key.
pub enum KeyState {
    Ours(StoredObject),
    Free,
    /// The credentials do not allow us to look.
    Hidden(UploadError),
}

impl ExpectedObject<'_> {
    /// The store said done. It counts as stored only if the store names our checksum, in its answer or when asked.
    pub async fn confirm(&self, store: &dyn Store, put: Put) -> Result<StoredObject, UploadError> {
        if let Some(theirs) = put.checksum {
            if theirs == self.checksum {
                return Ok(StoredObject {
                    key: self.key.to_owned(),
                    version_id: put.version_id,
                    size: self.size,
                    part_size: self.part_size,
                    checksum: theirs,
                    retention: self.retention.clone(),
                    already_there: false,
                });
            }
            return Err(self.differs(theirs));
        }
        let unconfirmed = || UploadError::Unconfirmed {
            key: self.key.to_owned(),
        };
        match store.head(self.key, put.version_id.as_deref()).await {
            Ok(Some(head)) => {
                let mut object = self.compare(head)?.ok_or_else(unconfirmed)?;
                object.already_there = false;
                object.retention.clone_from(&self.retention);
                Ok(object)
            }
            Ok(None) | Err(UploadError::Forbidden { .. }) => Err(unconfirmed()),
            Err(error) => Err(error),
        }
    }

    /// Looks at the key; other content there is an error that is an alarm.
    pub async fn look(&self, store: &dyn Store) -> Result<KeyState, UploadError> {
        match store.head(self.key, None).await {
            Ok(Some(head)) => self.compare(head)?.map(KeyState::Ours).ok_or_else(|| {
                UploadError::ConflictUnknown {
                    key: self.key.to_owned(),
                    source: Some(BoxError::from("the store names no SHA-256 checksum for it")),
                }
            }),
            Ok(None) => Ok(KeyState::Free),
            Err(error @ UploadError::Forbidden { .. }) => Ok(KeyState::Hidden(error)),
            Err(error) => Err(error),
        }
    }

    /// The key is taken: by our object (fine), by other content (an alarm), or by what we may not see.
    pub async fn key_taken(&self, store: &dyn Store) -> Result<StoredObject, UploadError> {
        match self.look(store).await? {
            KeyState::Ours(object) => Ok(object),
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
        let hidden = match self.look(store).await? {
            KeyState::Ours(object) => return Ok(Some(object)),
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
                Some(theirs) if *theirs == self.checksum => {
                    let mut object = self.confirm(store, put).await?;
                    object.already_there = true;
                    Ok(Some(object))
                }
                Some(theirs) => Err(self.differs(theirs.clone())),
                None => Err(self.unknown(hidden)),
            },
            Completed::KeyTaken | Completed::Conflict => Err(self.unknown(hidden)),
            Completed::NoSuchUpload | Completed::PartsDiffer => Ok(None),
        }
    }

    /// `Ok(None)` when the store names no checksum.
    fn compare(&self, head: Head) -> Result<Option<StoredObject>, UploadError> {
        if head.size != self.size {
            return Err(UploadError::ContentDiffers {
                key: self.key.to_owned(),
                ours: format!("{} bytes", self.size),
                theirs: format!("{} bytes", head.size),
            });
        }
        match head.checksum {
            None => Ok(None),
            Some(theirs) if theirs == self.checksum => Ok(Some(StoredObject {
                key: self.key.to_owned(),
                version_id: head.version_id,
                size: self.size,
                part_size: self.part_size,
                checksum: theirs,
                retention: head.retention,
                already_there: true,
            })),
            Some(theirs) => Err(self.differs(theirs)),
        }
    }

    fn differs(&self, theirs: String) -> UploadError {
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

//! Tries whether a store does what evidence needs, before footage depends on it: with objects of its own below `probe/`, locked for
//! a minute.

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

use super::expected::ExpectedObject;
use super::md5::etag_of_parts;
use super::single_put::put_locked;
use super::store::{Body, Completed, DonePart, Store, StoredObject};
use super::{LockMode, S3Store, UploadError};
use crate::model::{
    BucketLayout, ConfirmedBy, EvidenceId, Explain as _, Retention, RetryClass, composite_checksum,
};

/// The least that S3 allows for a part that is not the last.
const PART: usize = 5 << 20;
const LOCKED_FOR: SignedDuration = SignedDuration::from_secs(60);

/// The result of one thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trial {
    Works(String),
    /// The store does not do it, and the station makes up for it.
    Replaced(String),
    Lacking {
        code: &'static str,
        why: String,
        next_step: String,
    },
    NotTried(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeAnswer {
    pub what: &'static str,
    pub trial: Trial,
}

/// Tries everything in turn. An error that may pass ends it: then nothing is known.
pub async fn try_store(
    store: &S3Store,
    layout: &BucketLayout,
    mode: Option<LockMode>,
) -> Result<Vec<ProbeAnswer>, UploadError> {
    let name = EvidenceId::new();
    let mut probe = StoreProbe {
        store,
        layout,
        name: name.to_string(),
        lock: mode.map(|mode| Retention {
            mode: mode.as_str().to_owned(),
            until: whole_second(Timestamp::now() + LOCKED_FOR),
        }),
        tried: Vec::new(),
    };
    if let Some(whole) = probe.whole().await? {
        probe.second().await?;
        probe.multipart().await?;
        probe.deletion(&whole).await?;
    }
    Ok(probe.tried)
}

fn whole_second(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

struct StoreProbe<'a> {
    store: &'a S3Store,
    layout: &'a BucketLayout,
    name: String,
    lock: Option<Retention>,
    tried: Vec<ProbeAnswer>,
}

impl StoreProbe<'_> {
    fn key(&self, object: &str) -> String {
        self.layout.probe(&format!("{}/{object}", self.name))
    }

    fn note(&mut self, what: &'static str, trial: Trial) {
        self.tried.push(ProbeAnswer { what, trial });
    }

    /// An error that does not pass says what is lacking.
    fn lacking<T>(
        &mut self,
        what: &'static str,
        result: Result<T, UploadError>,
    ) -> Result<Option<T>, UploadError> {
        match result {
            Ok(done) => Ok(Some(done)),
            Err(error) if error.retry_class() == RetryClass::Later => Err(error),
            Err(error) => {
                let trial = Trial::Lacking {
                    code: error.label(),
                    why: error.to_string(),
                    next_step: error.next_step(),
                };
                self.note(what, trial);
                Ok(None)
            }
        }
    }

    fn confirmed(&mut self, what: &'static str, stored: &StoredObject) {
        let trial = match stored.confirmed_by {
            ConfirmedBy::Sha256 => Trial::Works("confirmed by its SHA-256".into()),
            ConfirmedBy::Md5 => Trial::Replaced(
                "confirmed by its MD5 only: no camera is wiped before somebody has read it back"
                    .into(),
            ),
        };
        self.note(what, trial);
    }

    async fn whole(&mut self) -> Result<Option<StoredObject>, UploadError> {
        let body = Body::new(self.name.clone());
        let put = put_locked(self.store, &self.key("whole"), body, self.lock.clone()).await;
        let Some(stored) = self.lacking("stored object", put)? else {
            return Ok(None);
        };
        self.confirmed("stored object", &stored);
        let lock = match &stored.retention {
            Some(lock) => Trial::Works(format!("the store says {lock}")),
            None => Trial::NotTried("[store] asks for no lock".into()),
        };
        self.note("stored lock", lock);
        Ok(Some(stored))
    }

    async fn second(&mut self) -> Result<(), UploadError> {
        let key = self.key("whole");
        let put = self.store.put_once(&key, Body::new("second"), None).await;
        if let Some(put) = self.lacking("second object", put)? {
            self.store.conduct().saw_second(put.is_none());
            let trial = if put.is_none() {
                Trial::Works("refused".into())
            } else {
                Trial::Replaced(
                    "accepted: the store ignores If-None-Match, so the station looks before each object that it puts".into(),
                )
            };
            self.note("second object", trial);
        }
        Ok(())
    }

    async fn multipart(&mut self) -> Result<(), UploadError> {
        let done = self.put_parts().await;
        if let Some(stored) = self.lacking("stored parts", done)? {
            self.confirmed("stored parts", &stored);
        }
        Ok(())
    }

    async fn put_parts(&self) -> Result<StoredObject, UploadError> {
        let key = self.key("parts");
        let id = self
            .store
            .create_multipart(&key, self.lock.as_ref())
            .await?;
        let bodies = [Bytes::from(vec![0; PART]), Bytes::from_static(b"end")]
            .map(|bytes| Body::new(bytes).with_md5());
        let lost = || UploadError::UploadLost { key: key.clone() };
        let mut parts = Vec::new();
        for (number, body) in (1..).zip(&bodies) {
            let put = self
                .store
                .upload_part(&key, &id, number, body.clone())
                .await?;
            parts.push(DonePart {
                number,
                etag: put.ok_or_else(lost)?,
                sha256: body.sha256,
            });
        }
        let expected = ExpectedObject {
            key: &key,
            size: bodies.iter().map(|body| body.bytes.len() as u64).sum(),
            part_size: Some(PART as u64),
            checksum: composite_checksum(&bodies.each_ref().map(|body| body.sha256)),
            etag: Some(etag_of_parts(
                &bodies.iter().filter_map(|b| b.md5).collect::<Vec<_>>(),
            )),
            retention: self.lock.clone(),
        };
        match self.store.complete(&key, &id, &parts, true).await? {
            Completed::Done(put) => expected.confirm(self.store, put).await,
            _ => Err(lost()),
        }
    }

    /// Only keys that may delete can show that a lock stops a deletion. A station's keys should not have that right.
    async fn deletion(&mut self, locked: &StoredObject) -> Result<(), UploadError> {
        const WHAT: &str = "deletion";
        let (Some(version), Some(_)) = (&locked.version_id, &locked.retention) else {
            self.note(
                WHAT,
                Trial::NotTried("the object has no lock or no version".into()),
            );
            return Ok(());
        };
        let put = self
            .store
            .put_once(&self.key("free"), Body::new("free"), None)
            .await;
        let Some(free) = self.lacking(WHAT, put)?.flatten() else {
            return Ok(());
        };
        let object = |name: &str| format!("{}/{name}", self.name);
        let (free_object, whole) = (object("free"), object("whole"));
        let version_of_free = free.version_id.unwrap_or_default();
        let deleted = self
            .store
            .delete_probe(self.layout, &free_object, &version_of_free)
            .await;
        let trial = match deleted {
            Err(error) if error.retry_class() == RetryClass::Later => return Err(error),
            Err(_) => Trial::NotTried(
                "these keys may not delete, as a station's should not: try it with keys that may".into(),
            ),
            Ok(()) => match self.store.delete_probe(self.layout, &whole, version).await {
                Err(error) if error.retry_class() == RetryClass::Later => return Err(error),
                Err(_) => Trial::Works(
                    "a locked version cannot be deleted; these keys may delete others, which a station's should not".into(),
                ),
                Ok(()) => Trial::Lacking {
                    code: "store_not_locked",
                    why: "a locked version was deleted".into(),
                    next_step: "Use a store whose Object Lock stops deletions: this one only notes the lock.".into(),
                },
            },
        };
        self.note(WHAT, trial);
        Ok(())
    }
}

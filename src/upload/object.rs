//! One attempt to store one sealed object: put whole, or multipart with resume.

use std::sync::Arc;

use tokio::sync::watch;

use super::expected::KeyState;
use super::ledger::{Ledger, Multipart};
use super::multipart::PartsInHand;
use super::part_memory::PartMemory;
use super::part_source::PartSource;
use super::plan::{PartPlan, plan_is_whole, plan_parts};
use super::sending::{Sent, stop};
use super::single_put::put_locked;
use super::store::{Completed, Store, StoredObject};
use super::{Pacer, UploadError};
use crate::model::Retention;

/// One attempt to store one object. The next attempt does not send again what this one got through.
pub struct Upload<'a> {
    pub store: &'a dyn Store,
    pub key: &'a str,
    /// The lock to ask for, except where an upload that began with another one goes on.
    pub retention: Option<Retention>,
    pub pacer: &'a Pacer,
    /// The least size of a part; the plan may need larger ones.
    pub part_size: u64,
    /// Parts of this object being read or sent at once. At least 1.
    pub parts_at_once: usize,
    /// For the parts of all uploads.
    pub memory: &'a Arc<PartMemory>,
    /// Called with the bytes that the store has taken, resumed ones included. Must not block.
    pub progress: &'a (dyn Fn(u64) + Sync),
    /// Turns true when the upload is to stop soon and keep what is done for the next attempt.
    pub cancel: watch::Receiver<bool>,
}

impl Upload<'_> {
    /// Stores the object once, resuming what `ledger` knows of. Dropping the future is a kill: the next run resumes.
    pub async fn run(
        &self,
        source: Box<dyn PartSource>,
        ledger: &mut dyn Ledger,
    ) -> Result<StoredObject, UploadError> {
        self.store.conduct().check()?;
        let plan = plan_parts(source.len(), self.part_size)?;
        if *self.cancel.borrow() {
            return Err(self.cancelled());
        }
        match ledger.resume().map_err(UploadError::Ledger)? {
            None if !plan.is_multipart() => self.whole(source).await,
            None => {
                let multipart = self.begin(plan, ledger).await?;
                let parts = PartsInHand::new(multipart, plan, source);
                self.go_on(parts, ledger).await
            }
            Some(resume) => {
                let Some(plan) = PartPlan::with_part_size(plan.size, resume.multipart.part_size)
                else {
                    return Err(self.give_up(&resume.multipart, ledger).await?);
                };
                let mut parts = PartsInHand::resumed(resume, plan, source);
                let upload_id = &parts.multipart.upload_id;
                match self.store.list_parts(self.key, upload_id).await {
                    Ok(Some(listed)) => {
                        parts.keep_only(listed);
                        self.go_on(parts, ledger).await
                    }
                    Ok(None) => self.upload_gone(parts, ledger).await,
                    Err(error @ UploadError::Forbidden { .. }) => {
                        self.perhaps_gone(parts, ledger, error).await
                    }
                    Err(error) => Err(error),
                }
            }
        }
    }

    async fn whole(&self, source: Box<dyn PartSource>) -> Result<StoredObject, UploadError> {
        let size = source.len();
        let read = self.finished(self.read(source, 0, (0, size)).await)?;
        let mut cancel = self.cancel.clone();
        tokio::select! {
            biased;
            () = stop(&mut cancel) => return Err(self.cancelled()),
            () = self.pacer.take(size) => {}
        }
        let stored = put_locked(self.store, self.key, read.body?, self.retention.clone()).await?;
        (self.progress)(size);
        Ok(stored)
    }

    async fn begin(
        &self,
        plan: PartPlan,
        ledger: &mut dyn Ledger,
    ) -> Result<Multipart, UploadError> {
        self.forget_strays().await?;
        let retention = self.retention.clone();
        let multipart = Multipart {
            upload_id: self
                .store
                .create_multipart(self.key, retention.as_ref())
                .await?,
            part_size: plan.part_size,
            retention,
        };
        ledger.begin(&multipart).map_err(UploadError::Ledger)?;
        Ok(multipart)
    }

    /// An upload that began right before a kill was never noted, and its parts would stay in the store.
    async fn forget_strays(&self) -> Result<(), UploadError> {
        match self.store.uploads(self.key).await {
            Ok(strays) => {
                for upload_id in strays {
                    self.abort(&upload_id).await;
                }
                Ok(())
            }
            // The bucket's lifecycle rule removes them, too.
            Err(UploadError::Forbidden { .. } | UploadError::Refused { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn go_on(
        &self,
        mut parts: PartsInHand,
        ledger: &mut dyn Ledger,
    ) -> Result<StoredObject, UploadError> {
        match self.send(&mut parts, ledger).await {
            Ok(Sent::All) => {}
            Ok(Sent::UploadGone) => return self.upload_gone(parts, ledger).await,
            Err(error @ UploadError::SpoolDamaged { .. }) => {
                self.take_back(&parts.multipart, ledger).await?;
                return Err(error);
            }
            Err(error) => return Err(error),
        }
        // Completing with fewer parts would store a torn object that the store finds fine.
        plan_is_whole(&parts.plan, parts.done.len(), self.key)?;
        self.md5_the_rest(&mut parts).await?;
        let expected = parts.expected(self.key);
        let upload_id = &parts.multipart.upload_id;
        match expected.before(self.store).await {
            Ok(None) => {}
            Ok(Some(there)) => {
                self.abort(upload_id).await;
                return Ok(there);
            }
            Err(error) => return self.not_ours(error, &parts.multipart, ledger).await,
        }
        match self
            .store
            .complete(self.key, upload_id, &parts.parts(), true)
            .await?
        {
            Completed::Done(put) => expected.confirm(self.store, put).await,
            Completed::KeyTaken => match expected.key_taken(self.store).await {
                Ok(there) => {
                    self.abort(upload_id).await;
                    Ok(there)
                }
                Err(error) => self.not_ours(error, &parts.multipart, ledger).await,
            },
            Completed::Conflict => {
                let found = expected.look(self.store).await?;
                self.take_back(&parts.multipart, ledger).await?;
                match found {
                    KeyState::Ours(object) => expected.see_lock(self.store, object).await,
                    KeyState::Free | KeyState::Hidden(_) => Err(UploadError::Racing {
                        key: self.key.to_owned(),
                    }),
                }
            }
            Completed::NoSuchUpload => self.upload_gone(parts, ledger).await,
            Completed::PartsDiffer => {
                self.take_back(&parts.multipart, ledger).await?;
                Err(UploadError::Damaged {
                    action: "complete upload",
                    code: "the store holds other parts".into(),
                })
            }
        }
    }

    /// A conflict that an operator can clear keeps its upload; where other content is, the parts are of no use any longer.
    async fn not_ours(
        &self,
        error: UploadError,
        multipart: &Multipart,
        ledger: &mut dyn Ledger,
    ) -> Result<StoredObject, UploadError> {
        if matches!(error, UploadError::ContentDiffers { .. }) {
            self.take_back(multipart, ledger).await?;
        }
        Err(error)
    }

    /// The store does not know our upload: it was finished and the reply got lost, or the next attempt begins a new one.
    async fn upload_gone(
        &self,
        mut parts: PartsInHand,
        ledger: &mut dyn Ledger,
    ) -> Result<StoredObject, UploadError> {
        let noted = parts.done.len() == parts.plan.count as usize;
        let tagged = parts.parts();
        // The expected checksum needs every part's digest, also of those whose note got lost.
        self.hash_the_rest(&mut parts).await?;
        self.md5_the_rest(&mut parts).await?;
        let expected = parts.expected(self.key);
        let found = expected
            .upload_gone(
                self.store,
                &parts.multipart.upload_id,
                noted.then_some(tagged.as_slice()),
            )
            .await?;
        match found {
            Some(object) => {
                (self.progress)(object.size);
                Ok(object)
            }
            None => Err(self.give_up(&parts.multipart, ledger).await?),
        }
    }

    /// Ceph calls an upload that it does not know forbidden, to keys that may not list the bucket.
    async fn perhaps_gone(
        &self,
        mut parts: PartsInHand,
        ledger: &mut dyn Ledger,
        error: UploadError,
    ) -> Result<StoredObject, UploadError> {
        self.hash_the_rest(&mut parts).await?;
        self.md5_the_rest(&mut parts).await?;
        let expected = parts.expected(self.key);
        match expected.look(self.store).await? {
            KeyState::Ours(object) => {
                (self.progress)(object.size);
                expected.see_lock(self.store, object).await
            }
            KeyState::Free => Err(self.give_up(&parts.multipart, ledger).await?),
            KeyState::Hidden(_) => Err(error),
        }
    }

    /// Forgets the upload. Returns the error that says so; the next attempt begins a new one.
    async fn give_up(
        &self,
        multipart: &Multipart,
        ledger: &mut dyn Ledger,
    ) -> Result<UploadError, UploadError> {
        self.take_back(multipart, ledger).await?;
        Ok(UploadError::UploadLost {
            key: self.key.to_owned(),
        })
    }

    async fn take_back(
        &self,
        multipart: &Multipart,
        ledger: &mut dyn Ledger,
    ) -> Result<(), UploadError> {
        self.abort(&multipart.upload_id).await;
        ledger.clear().map_err(UploadError::Ledger)
    }

    /// A failure is only logged: the bucket's lifecycle rule removes unfinished uploads, too.
    async fn abort(&self, upload_id: &str) {
        if let Err(error) = self.store.abort(self.key, upload_id).await {
            tracing::warn!(code = "upload_left_behind", key = self.key, %error, next_step = "give the bucket a lifecycle rule that ends incomplete uploads", "an unfinished upload stays in the store");
        }
    }

    pub(super) fn cancelled(&self) -> UploadError {
        UploadError::Cancelled {
            key: self.key.to_owned(),
        }
    }
}

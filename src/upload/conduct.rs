//! The behaviour that was seen of a store, shared by all who use it: it decides how carefully the next object is put.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use parking_lot::Mutex;

use super::UploadError;
use super::store::StoredObject;

/// More objects than are ever under way at once.
const MOST_REMEMBERED: usize = 1_000;

/// A fact that has not been observed yet, or has been observed to be true or false.
#[derive(Debug, Default)]
struct Fact(AtomicU8);

impl Fact {
    fn get(&self) -> Option<bool> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            seen => Some(seen == 1),
        }
    }

    fn set(&self, so: bool) {
        self.0.store(if so { 1 } else { 2 }, Ordering::Relaxed);
    }
}

/// All clones of a store share one.
#[derive(Debug, Default)]
pub struct StoreConduct {
    refuses_second: Fact,
    names_sha256: Fact,
    answers_retention: Fact,
    stopped: Mutex<Option<Arc<UploadError>>>,
    /// Objects whose bytes are confirmed and whose lock is not: what a later attempt need not put again. By key.
    unlocked: Mutex<HashMap<String, StoredObject>>,
}

impl StoreConduct {
    /// Whether the store refuses a put with `If-None-Match: *` where an object is.
    pub fn refuses_second(&self) -> Option<bool> {
        self.refuses_second.get()
    }

    pub fn saw_second(&self, refused: bool) {
        self.refuses_second.set(refused);
    }

    /// Whether the store names the SHA-256 of what it took.
    pub fn names_sha256(&self) -> Option<bool> {
        self.names_sha256.get()
    }

    pub fn saw_sha256(&self, named: bool) {
        self.names_sha256.set(named);
    }

    /// Whether the store knows GetObjectRetention at all. Some answer with the object itself.
    pub(super) fn answers_retention(&self) -> Option<bool> {
        self.answers_retention.get()
    }

    pub(super) fn saw_retention(&self, answered: bool) {
        self.answers_retention.set(answered);
    }

    /// MD5s are of use only while the store is not known to name SHA-256.
    pub fn wants_md5(&self) -> bool {
        self.names_sha256() != Some(true)
    }

    /// No more is put into this store until the service is started again. Returns the error that says so.
    pub fn stop(&self, why: UploadError) -> UploadError {
        let why = Arc::new(why);
        *self.stopped.lock() = Some(Arc::clone(&why));
        UploadError::Stopped(why)
    }

    /// An error once [`Self::stop`] was called.
    pub fn check(&self) -> Result<(), UploadError> {
        match &*self.stopped.lock() {
            Some(why) => Err(UploadError::Stopped(Arc::clone(why))),
            None => Ok(()),
        }
    }

    pub(super) fn remember(&self, object: &StoredObject) {
        let mut unlocked = self.unlocked.lock();
        if unlocked.len() < MOST_REMEMBERED {
            unlocked.insert(object.key.clone(), object.clone());
        }
    }

    pub(super) fn forget(&self, key: &str) {
        self.unlocked.lock().remove(key);
    }

    /// The object of this content that an earlier attempt put at the key, if its lock is all that is still to be seen.
    pub(super) fn remembered(&self, key: &str, checksum: &str) -> Option<StoredObject> {
        let unlocked = self.unlocked.lock();
        let object = unlocked.get(key)?;
        (object.checksum == checksum).then(|| StoredObject {
            already_there: true,
            ..object.clone()
        })
    }
}

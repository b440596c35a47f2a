//! The texts of people's reasons: each an object of its own that can be disposed of, bound to its act by a salted SHA-256.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::durable;
use crate::model::{SaltedText, Sha256Digest};
use crate::office::OfficeError;
use crate::upload::{RetentionPolicy, Store, put_small_once};
use crate::web::random_secret;

/// Of the names of texts, below the office's log.
pub const TEXTS: &str = "text/";

const READ_WITHIN: Duration = Duration::from_secs(5);
const READ_MAX: u64 = 64 << 10;

/// Texts that wait for the store, and the way there.
pub struct Texts {
    /// Each under its SHA-256, until it is in the bucket.
    pub dir: PathBuf,
    /// Of the office's log in the bucket, with `/` at its end.
    pub folder: String,
    pub store: Arc<dyn Store>,
    pub retention: Option<RetentionPolicy>,
}

impl Texts {
    /// Keeps the text durably here; returns what stands for it in the log.
    pub fn keep(&self, text: &str) -> Result<Sha256Digest, OfficeError> {
        let salted = SaltedText {
            salt: random_secret().ok_or(OfficeError::NoRandomness)?,
            text: text.to_owned(),
        };
        let bytes = serde_json::to_vec(&salted).unwrap_or_default();
        let digest = Sha256Digest::of(&bytes);
        durable::create_dir(&self.dir)?;
        durable::write_atomic(&self.dir.join(digest.to_string()), &bytes)?;
        Ok(digest)
    }

    /// The text behind a commitment, from here or from the bucket.
    pub async fn read(&self, digest: Sha256Digest) -> Option<String> {
        let here = fs::read(self.dir.join(digest.to_string()));
        let bytes = if let Ok(bytes) = here {
            bytes
        } else {
            let key = format!("{}{TEXTS}{digest}", self.folder);
            let read = tokio::time::timeout(READ_WITHIN, self.store.get(&key, READ_MAX));
            read.await.ok()?.ok()??.to_vec()
        };
        let is_it = Sha256Digest::of(&bytes) == digest;
        let salted = serde_json::from_slice::<SaltedText>(&bytes).ok();
        salted.filter(|_| is_it).map(|salted| salted.text)
    }

    /// Puts what waits into the bucket. Each is removed here once it is there.
    pub async fn publish(&self) -> Result<(), OfficeError> {
        for (path, digest, bytes) in self.waiting()? {
            let key = format!("{}{TEXTS}{digest}", self.folder);
            put_small_once(&*self.store, &key, bytes.into(), self.retention).await?;
            durable::remove(&path)?;
        }
        Ok(())
    }

    /// Files whose bytes have the digest that is their name; nothing else is published.
    fn waiting(&self) -> Result<Vec<(PathBuf, Sha256Digest, Vec<u8>)>, OfficeError> {
        let unreadable = |source| OfficeError::Texts {
            path: self.dir.clone(),
            source,
        };
        let files = match fs::read_dir(&self.dir) {
            Ok(files) => files,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(unreadable(error)),
        };
        let mut found = Vec::new();
        for file in files {
            let path = file.map_err(unreadable)?.path();
            let bytes = fs::read(&path).map_err(unreadable)?;
            let digest = Sha256Digest::of(&bytes);
            if path.ends_with(digest.to_string()) {
                found.push((path, digest, bytes));
            }
        }
        Ok(found)
    }
}

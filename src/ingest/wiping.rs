//! The means by which a job wipes its camera. The policy is read anew each time: root may have changed it.

use std::path::PathBuf;
use std::sync::Arc;

use tokio::runtime::Handle;

use crate::audit::CONFIRMATION_MAX;
use crate::config::ProfileWipe;
use crate::model::{BucketLayout, EvidenceId, ItemStored, Retention};
use crate::upload::{Store, UploadError};

/// The rules of one camera's profile, and the means.
#[derive(Clone)]
pub struct Wiping {
    pub rules: ProfileWipe,
    pub means: Arc<WipeMeans>,
}

/// The means, which are the same for all cameras.
pub struct WipeMeans {
    /// Root's file.
    pub policy: PathBuf,
    /// The socket of root's helper.
    pub helper: PathBuf,
    pub store: Arc<dyn Store>,
    pub layout: BucketLayout,
    pub runtime: Handle,
}

impl WipeMeans {
    /// The signed note that confirms an item, if there is one. Blocks; must not be called from a task.
    pub fn confirmation(&self, id: EvidenceId) -> Result<Option<String>, UploadError> {
        let key = self.layout.confirmation(id);
        let limit = CONFIRMATION_MAX as u64;
        let note = self.runtime.block_on(self.store.get(&key, limit))?;
        Ok(note.map(|note| String::from_utf8_lossy(&note).into_owned()))
    }

    /// The current lock of this object, as the store names it. Blocks; must not be called from a task.
    pub fn lock(&self, stored: &ItemStored) -> Result<Option<Retention>, UploadError> {
        let version = stored.version_id.as_deref();
        self.runtime
            .block_on(self.store.retention(&stored.key, version))
    }
}

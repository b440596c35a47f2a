//! One station at a time on one state folder.

use std::fs::File;
use std::path::Path;

use anyhow::{Context as _, bail};
use rustix::fs::{FlockOperation, flock};

/// Holds the state folder until dropped; the kernel lets go of it when the process dies.
pub struct Lock {
    _file: File,
}

pub fn lock(state_dir: &Path) -> anyhow::Result<Lock> {
    let file =
        File::open(state_dir).with_context(|| format!("cannot open {}", state_dir.display()))?;
    if flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        bail!(
            "another camdock works on {} already; stop it first (`systemctl stop camdock`)",
            state_dir.display()
        );
    }
    Ok(Lock { _file: file })
}

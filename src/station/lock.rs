//! One station at a time on one state folder.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::fs::{FlockOperation, flock};

const LETTING_GO: Duration = Duration::from_secs(1);

/// Holds the state folder until dropped; the kernel lets go of it when the process dies.
pub struct Lock {
    _file: File,
}

pub fn lock(state_dir: &Path) -> anyhow::Result<Lock> {
    let file =
        File::open(state_dir).with_context(|| format!("cannot open {}", state_dir.display()))?;
    // A station that was killed while it started a worker lets go a moment later: the worker-to-be held a copy.
    let until = Instant::now() + LETTING_GO;
    while flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        if Instant::now() < until {
            std::thread::sleep(Duration::from_millis(50));
            continue;
        }
        bail!(
            "another camdock works on {} already; stop it first (`systemctl stop camdock`)",
            state_dir.display()
        );
    }
    Ok(Lock { _file: file })
}

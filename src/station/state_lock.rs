//! Only one station at a time works on a state folder.

use std::fs::File;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::fs::{FlockOperation, flock};

const RELEASE: Duration = Duration::from_secs(1);

/// Holds the state folder until dropped; the kernel releases it when the process dies.
pub struct StateLock {
    _file: File,
}

pub fn lock(state_dir: &Path) -> anyhow::Result<StateLock> {
    let file =
        File::open(state_dir).with_context(|| format!("cannot open {}", state_dir.display()))?;
    // A station that was killed while it started a worker releases the folder a moment later: the forked child held a copy.
    let until = Instant::now() + RELEASE;
    while flock(&file, FlockOperation::NonBlockingLockExclusive).is_err() {
        if Instant::now() < until {
            std::thread::sleep(Duration::from_millis(50));
            continue;
        }
        bail!(
            "another camdock already works on {}; stop it first (`systemctl stop camdock`)",
            state_dir.display()
        );
    }
    Ok(StateLock { _file: file })
}

//! The status socket: one JSON line at once, then one on every change, for as long as the reader stays.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{UnixListener, UnixStream};

use crate::ingest::{Outbound, Shared, now};
use crate::model::StatusView;
use crate::sys;

/// Readers at a time; more are turned away.
const READERS: usize = 32;

/// The running station as it is now. Blocks.
pub fn take(shared: &Shared, outbound: &Outbound) -> anyhow::Result<StatusView> {
    Ok(StatusView {
        station: shared.station.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        time: now(),
        bays: shared.bays.all(),
        outbound: outbound.snapshot(),
        items: shared.journal.state_totals()?,
        log_entries: shared.log_size(),
        spool_free_bytes: shared.spool.free(),
        clock: sys::clock_state(),
        wiping: shared.bays.problems(),
    })
}

/// Listens; the socket is open to the service's user and group only.
pub fn listen(path: &Path) -> anyhow::Result<UnixListener> {
    use std::os::unix::fs::PermissionsExt as _;
    let _ = std::fs::remove_file(path);
    let listener =
        UnixListener::bind(path).with_context(|| format!("cannot listen on {}", path.display()))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o660))?;
    Ok(listener)
}

/// Serves readers until the task is dropped.
pub async fn serve(listener: UnixListener, shared: Arc<Shared>, outbound: Arc<Outbound>) {
    let readers = Arc::new(tokio::sync::Semaphore::new(READERS));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(200)).await;
            continue;
        };
        let Ok(permit) = Arc::clone(&readers).try_acquire_owned() else {
            continue;
        };
        let (shared, outbound) = (Arc::clone(&shared), Arc::clone(&outbound));
        tokio::spawn(async move {
            let _permit = permit;
            if let Err(error) = tell(stream, &shared, &outbound).await {
                tracing::debug!(%error, "a status reader left");
            }
        });
    }
}

async fn tell(mut stream: UnixStream, shared: &Shared, outbound: &Outbound) -> anyhow::Result<()> {
    let mut changes = shared.bays.changes();
    loop {
        changes.mark_unchanged();
        let view = tokio::task::block_in_place(|| take(shared, outbound))?;
        let mut line = serde_json::to_vec(&view)?;
        line.push(b'\n');
        // A reader that does not read is let go.
        tokio::time::timeout(Duration::from_secs(10), stream.write_all(&line)).await??;
        tokio::time::sleep(Duration::from_millis(100)).await;
        let _ = tokio::time::timeout(Duration::from_secs(1), changes.changed()).await;
    }
}

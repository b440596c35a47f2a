//! The status socket: one JSON line at once, then one on every change, for as long as the reader stays.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::UnixStream;

use crate::ingest::{Outbound, Shared, now};
use crate::model::StatusView;
use crate::sys;
use crate::web::Socket;

/// Readers at a time; further ones are turned away.
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

/// Opens the socket.
pub fn open(
    path: PathBuf,
    shared: Arc<Shared>,
    outbound: Arc<Outbound>,
) -> std::io::Result<Socket> {
    Socket::open(path, READERS, move |stream| {
        let (shared, outbound) = (Arc::clone(&shared), Arc::clone(&outbound));
        async move {
            if let Err(error) = report(stream, &shared, &outbound).await {
                tracing::debug!(%error, "a status reader left");
            }
        }
    })
}

async fn report(
    mut stream: UnixStream,
    shared: &Shared,
    outbound: &Outbound,
) -> anyhow::Result<()> {
    let mut changes = shared.bays.changes();
    loop {
        changes.mark_unchanged();
        let view = tokio::task::block_in_place(|| take(shared, outbound))?;
        let mut line = serde_json::to_vec(&view)?;
        line.push(b'\n');
        // A reader that does not read is disconnected.
        tokio::time::timeout(Duration::from_secs(10), stream.write_all(&line)).await??;
        tokio::time::sleep(Duration::from_millis(100)).await;
        let _ = tokio::time::timeout(Duration::from_secs(1), changes.changed()).await;
    }
}

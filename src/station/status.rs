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
use crate::witnessing::Witnesses;

/// Readers at a time; further ones are turned away.
const READERS: usize = 32;

/// What the running station's account of itself is made of.
#[derive(Clone)]
pub struct StatusSources {
    pub shared: Arc<Shared>,
    pub outbound: Arc<Outbound>,
    pub witnesses: Option<Arc<Witnesses>>,
}

/// The running station as it is now. Blocks.
pub fn take(sources: &StatusSources) -> anyhow::Result<StatusView> {
    let StatusSources {
        shared,
        outbound,
        witnesses,
    } = sources;
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
        witnessing: witnesses.as_ref().map(|witnesses| witnesses.view()),
    })
}

/// Opens the socket.
pub fn open(path: PathBuf, sources: StatusSources) -> std::io::Result<Socket> {
    Socket::open(path, READERS, move |stream| {
        let sources = sources.clone();
        async move {
            if let Err(error) = report(stream, &sources).await {
                tracing::debug!(%error, "a status reader left");
            }
        }
    })
}

async fn report(mut stream: UnixStream, sources: &StatusSources) -> anyhow::Result<()> {
    let mut changes = sources.shared.bays.changes();
    loop {
        changes.mark_unchanged();
        let view = tokio::task::block_in_place(|| take(sources))?;
        let mut line = serde_json::to_vec(&view)?;
        line.push(b'\n');
        // A reader that does not read is disconnected.
        tokio::time::timeout(Duration::from_secs(10), stream.write_all(&line)).await??;
        tokio::time::sleep(Duration::from_millis(100)).await;
        let _ = tokio::time::timeout(Duration::from_secs(1), changes.changed()).await;
    }
}

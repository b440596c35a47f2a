//! Reads the parts of a sealed object, one at a time, on a thread for blocking work.

use std::sync::Arc;

use bytes::Bytes;
use tokio::task::{JoinError, JoinHandle};

use super::part_memory::{Lease, PartMemory};
use super::store::Body;
use super::{BoxError, UploadError};

/// A sealed object on the station's disk. Blocking: called on a thread for blocking work.
pub trait PartSource: Send {
    /// Bytes; must not change.
    fn len(&self) -> u64;

    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Exactly `len` bytes from `offset`, their authentication tags checked, in `memory`. An error means that the spooled
    /// object is damaged: it is never sent and never tried again.
    fn read_range(&mut self, offset: u64, len: u64, memory: Lease) -> Result<Bytes, BoxError>;
}

/// A part that was read, and the source that it was read from.
pub(super) struct ReadPart {
    pub source: Box<dyn PartSource>,
    pub number: u32,
    pub body: Result<Body, UploadError>,
}

/// Reads and hashes one part as soon as there is memory for it.
pub(super) fn read_part(
    memory: &Arc<PartMemory>,
    key: &str,
    mut source: Box<dyn PartSource>,
    number: u32,
    (offset, len): (u64, u64),
    md5: bool,
) -> JoinHandle<ReadPart> {
    let (memory, key) = (Arc::clone(memory), key.to_owned());
    tokio::spawn(async move {
        let lease = memory.lease(len).await;
        let reading = tokio::task::spawn_blocking(move || {
            let body = source
                .read_range(offset, len, lease)
                .and_then(|bytes| {
                    if bytes.len() as u64 == len {
                        let body = Body::new(bytes);
                        Ok(if md5 { body.with_md5() } else { body })
                    } else {
                        Err(format!("{} bytes instead of {len}", bytes.len()).into())
                    }
                })
                .map_err(|source| UploadError::SpoolDamaged {
                    key,
                    offset,
                    source,
                });
            ReadPart {
                source,
                number,
                body,
            }
        });
        match reading.await {
            Ok(read) => read,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            // The runtime is shutting down.
            Err(_) => std::future::pending().await,
        }
    })
}

/// The result of a reading task; `None` when the runtime is shutting down.
pub(super) fn finished(read: Result<ReadPart, JoinError>) -> Option<ReadPart> {
    match read {
        Ok(read) => Some(read),
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        Err(_) => None,
    }
}

/// Waits for the part that is being read; `None` when none is.
pub(super) async fn next_read(
    reading: &mut Option<JoinHandle<ReadPart>>,
) -> Option<Result<ReadPart, JoinError>> {
    match reading {
        Some(reading) => Some(reading.await),
        None => None,
    }
}

/// Takes the place of a source while a task reads from it.
pub(super) struct SourceInUse;

impl PartSource for SourceInUse {
    fn len(&self) -> u64 {
        0
    }

    fn read_range(&mut self, _: u64, _: u64, _: Lease) -> Result<Bytes, BoxError> {
        Err("the source is in use".into())
    }
}

//! Item keys and headers, prepared by a thread of their own before files need them: the key agreement with each recipient
//! costs more than sealing a small file.

use std::sync::Arc;
use std::sync::mpsc;
use std::thread::JoinHandle;

use super::{IngestError, Shared};
use crate::seal::{PreparedItem, SealError};

/// Items that are prepared at once, and kept in stock, for each camera.
const STOCK: usize = 16;

/// One dock session's stock of prepared items; the thread ends with it.
pub struct ItemStock {
    stock: Option<mpsc::Receiver<Result<PreparedItem, SealError>>>,
    thread: Option<JoinHandle<()>>,
}

impl ItemStock {
    pub fn start(shared: &Arc<Shared>, camera: &str) -> Result<Self, IngestError> {
        let (sender, stock) = mpsc::sync_channel(STOCK);
        let (shared, camera) = (Arc::clone(shared), camera.to_owned());
        let work = move || {
            let station = shared.station.as_str();
            loop {
                let batch = PreparedItem::batch(
                    STOCK,
                    &shared.recipients,
                    station,
                    &camera,
                    shared.frame_length,
                );
                let sent = match batch {
                    Ok(items) => items
                        .into_iter()
                        .try_for_each(|item| sender.send(Ok(item)).map_err(drop)),
                    Err(error) => sender.send(Err(error)).map_err(drop),
                };
                if sent.is_err() {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("item-keys".into())
            .stack_size(256 << 10)
            .spawn(work)
            .map_err(IngestError::Thread)?;
        Ok(Self {
            stock: Some(stock),
            thread: Some(thread),
        })
    }

    /// The next fresh item. Blocks while it is being made.
    pub fn next(&self) -> Result<PreparedItem, IngestError> {
        let next = self.stock.as_ref().and_then(|stock| stock.recv().ok());
        Ok(next.unwrap_or(Err(SealError::Crypto))?)
    }
}

impl Drop for ItemStock {
    fn drop(&mut self) {
        // A thread that waits for room in the stock ends when its receiver is gone.
        self.stock.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

//! The share reader: serves shares to recipients outside, from a process of its own that may face other networks.
//!
//! Keeps promise 15. It holds no key, and writes nothing. What lies in the bucket is hostile until it is checked; whether a share is
//! open, the office says, by its own published acts, and it enters each taking before anything of the item is handed out.

mod error;
mod manifest;
mod office_client;
mod shared_items;

use std::sync::Arc;

use anyhow::Context as _;
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use crate::config::{Secrets, ShareReaderConfig};
use crate::model::Explain as _;
use crate::upload::{S3Store, StoreConfig};
use crate::web::start_recipients;

pub use error::ShareReaderError;
pub use office_client::OfficeClient;

use shared_items::SharedItems;

/// Serves until SIGTERM or Ctrl-C.
pub async fn run(config: ShareReaderConfig) -> anyhow::Result<()> {
    // A stop in the middle of the start is one in order, too.
    let (mut end, mut interrupt) = (
        signal(SignalKind::terminate())?,
        signal(SignalKind::interrupt())?,
    );
    let secrets = Secrets::from_environment();
    let backend = Arc::new(SharedItems {
        prefix: config.store.prefix.clone(),
        store: Arc::new(open_store(&config)?),
        office: OfficeClient::new(&config)?,
    });
    let mut servers = JoinSet::new();
    start_recipients(&config.pages, &secrets, backend, &mut servers)
        .context("cannot set up the recipients' page")?;
    tracing::info!(
        office = config.office_address,
        "the share reader asks the office"
    );
    let _ = sd_notify::notify(&[NotifyState::Ready]);
    tokio::select! {
        _ = end.recv() => {},
        _ = interrupt.recv() => {},
    }
    let _ = sd_notify::notify(&[NotifyState::Stopping]);
    servers.shutdown().await;
    tracing::info!("the share reader has stopped");
    Ok(())
}

/// The store's client, with the share reader's own credentials.
pub fn open_store(config: &ShareReaderConfig) -> anyhow::Result<S3Store> {
    let keys = Secrets::from_environment().store_of(&config.store)?;
    S3Store::new(&StoreConfig::of(&config.store, keys)).context("cannot set up the store's client")
}

fn warn(error: &ShareReaderError, what: &str) {
    tracing::warn!(
        code = error.label(),
        error = error as &dyn std::error::Error,
        next_step = error.next_step(),
        "{what}"
    );
}

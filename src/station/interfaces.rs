//! The ways in which other programs and people reach the station: the status socket, the pages with the index they read, and the
//! command socket.

use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::foundation::Foundation;
use super::page_backend::{Heartbeat, PageBackend};
use super::status::StatusSources;
use super::{commands, entry_indexer, joined, status};
use crate::config::{Config, Secrets};
use crate::ingest::{Outbound, Shared};
use crate::journal::{EntryIndex, Journal};
use crate::metrics;
use crate::model::Explain as _;
use crate::web::{Archive, Pages, Socket};

/// The longest time that a stop waits for a command that is being carried out: its answer should still reach the operator.
const LAST_COMMAND: Duration = Duration::from_secs(1);

/// Owns these listeners and the task that indexes the log for the pages.
pub struct Interfaces {
    status: Socket,
    pages: Option<Pages>,
    indexing: Option<JoinHandle<()>>,
    commands: Socket,
}

impl Interfaces {
    pub fn open(
        foundation: &Foundation,
        outbound: &Arc<Outbound>,
        heartbeat: &Arc<Heartbeat>,
        figures: PrometheusHandle,
        stopped: watch::Receiver<bool>,
    ) -> anyhow::Result<Self> {
        let (config, shared) = (&foundation.config, &foundation.shared);
        let sources = StatusSources {
            shared: Arc::clone(shared),
            outbound: Arc::clone(outbound),
            witnesses: foundation.witnesses.clone(),
        };
        let status = status::open(config.files.status_socket(), sources.clone())?;
        let backend = PageBackend::new(sources, Arc::clone(heartbeat), config);
        let index = entry_indexer::open(&config.files.entry_index());
        let archive = archive(config, shared, index.clone());
        let pages = start_pages(config, &foundation.secrets, backend, archive, figures);
        let indexing =
            index.map(|index| tokio::spawn(entry_indexer::run(shared.log.clone(), index, stopped)));
        let commands = commands::open(config.files.command_socket(), Arc::clone(shared))?;
        Ok(Self {
            status,
            pages,
            indexing,
            commands,
        })
    }

    /// Footage is taken with or without pages.
    pub fn pages(&self) -> Option<&Pages> {
        self.pages.as_ref()
    }

    /// From here on no operator's decision is entered.
    pub async fn stop_commands(&mut self) {
        self.commands.stop(LAST_COMMAND).await;
    }

    /// Stops the rest, after [`Self::stop_commands`]; the indexing task ends by the stop signal that it was given.
    pub async fn close(mut self) {
        if let Some(pages) = self.pages {
            pages.stop().await;
        }
        self.status.stop(Duration::ZERO).await;
        if let Some(indexing) = self.indexing {
            joined("the index of the custody log", indexing).await;
        }
        self.status.remove();
        self.commands.remove();
    }
}

/// The evidence page's sources, over a connection of its own.
fn archive(config: &Config, shared: &Shared, entries: Option<Arc<EntryIndex>>) -> Option<Archive> {
    let journal = Journal::open_read_only(&config.files.journal())
        .inspect_err(|error| {
            tracing::error!(code = error.label(), %error, next_step = error.next_step(), "no evidence page");
        })
        .ok()?;
    Some(Archive {
        journal,
        log: shared.log.clone(),
        entries,
    })
}

fn start_pages(
    config: &Config,
    secrets: &Secrets,
    backend: PageBackend,
    archive: Option<Archive>,
    figures: PrometheusHandle,
) -> Option<Pages> {
    match Pages::start(config, secrets, Arc::new(backend), archive, figures) {
        Ok(pages) => Some(pages),
        Err(error) => {
            metrics::error(error.label());
            tracing::error!(
                code = error.label(),
                error = &error as &dyn std::error::Error,
                next_step = error.next_step(),
                "no pages and no metrics; footage is still taken"
            );
            None
        }
    }
}

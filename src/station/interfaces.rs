//! The ways in which other programs and people reach the station: the status socket, the pages, and the sockets for commands and
//! imports.

use std::sync::Arc;
use std::time::Duration;

use metrics_exporter_prometheus::PrometheusHandle;

use super::foundation::Foundation;
use super::imports::{self, Imports};
use super::page_backend::{Heartbeat, PageBackend};
use super::status::StatusSources;
use super::{commands, status};
use crate::config::{Config, Secrets};
use crate::ingest::Outbound;
use crate::metrics;
use crate::model::Explain as _;
use crate::web::{Pages, Socket};

/// The longest time that a stop waits for a command that is being carried out: its answer should still reach the operator.
const LAST_COMMAND: Duration = Duration::from_secs(1);

/// Owns these listeners.
pub struct Interfaces {
    status: Socket,
    pages: Option<Pages>,
    commands: Socket,
    imports: Socket,
}

impl Interfaces {
    pub fn open(
        foundation: &Foundation,
        outbound: &Arc<Outbound>,
        heartbeat: &Arc<Heartbeat>,
        imports: &Arc<Imports>,
        figures: PrometheusHandle,
    ) -> anyhow::Result<Self> {
        let (config, shared) = (&foundation.config, &foundation.shared);
        let sources = StatusSources {
            shared: Arc::clone(shared),
            outbound: Arc::clone(outbound),
            witnesses: foundation.witnesses.clone(),
        };
        let status = status::open(config.files.status_socket(), sources.clone())?;
        let backend = PageBackend::new(sources, Arc::clone(heartbeat), config);
        let pages = start_pages(config, &foundation.secrets, backend, figures);
        let commands = commands::open(config.files.command_socket(), Arc::clone(shared))?;
        let imports = imports::open(config.files.import_socket(), Arc::clone(imports))?;
        Ok(Self {
            status,
            pages,
            commands,
            imports,
        })
    }

    /// Footage is taken with or without pages.
    pub fn pages(&self) -> Option<&Pages> {
        self.pages.as_ref()
    }

    /// From here on no operator's decision is entered, and no import begins.
    pub async fn stop_commands(&mut self) {
        self.commands.stop(LAST_COMMAND).await;
        self.imports.stop(Duration::ZERO).await;
    }

    /// Stops the rest, after [`Self::stop_commands`].
    pub async fn close(mut self) {
        if let Some(pages) = self.pages {
            pages.stop().await;
        }
        self.status.stop(Duration::ZERO).await;
        self.status.remove();
        self.commands.remove();
        self.imports.remove();
    }
}

fn start_pages(
    config: &Config,
    secrets: &Secrets,
    backend: PageBackend,
    figures: PrometheusHandle,
) -> Option<Pages> {
    match Pages::start(config, secrets, Arc::new(backend), figures) {
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

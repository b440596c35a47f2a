//! The pages beside the service: what they read, and that footage is taken with or without them.

use std::sync::Arc;

use metrics_exporter_prometheus::PrometheusHandle;

use super::observed::Observed;
use crate::config::{Config, Secrets};
use crate::ingest::Shared;
use crate::journal::{EntryIndex, Journal};
use crate::metrics;
use crate::model::Explain as _;
use crate::web::{Archive, Pages};

/// What the evidence page reads, over a connection of its own.
pub fn archive(
    config: &Config,
    shared: &Shared,
    entries: Option<Arc<EntryIndex>>,
) -> Option<Archive> {
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

/// Footage is taken with or without pages.
pub fn start(
    config: &Config,
    secrets: &Secrets,
    observed: Observed,
    archive: Option<Archive>,
    figures: PrometheusHandle,
) -> Option<Pages> {
    match Pages::start(config, secrets, Arc::new(observed), archive, figures) {
        Ok(pages) => Some(pages),
        Err(error) => {
            metrics::error(error.label());
            tracing::error!(
                code = error.label(),
                error = &error as &dyn std::error::Error,
                next_step = error.next_step(),
                "no pages and no metrics; footage is taken all the same"
            );
            None
        }
    }
}

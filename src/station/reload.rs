//! Configuration edits that take effect while the station runs. A bad edit is reported and the last good one stays; either
//! way the custody log gets an entry.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::service::Station;
use crate::config::{Changed, Config, ConfigError, Profiles, Roster, digest_of};
use crate::metrics;
use crate::model::{ConfigChanged, Event, Explain as _};

impl Station {
    /// Blocks.
    pub(super) fn reload(&mut self, changed: Changed) {
        if changed.roster {
            self.reload_roster();
        }
        if changed.profiles {
            self.reload_profiles();
        }
        if changed.config {
            self.reload_config();
        }
    }

    fn reload_roster(&mut self) {
        let config = &self.foundation.config;
        let problem = match Roster::reload(config) {
            Ok(roster) => {
                self.rules.roster = Arc::new(roster);
                None
            }
            Err(error) => Some(whole_text(error)),
        };
        self.log_edit(&self.foundation.config.roster_file, problem);
    }

    fn reload_profiles(&mut self) {
        let problem = match Profiles::reload(&self.foundation.config) {
            Ok(profiles) => {
                self.rules.profiles = Arc::new(profiles);
                self.dock_profiles
                    .send_replace(Arc::clone(&self.rules.profiles));
                self.workers.set_profiles(&self.rules.profiles);
                None
            }
            Err(error) => Some(whole_text(error)),
        };
        let files = self.rules.profiles.files.iter();
        let files: Vec<PathBuf> = files.map(|(file, _)| file.clone()).collect();
        for file in files {
            self.log_edit(&file, problem.clone());
        }
    }

    fn reload_config(&mut self) {
        let path = self.foundation.config.path.clone();
        let problem = match Config::load(&path) {
            Ok(loaded) => {
                self.rules.accept_unknown = loaded.config.ingest.accept_unknown;
                self.rules.max_files = loaded.config.ingest.max_files;
                self.reload_pages(&loaded.config);
                tracing::info!(file = %path.display(), next_step = "restart the service for all other settings (`systemctl restart camdock`)",
                    "camdock.toml was read again: the pages' tokens and certificate and [ingest] take effect now");
                None
            }
            Err(error) => Some(whole_text(error)),
        };
        self.log_edit(&path, problem);
    }

    fn reload_pages(&self, config: &Config) {
        let Some(pages) = self.interfaces.pages() else {
            return;
        };
        if let Err(error) = pages.reload(config, &self.foundation.secrets) {
            metrics::error(error.label());
            tracing::error!(
                code = error.label(),
                error = &error as &dyn std::error::Error,
                next_step = error.next_step(),
                "the pages keep the certificate they had"
            );
        }
    }

    /// `problem` is the reason why the edit was refused.
    fn log_edit(&self, file: &Path, problem: Option<String>) {
        match &problem {
            None => tracing::info!(file = %file.display(), "configuration reloaded"),
            Some(reason) => {
                tracing::error!(code = "config_refused", file = %file.display(), reason, next_step = "correct the file; the last good one stays in use", "a configuration edit was refused");
            }
        }
        let Some(sha256) = digest_of(file) else {
            return;
        };
        let name = file.file_name().unwrap_or_default();
        let event = ConfigChanged {
            file: name.to_string_lossy().into_owned(),
            sha256,
            accepted: problem.is_none(),
            reason: problem,
        };
        let logged = self
            .foundation
            .shared
            .log_event(None, Event::ConfigChanged(event));
        if let Err(error) = logged {
            tracing::error!(code = error.label(), %error, next_step = error.next_step(), "cannot enter a configuration change in the log");
        }
    }
}

/// With all of its causes.
fn whole_text(error: ConfigError) -> String {
    format!("{:#}", anyhow::Error::new(error))
}

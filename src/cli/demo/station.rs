//! The station of a demo that stays up.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::net::UnixStream;

use super::service::Service;
use crate::cli::load_config;
use crate::model::{BayStatus, StatusView};

/// The log has to stay as it is for this long before the work counts as done: previews follow the footage.
const STILL: Duration = Duration::from_secs(3);
const POLL: Duration = Duration::from_millis(200);

pub struct RunningStation {
    service: Service,
    socket: PathBuf,
    /// The last printed state of each bay.
    printed: BTreeMap<String, &'static str>,
}

impl RunningStation {
    pub fn start(program: &Path, config: &Path, dir: &Path) -> anyhow::Result<Self> {
        Ok(Self {
            service: Service::start(program, config, &["run"], dir, "station")?,
            socket: load_config(config)?.files.status_socket(),
            printed: BTreeMap::new(),
        })
    }

    pub async fn until_ready(&mut self) -> anyhow::Result<()> {
        self.until(|_| true).await
    }

    /// Waits until every docked camera is stored and nothing more is written to the log.
    pub async fn until_stored(&mut self, cameras: usize) -> anyhow::Result<()> {
        let mut last = (0, Instant::now());
        self.until(|view| {
            let stored = view
                .bays
                .iter()
                .filter(|bay| matches!(bay.status, BayStatus::AllStored { .. }));
            let busy =
                !view.outbound.at_work.is_empty() || !view.outbound.previews.at_work.is_empty();
            if stored.count() != cameras || busy || view.log_entries != last.0 {
                last = (view.log_entries, Instant::now());
            }
            last.1.elapsed() >= STILL
        })
        .await
    }

    pub async fn until_empty(&mut self) -> anyhow::Result<()> {
        self.until(|view| {
            view.bays
                .iter()
                .all(|bay| matches!(bay.status, BayStatus::Empty))
        })
        .await
    }

    /// Prints each bay's state when it changes, until `done`.
    async fn until(&mut self, mut done: impl FnMut(&StatusView) -> bool) -> anyhow::Result<()> {
        loop {
            self.service.still_runs()?;
            if let Some(view) = self.status().await {
                self.print(&view);
                if done(&view) {
                    return Ok(());
                }
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// One look at the station, if it answers.
    async fn status(&self) -> Option<StatusView> {
        let stream = UnixStream::connect(&self.socket).await.ok()?;
        let mut lines = BufReader::new(stream).lines();
        serde_json::from_str(&lines.next_line().await.ok()??).ok()
    }

    fn print(&mut self, view: &StatusView) {
        let states: BTreeMap<String, &'static str> = view
            .bays
            .iter()
            .map(|bay| (bay.bay.to_string(), state(&bay.status)))
            .collect();
        for bay in self.printed.keys().filter(|bay| !states.contains_key(*bay)) {
            println!("   {bay}: empty");
        }
        for (bay, state) in &states {
            if self.printed.get(bay) != Some(state) {
                println!("   {bay}: {state}");
            }
        }
        self.printed = states;
    }

    /// Waits until the station ends although nobody stopped it.
    pub async fn ended(&mut self) -> anyhow::Error {
        self.service.ended().await
    }
}

const fn state(status: &BayStatus) -> &'static str {
    match status {
        BayStatus::Empty => "empty",
        BayStatus::NotRecognised { .. } => "not recognised",
        BayStatus::Reading { .. } => "reading, leave docked",
        BayStatus::WaitingForWitness { .. } => "secured here, waiting for witness",
        BayStatus::SafeToRemove { .. } => "safe to remove",
        BayStatus::Wiping { .. } => "emptying, leave docked",
        BayStatus::AllStored { .. } => "all stored",
        BayStatus::NeedsAttention { .. } => "needs attention",
    }
}

//! The running station: the parts that it owns, the order in which they are opened, and the reverse order in which they are
//! closed.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use anyhow::Context as _;
use sd_notify::NotifyState;
use tokio::sync::{mpsc, watch};

use super::docking::{Docking, IntakeRules};
use super::foundation::Foundation;
use super::imports::Imports;
use super::interfaces::Interfaces;
use super::office_acts::OfficeActs;
use super::page_backend::Heartbeat;
use super::workers::Workers;
use super::{loglimit, parts};
use crate::config::{self, Changed, Config, ConfigWatch, Loaded, Profiles};
use crate::dock::usb::Sysfs;
use crate::dock::{DockEvent, DockWatch, UsbWatchSettings, WatchSettings};
use crate::ingest::{Outbound, WipeMeans};
use crate::model::{Event, StationStopped};
use crate::{metrics, sys};

/// The options of a run.
#[derive(Debug, Default)]
pub struct Options {
    /// Exit once nothing docked is left to do and everything is stored.
    pub drain: bool,
    /// With `drain`: send nothing to the store, and exit once everything docked is secured here.
    pub until_secured: bool,
    /// Instead of `/sys`, for tests of USB without hardware.
    pub sysfs: Option<PathBuf>,
}

/// The end of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    AllStored,
    NeedsAttention,
    Stopped,
}

/// Runs the station until a signal, or until drained.
pub async fn run(loaded: Loaded, options: Options) -> anyhow::Result<Ended> {
    let mut station = Box::pin(Station::open(loaded, options)).await?;
    let ended = station.serve().await;
    station.close(ended).await
}

/// Everything that runs, in the order of opening.
pub(super) struct Station {
    pub options: Options,
    pub outbound: Arc<Outbound>,
    pub heartbeat: Arc<Heartbeat>,
    pub interfaces: Interfaces,
    pub workers: Workers,
    /// Tells workers and interfaces to end.
    stop: watch::Sender<bool>,
    pub rules: IntakeRules,
    /// The dock's copy of the profiles.
    pub dock_profiles: watch::Sender<Arc<Profiles>>,
    config_watch: ConfigWatch,
    pub config_edits: mpsc::Receiver<Changed>,
    dock: DockWatch,
    pub dock_events: mpsc::Receiver<DockEvent>,
    pub docking: Docking,
    pub imports: Arc<Imports>,
    /// Every docked folder and port was scanned once.
    pub first_scan_done: bool,
    /// Since when a docked camera cannot continue and no other is at work.
    pub stuck_since: Option<Instant>,
    /// Last, because everything above uses it.
    pub foundation: Foundation,
}

impl Station {
    async fn open(loaded: Loaded, options: Options) -> anyhow::Result<Self> {
        let Loaded {
            config,
            roster,
            profiles,
            warnings,
        } = loaded;
        warn_of_unwise(warnings);
        sys::forbid_core_dumps();
        let figures = metrics::install().context("cannot set up the metrics")?;
        metrics::begin_station();
        let (foundation, publisher) = Foundation::open(config).await?;
        let (config, shared) = (&foundation.config, &foundation.shared);
        let outbound = Arc::new(parts::outbound(
            config,
            shared,
            Arc::clone(&publisher.copy.store),
        )?);
        let (stop, stopped) = watch::channel(false);
        let heartbeat = Arc::new(Heartbeat::default());
        let imports = Arc::new(Imports::new(config, Arc::clone(shared)));
        imports
            .serve_drops(&config.import.folders)
            .context("cannot watch the folders of [import]")?;
        let interfaces = Interfaces::open(&foundation, &outbound, &heartbeat, &imports, figures)?;
        let profiles = Arc::new(profiles);
        let previews = parts::previews(config, shared, &outbound, &profiles)?;
        let uploads = !options.until_secured;
        let acts = OfficeActs::new(config, shared, &publisher.copy.store)?;
        let workers = Workers::start(
            &outbound,
            previews,
            acts,
            publisher,
            foundation.witnesses.clone(),
            uploads,
            &stopped,
        );
        let rules = IntakeRules {
            roster: Arc::new(roster),
            profiles: Arc::clone(&profiles),
            accept_unknown: config.ingest.accept_unknown,
            max_files: config.ingest.max_files,
            config: Arc::new(config.clone()),
            wiping: Arc::new(wipe_means(config, &outbound)),
        };
        let (config_watch, config_edits) = config::watch(config);
        let (dock_profiles, profiles_now) = watch::channel(profiles);
        let (dock, dock_events) = watch_docks(config, options.sysfs.clone(), profiles_now)?;
        Ok(Self {
            docking: Docking::new(Arc::clone(shared)),
            imports,
            first_scan_done: config.dock.folders.is_empty() && !config.dock.usb,
            stuck_since: None,
            options,
            outbound,
            heartbeat,
            interfaces,
            workers,
            stop,
            rules,
            dock_profiles,
            config_watch,
            config_edits,
            dock,
            dock_events,
            foundation,
        })
    }

    /// Closes in the reverse order of opening: no new footage, then the log's last entry, then what sends it away.
    async fn close(mut self, ended: anyhow::Result<Ended>) -> anyhow::Result<Ended> {
        let _ = sd_notify::notify(&[NotifyState::Stopping]);
        let reason = match &ended {
            Ok(Ended::Stopped) => "asked to stop".to_owned(),
            Ok(_) => "drained".to_owned(),
            Err(error) => format!("{error:#}"),
        };
        tracing::info!(reason, "the station stops");
        let shared = self.foundation.shared;
        shared.stop.store(true, Ordering::Relaxed);
        self.interfaces.stop_commands().await;
        self.dock.stop().await;
        self.config_watch.stop().await;
        tokio::task::block_in_place(|| {
            self.docking.stop();
            self.imports.stop();
        });
        shared.commit.lock().take();
        tokio::task::block_in_place(|| join_committer(self.foundation.committer));
        let stopped = Event::StationStopped(StationStopped { reason });
        let logged = tokio::task::block_in_place(|| shared.log_event(None, stopped));
        let _ = self.stop.send(true);
        self.workers.join().await;
        self.interfaces.close().await;
        let closed = tokio::task::block_in_place(|| shared.log.close());
        loglimit::report_left_out(true);
        let ended = ended?;
        logged?;
        closed?;
        Ok(ended)
    }
}

fn warn_of_unwise(warnings: Vec<String>) {
    for warning in warnings {
        tracing::warn!(
            code = "config_unwise",
            warning,
            next_step = "edit the configuration file if this is not meant so",
            "the configuration works, but is unwise"
        );
    }
}

fn wipe_means(config: &Config, outbound: &Outbound) -> WipeMeans {
    WipeMeans {
        policy: config.wipe_policy_file(),
        helper: config.files.wipe_socket(),
        store: Arc::clone(&outbound.store),
        layout: config.bucket_layout(),
        runtime: tokio::runtime::Handle::current(),
    }
}

fn watch_docks(
    config: &Config,
    sysfs: Option<PathBuf>,
    profiles: watch::Receiver<Arc<Profiles>>,
) -> anyhow::Result<(DockWatch, mpsc::Receiver<DockEvent>)> {
    let usb = config.dock.usb.then(|| UsbWatchSettings {
        sysfs: Sysfs::new(sysfs.unwrap_or_else(|| "/sys".into())),
        bays: config.dock.bays.clone(),
        numbers: config.files.bay_numbers(),
        profiles,
    });
    Ok(DockWatch::start(WatchSettings {
        folders: config.dock.folders.clone(),
        scan_interval: config.dock.scan_interval,
        usb,
    })?)
}

fn join_committer(committer: std::thread::JoinHandle<()>) {
    if committer.join().is_err() {
        tracing::error!(
            code = "committer_gone",
            next_step = "restart the service and report the log lines before this one",
            "the committing thread panicked; its items are taken up at the next start"
        );
    }
}

//! The running station: start in order, supervise, drain, stop in the reverse order.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use parking_lot::Mutex;
use sd_notify::NotifyState;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

use super::docking::{Docking, Rules};
use super::drained::{drained, secured, totals};
use super::observed::{Beat, Observed};
use super::publisher::{Publisher, is_fatal};
use super::report::Report;
use super::{commands, indexer, lock, loglimit, pages, parts, restore, status};
use crate::audit::AuditError;
use crate::config::{self, Changed, Config, Loaded, Profiles, Roster, Secrets, digest_of};
use crate::dock::usb::Sysfs;
use crate::dock::{DockEvent, DockWatch, UsbWatchSettings, WatchSettings};
use crate::ingest::{Outbound, Shared, WipeMeans, recover, run_committer};
use crate::model::{
    ConfigChanged, Event, Explain as _, OutboundView, StationStarted, StationStopped,
};
use crate::upload::{PartMemory, Store};
use crate::web::Pages;
use crate::{durable, metrics, sys};

/// How the service is to run.
#[derive(Debug, Default)]
pub struct Options {
    /// Exit once nothing docked is left to do and everything is stored.
    pub drain: bool,
    /// With `drain`: send nothing to the store, and exit once everything docked is secured here.
    pub until_secured: bool,
    /// With `drain`: write figures of the run here.
    pub report: Option<PathBuf>,
    /// Instead of `/sys`, for tests of USB without hardware.
    pub sysfs: Option<PathBuf>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    AllStored,
    NeedsAttention,
    Stopped,
}

/// Runs the station until a signal, or until drained.
pub async fn run(loaded: Loaded, options: Options) -> anyhow::Result<Ended> {
    let began = Instant::now();
    let Loaded {
        config,
        roster,
        profiles,
        warnings,
    } = loaded;
    for warning in warnings {
        tracing::warn!(
            code = "config_unwise",
            warning,
            next_step = "edit the configuration file if this is not meant so",
            "the configuration works, but is unwise"
        );
    }
    sys::forbid_core_dumps();
    let figures = metrics::install().context("cannot set up the metrics")?;
    let secrets = Secrets::from_environment();
    durable::create_dir(config.files.state_dir())?;
    durable::create_dir(config.files.runtime_dir())?;
    let _lock = lock::lock(config.files.state_dir())?;
    restore::log_if_lost(&config, &secrets).await?;
    let opened = tokio::task::block_in_place(|| parts::open(&config, &secrets))?;
    let shared = opened.shared;
    let committer = {
        let (shared, commits) = (Arc::clone(&shared), opened.commits);
        std::thread::Builder::new()
            .name("committer".into())
            .spawn(move || run_committer(&shared, &commits))?
    };
    let recovered = tokio::task::block_in_place(|| recover(&shared))
        .context("cannot recover from the last stop")?;
    tracing::info!(
        ?recovered,
        log_entries = shared.log_size(),
        "journal, spool and log are in line"
    );
    let store: Arc<dyn Store> = Arc::new(parts::store(&config, &secrets)?);
    let mut publisher = Publisher {
        shared: Arc::clone(&shared),
        store: Arc::clone(&store),
        prefix: config.store.prefix.clone(),
        verifier: opened.verifier,
        checked: None,
    };
    match tokio::time::timeout(Duration::from_secs(15), publisher.check()).await {
        Ok(Err(error)) if is_fatal(&error) => {
            return Err(error).context("this station must not go on");
        }
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::warn!(
            code = error.label(),
            error = &error as &dyn std::error::Error,
            next_step = error.next_step(),
            "the store cannot be asked for its copy of the log; footage is taken all the same"
        ),
        Err(_) => tracing::warn!(
            code = "store_timeout",
            next_step = "check the network and the store's endpoint; it is asked again by itself",
            "the store does not answer; footage is taken all the same"
        ),
    }
    let log_key = publisher.verifier.to_string();
    tokio::task::block_in_place(|| log_start(&shared, log_key, recovered.in_flight))?;
    let outbound = Arc::new(Outbound {
        shared: Arc::clone(&shared),
        store,
        prefix: config.store.prefix.clone(),
        retention: parts::retention(&config),
        pacer: parts::pacer(&config)?,
        part_size: config.upload.part_size,
        parts_at_once: config.upload.parts_in_flight,
        memory: PartMemory::new(config.upload.part_size * config.upload.parts_in_flight as u64),
        keep: config.spool.keep,
        previews: config.preview.enabled,
        view: Mutex::new(OutboundView::default()),
        entries: crate::ingest::RecentEntries::default(),
    });
    let (stop, stopped) = watch::channel(false);
    let (fatal, mut failed) = mpsc::channel(1);
    let listener = status::listen(&config.files.status_socket())?;
    let serving = tokio::spawn(status::serve(
        listener,
        Arc::clone(&shared),
        Arc::clone(&outbound),
    ));
    let beat = Arc::new(Beat::default());
    let observed = Observed::new(
        Arc::clone(&shared),
        Arc::clone(&outbound),
        Arc::clone(&beat),
        config.dock.folders.iter().map(|f| f.path.clone()).collect(),
        config.files.verification(),
        config.files.completeness(),
    );
    let entries = indexer::open(&config.files.entry_index());
    let archive = pages::archive(&config, &shared, entries.clone());
    let pages = pages::start(&config, &secrets, observed, archive, figures);
    let indexing = entries
        .map(|entries| tokio::spawn(indexer::run(shared.log.clone(), entries, stopped.clone())));
    let commands = commands::listen(&config.files.command_socket())?;
    let commanding = tokio::spawn(commands::serve(commands, Arc::clone(&shared)));
    let uploads =
        (!options.until_secured).then(|| tokio::spawn(Arc::clone(&outbound).run(stopped.clone())));
    let profiles = Arc::new(profiles);
    let previews = parts::previews(&config, &shared, &outbound, &profiles)?
        .filter(|_| !options.until_secured)
        .map(Arc::new);
    let previewing = previews
        .as_ref()
        .map(|previews| tokio::spawn(Arc::clone(previews).run(stopped.clone())));
    let publishing = tokio::spawn(publisher.run(stopped, fatal));
    let mut rules = Rules {
        roster: Arc::new(roster),
        profiles,
        accept_unknown: config.ingest.accept_unknown,
        max_files: config.ingest.max_files,
        config: Arc::new(config.clone()),
        wiping: Arc::new(WipeMeans {
            policy: config.wipe_policy_file(),
            helper: config.files.wipe_socket(),
            store: Arc::clone(&outbound.store),
            prefix: config.store.prefix.clone(),
            runtime: tokio::runtime::Handle::current(),
        }),
    };
    let (profiles, profiles_now) = watch::channel(Arc::clone(&rules.profiles));
    let (config_watch, mut edits) = config::watch(&config);
    let (dock, mut events) = DockWatch::start(WatchSettings {
        folders: config.dock.folders.clone(),
        scan_interval: config.dock.scan_interval,
        usb: config.dock.usb.then(|| UsbWatchSettings {
            sysfs: Sysfs::new(options.sysfs.clone().unwrap_or_else(|| "/sys".into())),
            bays: config.dock.bays.clone(),
            numbers: config.files.bay_numbers(),
            profiles: profiles_now,
        }),
    })?;
    let mut docking = Docking::new(Arc::clone(&shared));
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut bays = shared.bays.changes();
    let mut tick = tokio::time::interval(Duration::from_millis(500));
    let mut report = Report::default();
    let mut first_look = config.dock.folders.is_empty() && !config.dock.usb;
    sd_notify::notify(&[NotifyState::Ready])?;
    crate::sys::forget_code();
    tracing::info!(station = %shared.station, folders = config.dock.folders.len(), drain = options.drain, "the station is ready");

    let served = pages.as_ref().map(|pages| (pages, &secrets));
    let ended: anyhow::Result<Ended> = loop {
        tokio::select! {
            event = events.recv() => match event {
                Some(event) => {
                    if matches!(event, DockEvent::Arrived { .. }) {
                        report.docked(began);
                    }
                    first_look |= handle(event, &mut docking, &rules);
                }
                None => break Err(anyhow::anyhow!("the watch on docked folders has ended")),
            },
            Some(changed) = edits.recv() => {
                tokio::task::block_in_place(|| reload(&config, changed, &mut rules, &shared, served));
                profiles.send_if_modified(|now| {
                    let changed = !Arc::ptr_eq(now, &rules.profiles);
                    now.clone_from(&rules.profiles);
                    changed
                });
                if let Some(previews) = &previews {
                    previews.set_profiles(Arc::clone(&rules.profiles));
                }
            }
            Some(error) = failed.recv() => break Err(error).context("this station must not go on"),
            _ = hangup.recv() => {
                let all = Changed { config: true, roster: true, profiles: true };
                let _ = sd_notify::notify(&[NotifyState::Reloading, NotifyState::monotonic_usec_now()?]);
                tokio::task::block_in_place(|| reload(&config, all, &mut rules, &shared, served));
                let _ = sd_notify::notify(&[NotifyState::Ready]);
            }
            _ = terminate.recv() => break Ok(Ended::Stopped),
            _ = interrupt.recv() => break Ok(Ended::Stopped),
            _ = bays.changed() => {}
            _ = tick.tick() => {}
        }
        if shared.log.stopped() {
            break Err(AuditError::Poisoned).context("the custody log stopped");
        }
        if committer.is_finished() {
            break Err(anyhow::anyhow!(
                "the thread that commits sealed files has ended: please report this"
            ));
        }
        beat.beat();
        loglimit::tell_left_out(false);
        sd_notify::notify(&[NotifyState::Watchdog])?;
        if options.drain && first_look && docking.all_settled() {
            report.secured(began);
            if options.until_secured {
                break Ok(secured(&shared));
            }
            if let Some(ended) = tokio::task::block_in_place(|| drained(&shared, &outbound))?
                && !(ended == Ended::AllStored && docking.to_wipe())
            {
                break Ok(ended);
            }
        }
    };

    let _ = sd_notify::notify(&[NotifyState::Stopping]);
    let reason = match &ended {
        Ok(Ended::Stopped) => "told to stop".to_owned(),
        Ok(_) => "drained".to_owned(),
        Err(error) => format!("{error:#}"),
    };
    tracing::info!(reason, "the station stops");
    shared.stop.store(true, Ordering::Relaxed);
    commanding.abort();
    dock.stop().await;
    config_watch.stop().await;
    tokio::task::block_in_place(|| docking.stop(&reason));
    shared.commit.lock().take();
    if tokio::task::block_in_place(|| committer.join()).is_err() {
        tracing::error!(
            code = "committer_gone",
            next_step = "restart the service and report the log lines before this one",
            "the committing thread panicked; its items are taken up at the next start"
        );
    }
    let stopped = Event::StationStopped(StationStopped { reason });
    let noted = tokio::task::block_in_place(|| shared.log_event(None, stopped));
    let _ = stop.send(true);
    for task in [uploads, previewing].into_iter().flatten() {
        let _ = task.await;
    }
    let _ = publishing.await;
    if let Some(pages) = pages {
        pages.stop().await;
    }
    serving.abort();
    if let Some(indexing) = indexing {
        let _ = indexing.await;
    }
    for socket in [config.files.status_socket(), config.files.command_socket()] {
        let _ = std::fs::remove_file(socket);
    }
    if let Some(path) = &options.report {
        let totals = totals(&shared)?;
        (report.files, report.bytes) = (totals.files, totals.bytes);
        report.write(began, path)?;
    }
    let closed = tokio::task::block_in_place(|| shared.log.close());
    loglimit::tell_left_out(true);
    let ended = ended?;
    noted?;
    closed?;
    Ok(ended)
}

/// Returns true once all folders were looked at.
fn handle(event: DockEvent, docking: &mut Docking, rules: &Rules) -> bool {
    match event {
        DockEvent::Arrived {
            bay,
            target,
            profile,
        } => {
            tokio::task::block_in_place(|| docking.arrived(bay, target, profile, rules.clone()));
        }
        DockEvent::Plugged { bay, .. } => docking.plugged(bay),
        DockEvent::Locked {
            bay,
            device,
            profile,
        } => docking.locked(bay, device, &profile, rules.clone()),
        DockEvent::Left { bay, reason } => docking.left(&bay, &reason.to_string()),
        DockEvent::Refused { bay, reason } => {
            tokio::task::block_in_place(|| docking.refused(&bay, &reason));
        }
        DockEvent::Touched { bay } => docking.touched(&bay),
        DockEvent::RootMissing { root, reason } => {
            tracing::error!(code = "docked_folder_missing", root = %root.display(), reason,
            next_step = "make the folder, or correct [dock] folders in camdock.toml", "a docked folder's root is missing");
        }
        DockEvent::RootBack { root } => {
            tracing::info!(root = %root.display(), "a docked folder's root is back");
        }
        DockEvent::FirstLookDone => return true,
    }
    false
}

fn log_start(shared: &Shared, log_key: String, recovered: u64) -> anyhow::Result<()> {
    let clock = sys::clock_state();
    metrics::clock(clock.synchronised);
    let started = StationStarted {
        version: env!("CARGO_PKG_VERSION").into(),
        clock,
        log_size: shared.log_size(),
        log_key,
        recipients: shared
            .recipients
            .iter()
            .map(crate::seal::Recipient::fingerprint)
            .collect(),
        recovered,
    };
    shared.log_event(None, Event::StationStarted(started))?;
    Ok(())
}

/// Takes over a changed roster or profiles; a bad edit is reported and the last good one stays.
fn reload(
    config: &Config,
    changed: Changed,
    rules: &mut Rules,
    shared: &Shared,
    pages: Option<(&Pages, &Secrets)>,
) {
    let tell = |file: &std::path::Path, problem: Option<String>| {
        match &problem {
            None => tracing::info!(file = %file.display(), "configuration reloaded"),
            Some(reason) => {
                tracing::error!(code = "config_refused", file = %file.display(), reason, next_step = "correct the file; the last good one stays in use", "a configuration edit was refused");
            }
        }
        let name = file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if let Some(sha256) = digest_of(file) {
            let event = ConfigChanged {
                file: name,
                sha256,
                accepted: problem.is_none(),
                reason: problem,
            };
            if let Err(error) = shared.log_event(None, Event::ConfigChanged(event)) {
                tracing::error!(code = error.label(), %error, next_step = error.next_step(), "cannot enter a configuration change in the log");
            }
        }
    };
    if changed.roster {
        let loaded = Roster::reload(config).map(|roster| rules.roster = Arc::new(roster));
        tell(
            &config.roster_file,
            loaded.err().map(|e| format!("{:#}", anyhow::Error::new(e))),
        );
    }
    if changed.profiles {
        let loaded = Profiles::reload(config).map(|profiles| rules.profiles = Arc::new(profiles));
        let problem = loaded.err().map(|e| format!("{:#}", anyhow::Error::new(e)));
        let files: Vec<PathBuf> = rules
            .profiles
            .files
            .iter()
            .map(|(file, _)| file.clone())
            .collect();
        for file in files {
            tell(&file, problem.clone());
        }
    }
    if changed.config {
        let loaded = Config::load(&config.path);
        if let Ok(new) = &loaded {
            rules.accept_unknown = new.config.ingest.accept_unknown;
            rules.max_files = new.config.ingest.max_files;
            if let Some((pages, secrets)) = pages
                && let Err(error) = pages.reload(&new.config, secrets)
            {
                metrics::error(error.label());
                tracing::error!(
                    code = error.label(),
                    error = &error as &dyn std::error::Error,
                    next_step = error.next_step(),
                    "the pages keep the certificate they had"
                );
            }
            tracing::info!(file = %config.path.display(), next_step = "restart the service for all other settings (`systemctl restart camdock`)",
                "camdock.toml was read again: the pages' tokens and certificate and [ingest] take effect now");
        }
        tell(
            &config.path,
            loaded.err().map(|e| format!("{:#}", anyhow::Error::new(e))),
        );
    }
}

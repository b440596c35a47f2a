//! The station's main loop: passes on what happens, feeds the watchdog, and notices when nothing is left to do.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use sd_notify::NotifyState;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio::time::Interval;

use super::drain::{drained, report_unfinished, secured};
use super::loglimit;
use super::service::{Ended, Station};
use crate::audit::AuditError;
use crate::config::Changed;
use crate::dock::DockEvent;
use crate::ingest::Shared;
use crate::publish::PublishError;
use crate::sys;

/// The watchdog is fed at least this often.
const TICK: Duration = Duration::from_millis(500);

/// A camera that cannot continue for this long needs a person; before that, room may just be about to come.
const STUCK_FOR: Duration = Duration::from_secs(10);

/// The events that the loop waits for, besides those of the station's own parts.
struct LoopInputs {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    bays: watch::Receiver<u64>,
    tick: Interval,
}

enum Wakeup {
    /// `None`: the watch has ended.
    Dock(Option<DockEvent>),
    ConfigEdited(Changed),
    Contradiction(PublishError),
    Hangup,
    Stop,
    /// A bay changed, or time has passed.
    Look,
}

impl LoopInputs {
    fn new(shared: &Shared) -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
            bays: shared.bays.changes(),
            tick: tokio::time::interval(TICK),
        })
    }
}

impl Station {
    /// Runs until a signal, until drained, or until the station must not continue.
    pub(super) async fn serve(&mut self) -> anyhow::Result<Ended> {
        let mut inputs = LoopInputs::new(&self.foundation.shared)?;
        self.announce_ready()?;
        loop {
            match self.next(&mut inputs).await {
                Wakeup::Dock(Some(event)) => self.dock_event(event),
                Wakeup::Dock(None) => bail!("the watch on docked folders has ended"),
                Wakeup::ConfigEdited(changed) => {
                    tokio::task::block_in_place(|| self.reload(changed));
                }
                Wakeup::Contradiction(error) => {
                    return Err(error).context("this station must not continue");
                }
                Wakeup::Hangup => self.reload_all()?,
                Wakeup::Stop => return Ok(Ended::Stopped),
                Wakeup::Look => {}
            }
            self.check_essential_parts()?;
            self.heartbeat.beat();
            self.foundation.shared.log_room.take();
            loglimit::report_left_out(false);
            sd_notify::notify(&[NotifyState::Watchdog])?;
            if let Some(ended) = self.drained()? {
                return Ok(ended);
            }
        }
    }

    fn announce_ready(&self) -> anyhow::Result<()> {
        sd_notify::notify(&[NotifyState::Ready])?;
        sys::forget_code();
        let folders = self.foundation.config.dock.folders.len();
        tracing::info!(station = %self.foundation.shared.station, folders, drain = self.options.drain, "the station is ready");
        Ok(())
    }

    async fn next(&mut self, inputs: &mut LoopInputs) -> Wakeup {
        tokio::select! {
            event = self.dock_events.recv() => Wakeup::Dock(event),
            Some(changed) = self.config_edits.recv() => Wakeup::ConfigEdited(changed),
            error = self.workers.contradiction() => Wakeup::Contradiction(error),
            _ = inputs.hangup.recv() => Wakeup::Hangup,
            _ = inputs.terminate.recv() => Wakeup::Stop,
            _ = inputs.interrupt.recv() => Wakeup::Stop,
            _ = inputs.bays.changed() => Wakeup::Look,
            () = self.foundation.shared.upload_done.notified(), if self.options.drain => Wakeup::Look,
            _ = inputs.tick.tick() => Wakeup::Look,
        }
    }

    fn reload_all(&mut self) -> anyhow::Result<()> {
        let all = Changed {
            config: true,
            roster: true,
            profiles: true,
        };
        let since = NotifyState::monotonic_usec_now()?;
        let _ = sd_notify::notify(&[NotifyState::Reloading, since]);
        tokio::task::block_in_place(|| self.reload(all));
        let _ = sd_notify::notify(&[NotifyState::Ready]);
        Ok(())
    }

    fn dock_event(&mut self, event: DockEvent) {
        let (docking, at_start) = (&mut self.docking, !self.first_scan_done);
        match event {
            DockEvent::Arrived {
                bay,
                target,
                profile,
            } => {
                let rules = self.rules.clone();
                tokio::task::block_in_place(|| {
                    docking.arrived(bay, target, profile, at_start, rules);
                });
            }
            DockEvent::Plugged { bay, .. } => docking.plugged(bay, at_start),
            DockEvent::Locked {
                bay,
                device,
                profile,
            } => docking.locked(bay, device, &profile, at_start, self.rules.clone()),
            DockEvent::Left { bay, reason } => docking.left(&bay, reason),
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
            DockEvent::FirstLookDone => {
                tracing::debug!("every camera that was there at the start has been seen");
                self.first_scan_done = true;
            }
        }
    }

    /// Without its log or its committing thread the station can secure nothing.
    fn check_essential_parts(&self) -> anyhow::Result<()> {
        if self.foundation.shared.log.stopped() {
            return Err(AuditError::Poisoned).context("the custody log stopped");
        }
        if self.foundation.committer.is_finished() {
            bail!("the thread that commits sealed files has ended: please report this");
        }
        Ok(())
    }

    /// Decides whether a run with `drain` has ended, and how.
    fn drained(&mut self) -> anyhow::Result<Option<Ended>> {
        let at_rest = self.docking.all_at_rest() && self.imports.all_at_rest();
        if !(self.options.drain && self.first_scan_done && at_rest) {
            self.stuck_since = None;
            return Ok(None);
        }
        let shared = &self.foundation.shared;
        let witnesses = self.foundation.witnesses.as_deref();
        let stuck = self.docking.any_stuck();
        let ended = if self.options.until_secured {
            secured(shared, witnesses)
        } else {
            tokio::task::block_in_place(|| drained(shared, &self.outbound, witnesses, stuck))?
        };
        let ended = ended.filter(|ended| !(*ended == Ended::AllStored && self.docking.to_wipe()));
        if stuck {
            let since = *self.stuck_since.get_or_insert_with(Instant::now);
            if since.elapsed() < STUCK_FOR {
                return Ok(None);
            }
        }
        if ended == Some(Ended::NeedsAttention) {
            tokio::task::block_in_place(|| report_unfinished(shared, &self.outbound, witnesses))?;
        }
        Ok(ended)
    }
}

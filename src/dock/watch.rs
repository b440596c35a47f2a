//! Runs the watch: one thread a configured folder, so that one that hangs stops no other; one task that classifies.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc as blocking;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use super::classify::{Docked, Look};
use super::scan::{self, Ears};
use super::{DockError, DockEvent};
use crate::config::DockFolder;
use crate::model::BayName;

/// Events that belong together mostly come within this.
const COALESCE: Duration = Duration::from_millis(50);
/// How often hints from inside the cameras are passed on.
const TOUCH_EVERY: Duration = Duration::from_secs(1);
/// How long a stop waits for a look that hangs in the kernel.
const STOP_WAIT: Duration = Duration::from_secs(5);
const EVENTS_WAITING: usize = 64;
const LOG_LINES_A_MINUTE: u32 = 6;

enum Report {
    Look(usize, Look),
    Touched(usize, Vec<u8>),
}

/// Owns everything that watches docked folders; [`FolderWatch::stop`] ends and joins it.
pub struct FolderWatch {
    stopping: Arc<AtomicBool>,
    stop: watch::Sender<bool>,
    scanners: Vec<(blocking::SyncSender<()>, thread::JoinHandle<()>)>,
    task: Option<tokio::task::JoinHandle<()>>,
}

impl FolderWatch {
    /// Starts watching; what is there already arrives first. Must be called within a tokio runtime.
    pub fn start(
        folders: &[DockFolder],
        scan_interval: Duration,
    ) -> Result<(Self, mpsc::Receiver<DockEvent>), DockError> {
        let (events, receiver) = mpsc::channel(EVENTS_WAITING);
        let (reports, reported) = mpsc::channel(folders.len().max(1));
        let (stop, stopped) = watch::channel(false);
        let mut this = Self {
            stopping: Arc::default(),
            stop,
            scanners: Vec::new(),
            task: None,
        };
        for (index, folder) in folders.iter().enumerate() {
            let (wake, woken) = blocking::sync_channel(1);
            let scanner = Scanner {
                index,
                root: folder.path.clone(),
                interval: scan_interval,
                reports: reports.clone(),
                stopping: Arc::clone(&this.stopping),
            };
            let ears = Ears::new(&folder.path, wake.clone());
            let thread = thread::Builder::new()
                .name(format!("dock-{index}"))
                .spawn(move || scanner.run(ears, &woken))
                .map_err(|source| DockError::Thread {
                    root: folder.path.clone(),
                    source,
                })?;
            this.scanners.push((wake, thread));
        }
        let docked = Docked::new(folders.to_vec());
        this.task = Some(tokio::spawn(classify(docked, reported, events, stopped)));
        Ok((this, receiver))
    }

    /// Ends all threads and the task and waits for them; one that hangs in the kernel is left behind after 5 s.
    pub async fn stop(mut self) {
        self.signal();
        if let Some(task) = self.task.take()
            && let Err(error) = task.await
        {
            tracing::error!(%error, "the dock's classifier ended badly");
        }
        let deadline = Instant::now() + STOP_WAIT;
        for (_, thread) in self.scanners.drain(..) {
            while !thread.is_finished() && Instant::now() < deadline {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            if !thread.is_finished() {
                tracing::error!(
                    thread = thread.thread().name(),
                    "a look at a docked folder hangs; left behind"
                );
            } else if thread.join().is_err() {
                tracing::error!("a look at a docked folder ended badly");
            }
        }
    }

    fn signal(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        let _ = self.stop.send(true);
        for (wake, _) in &self.scanners {
            let _ = wake.try_send(());
        }
    }
}

impl Drop for FolderWatch {
    fn drop(&mut self) {
        self.signal();
    }
}

struct Scanner {
    index: usize,
    root: PathBuf,
    interval: Duration,
    reports: mpsc::Sender<Report>,
    stopping: Arc<AtomicBool>,
}

impl Scanner {
    fn run(self, mut ears: Ears, woken: &blocking::Receiver<()>) {
        let mut touched_at = Instant::now();
        let mut heard = ears.take();
        while !self.stopping.load(Ordering::Relaxed) {
            ears.attend_root();
            let look = scan::look(&self.root);
            ears.attend_cameras(&look, &heard);
            if self
                .reports
                .blocking_send(Report::Look(self.index, look))
                .is_err()
            {
                return;
            }
            let untold = std::mem::take(&mut heard.inside);
            heard = ears.take();
            heard.inside.extend(untold);
            let looked_at = Instant::now();
            loop {
                let until_look = self.interval.saturating_sub(looked_at.elapsed());
                let until_touch = TOUCH_EVERY.saturating_sub(touched_at.elapsed());
                let pause = if heard.inside.is_empty() {
                    until_look
                } else {
                    until_look.min(until_touch)
                };
                match woken.recv_timeout(pause) {
                    Ok(()) => thread::sleep(COALESCE.min(self.interval)),
                    Err(blocking::RecvTimeoutError::Timeout) => {}
                    Err(blocking::RecvTimeoutError::Disconnected) => return,
                }
                if self.stopping.load(Ordering::Relaxed) {
                    return;
                }
                heard.merge(ears.take());
                if touched_at.elapsed() >= TOUCH_EVERY {
                    for name in std::mem::take(&mut heard.inside) {
                        touched_at = Instant::now();
                        let report = Report::Touched(self.index, name);
                        if self.reports.blocking_send(report).is_err() {
                            return;
                        }
                    }
                }
                if heard.look || heard.new_folder() || looked_at.elapsed() >= self.interval {
                    break;
                }
            }
        }
    }
}

async fn classify(
    mut docked: Docked,
    mut reported: mpsc::Receiver<Report>,
    events: mpsc::Sender<DockEvent>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut log = LogLimit::default();
    loop {
        let report = tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => return,
            report = reported.recv() => match report {
                Some(report) => report,
                None => return,
            },
        };
        let found = match report {
            Report::Look(root, look) => docked.observe(root, look),
            Report::Touched(root, name) => docked
                .bay(root, &name)
                .map(|bay| DockEvent::Touched { bay: bay.clone() })
                .into_iter()
                .collect(),
        };
        for event in found {
            log.event(&event);
            tokio::select! {
                _ = stopped.wait_for(|stop| *stop) => return,
                sent = events.send(event) => if sent.is_err() { return },
            }
        }
    }
}

/// A bay that comes and goes all the time must not fill the station's log.
#[derive(Default)]
struct LogLimit {
    bays: BTreeMap<BayName, (Instant, u32)>,
}

impl LogLimit {
    fn event(&mut self, event: &DockEvent) {
        match event {
            DockEvent::Arrived { bay, root, profile } => {
                if self.allows(bay) {
                    tracing::info!(%bay, root = %root.display(), profile, "camera arrived");
                }
            }
            DockEvent::Left { bay, reason } => {
                if self.allows(bay) {
                    tracing::info!(%bay, %reason, "camera left");
                }
            }
            DockEvent::Refused { bay, reason } => {
                if self.allows(bay) {
                    tracing::warn!(%bay, reason, "refused");
                }
            }
            DockEvent::RootMissing { root, reason } => {
                tracing::warn!(root = %root.display(), reason, "a configured folder can't be looked at");
            }
            DockEvent::RootBack { root } => {
                tracing::info!(root = %root.display(), "a configured folder is back");
            }
            DockEvent::Touched { .. } | DockEvent::FirstLookDone => {}
        }
    }

    fn allows(&mut self, bay: &BayName) -> bool {
        let now = Instant::now();
        if self.bays.len() > 1024 {
            self.bays
                .retain(|_, (since, _)| now - *since < Duration::from_mins(1));
        }
        let (since, count) = self.bays.entry(bay.clone()).or_insert((now, 0));
        if now - *since >= Duration::from_mins(1) {
            if *count > LOG_LINES_A_MINUTE {
                tracing::info!(%bay, "{} more lines were left out", *count - LOG_LINES_A_MINUTE);
            }
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        if *count == LOG_LINES_A_MINUTE + 1 {
            tracing::warn!(%bay, "comes and goes: its log lines are left out for a minute; check the bay's contacts and cable");
        }
        *count <= LOG_LINES_A_MINUTE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bay_that_flaps_gets_a_bounded_number_of_log_lines() {
        let mut log = LogLimit::default();
        let bay = BayName::new("bay-1");
        let allowed = (0..1000).filter(|_| log.allows(&bay)).count();
        assert_eq!(allowed, LOG_LINES_A_MINUTE as usize);
        assert!(log.allows(&BayName::new("bay-2")));
    }
}

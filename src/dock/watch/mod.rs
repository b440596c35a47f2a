//! Runs the watch: one thread a configured folder, so that one that hangs stops no other; one task that classifies.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc as blocking;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use super::classify::{Docked, Look};
use super::event_log::EventLog;
use super::scan::{self, Ears};
use super::usb::{Around, Hints, Plug, Plugged, Ports, Sysfs};
use super::{DockError, DockEvent};
use crate::config::{Bay, DockFolder, Profiles};
use crate::durable;
use crate::model::Explain as _;

/// Events that belong together mostly come within this.
const COALESCE: Duration = Duration::from_millis(50);
/// How often hints from inside the cameras are passed on.
const TOUCH_EVERY: Duration = Duration::from_secs(1);
/// How long a stop waits for a look that hangs in the kernel.
const STOP_WAIT: Duration = Duration::from_secs(5);
const EVENTS_WAITING: usize = 64;
/// After a hint USB is looked at again this soon, while the kernel and udev still work on the device.
const QUICK_LOOKS: [Duration; 4] = [
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
];

enum Report {
    Look(usize, Look),
    Touched(usize, Vec<u8>),
    Usb(Vec<Plug>),
}

/// What a station watches.
pub struct Watched {
    pub folders: Vec<DockFolder>,
    pub scan_interval: Duration,
    pub usb: Option<UsbWatched>,
}

pub struct UsbWatched {
    /// `/sys`.
    pub sysfs: Sysfs,
    pub bays: Vec<Bay>,
    /// Keeps the numbers of the other bays.
    pub numbers: PathBuf,
    /// As they are now; a change looks again at what was left alone.
    pub profiles: watch::Receiver<Arc<Profiles>>,
}

/// Owns everything that watches docked folders and USB; [`DockWatch::stop`] ends and joins it.
pub struct DockWatch {
    stopping: Arc<AtomicBool>,
    stop: watch::Sender<bool>,
    scanners: Vec<(blocking::SyncSender<()>, thread::JoinHandle<()>)>,
    task: Option<tokio::task::JoinHandle<()>>,
    hints: Option<Hints>,
}

impl DockWatch {
    /// Starts watching; what is there already arrives first. Must be called within a tokio runtime.
    pub fn start(watched: Watched) -> Result<(Self, mpsc::Receiver<DockEvent>), DockError> {
        let Watched {
            folders,
            scan_interval,
            usb,
        } = watched;
        let (events, receiver) = mpsc::channel(EVENTS_WAITING);
        let (reports, reported) = mpsc::channel(folders.len() + 1);
        let (stop, stopped) = watch::channel(false);
        let mut this = Self {
            stopping: Arc::default(),
            stop,
            scanners: Vec::new(),
            task: None,
            hints: None,
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
                    what: folder.path.display().to_string(),
                    source,
                })?;
            this.scanners.push((wake, thread));
        }
        let mut classifier = Classifier {
            docked: Docked::new(folders),
            plugged: Plugged::default(),
            ports: open_ports(usb.as_ref()),
            numbers: usb.as_ref().map(|usb| usb.numbers.clone()),
            profiles: usb.as_ref().map(|usb| usb.profiles.clone()),
            usb_looked_at: usb.is_none(),
            folders_looked_at: false,
            told: false,
            began: Instant::now(),
        };
        classifier.folders_looked_at = classifier.docked.nothing_to_look_at();
        if let Some(usb) = usb {
            let (wake, woken) = blocking::sync_channel(1);
            this.hints = Hints::start(wake.clone());
            let scanner = UsbScanner {
                sysfs: usb.sysfs,
                interval: scan_interval,
                reports,
                stopping: Arc::clone(&this.stopping),
            };
            let thread = thread::Builder::new()
                .name("dock-usb".into())
                .spawn(move || scanner.run(&woken))
                .map_err(|source| DockError::Thread {
                    what: "USB".into(),
                    source,
                })?;
            this.scanners.push((wake, thread));
        }
        this.task = Some(tokio::spawn(classify(
            classifier, reported, events, stopped,
        )));
        Ok((this, receiver))
    }

    /// Ends all threads and the task and waits for them; one that hangs in the kernel is left behind after 5 s.
    pub async fn stop(mut self) {
        self.signal();
        if let Some(mut hints) = self.hints.take() {
            hints.stop();
        }
        if let Some(task) = self.task.take()
            && let Err(error) = task.await
        {
            tracing::error!(code = "part_crashed", %error, next_step = "report this with the log lines before it", "the dock's classifier ended badly");
        }
        let deadline = Instant::now() + STOP_WAIT;
        for (_, thread) in self.scanners.drain(..) {
            while !thread.is_finished() && Instant::now() < deadline {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            if !thread.is_finished() {
                tracing::error!(
                    code = "folder_hangs",
                    thread = thread.thread().name(),
                    next_step = "look at the disk or network drive behind the docked folders: it does not answer",
                    "a look at a docked folder hangs; left behind"
                );
            } else if thread.join().is_err() {
                tracing::error!(
                    code = "part_crashed",
                    next_step = "report this with the log lines before it",
                    "a look at a docked folder ended badly"
                );
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

impl Drop for DockWatch {
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

struct UsbScanner {
    sysfs: Sysfs,
    interval: Duration,
    reports: mpsc::Sender<Report>,
    stopping: Arc<AtomicBool>,
}

impl UsbScanner {
    fn run(self, woken: &blocking::Receiver<()>) {
        let mut quick = 0;
        let mut failing = false;
        while !self.stopping.load(Ordering::Relaxed) {
            match self.sysfs.scan() {
                Ok(plugs) => {
                    failing = false;
                    if self.reports.blocking_send(Report::Usb(plugs)).is_err() {
                        return;
                    }
                }
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(code = "no_usb", %error, next_step = "load the kernel's USB drivers, or set `usb = false` in [dock]", "this machine has no USB to look at");
                    }
                    // No USB at all means that nothing is plugged in; anything else is unclear.
                    if error.kind() == std::io::ErrorKind::NotFound
                        && self.reports.blocking_send(Report::Usb(Vec::new())).is_err()
                    {
                        return;
                    }
                }
            }
            let pause = QUICK_LOOKS
                .get(quick)
                .map_or(self.interval, |q| *q.min(&self.interval));
            match woken.recv_timeout(pause) {
                Ok(()) => {
                    quick = 0;
                    thread::sleep(COALESCE.min(self.interval));
                }
                Err(blocking::RecvTimeoutError::Timeout) => quick += 1,
                Err(blocking::RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}

fn open_ports(usb: Option<&UsbWatched>) -> Ports {
    let bays = usb.map_or(&[][..], |usb| &usb.bays);
    let saved = usb.and_then(|usb| std::fs::read(&usb.numbers).ok());
    Ports::new(bays, saved.as_deref()).unwrap_or_else(|error| {
        let file = usb.map(|usb| usb.numbers.display().to_string());
        tracing::error!(code = "bay_numbers_lost", file, %error, next_step = "name the bays in [dock] of camdock.toml, so that labels on the sockets stay true", "the numbers of the bays cannot be read; they are given anew");
        Ports::unsaved(bays)
    })
}

/// Everything that decides, and what it was told last.
struct Classifier {
    docked: Docked,
    plugged: Plugged,
    ports: Ports,
    numbers: Option<PathBuf>,
    profiles: Option<watch::Receiver<Arc<Profiles>>>,
    usb_looked_at: bool,
    folders_looked_at: bool,
    told: bool,
    began: Instant,
}

impl Classifier {
    fn take(&mut self, report: Report) -> Vec<DockEvent> {
        let mut events = match report {
            Report::Look(root, look) => self.docked.observe(root, look, &mut self.ports),
            Report::Touched(root, name) => self
                .docked
                .bay(root, &name)
                .map(|bay| DockEvent::Touched { bay: bay.clone() })
                .into_iter()
                .collect(),
            Report::Usb(plugs) => {
                self.usb_looked_at = true;
                self.usb(plugs)
            }
        };
        let before = events.len();
        events.retain(|event| *event != DockEvent::FirstLookDone);
        self.folders_looked_at |= events.len() < before;
        // What is still on its way was docked before the start, too.
        let settled = self.plugged.pending().is_empty() && !self.docked.pending();
        if self.usb_looked_at && self.folders_looked_at && settled && !self.told {
            self.told = true;
            events.push(DockEvent::FirstLookDone);
        }
        if let (Some(file), Some(bytes)) = (&self.numbers, self.ports.take_changed())
            && let Err(error) = durable::write_atomic(file, &bytes)
        {
            tracing::error!(
                code = error.label(),
                error = &error as &dyn std::error::Error,
                next_step = error.next_step(),
                "the number of a bay cannot be kept"
            );
        }
        events
    }

    fn usb(&mut self, plugs: Vec<Plug>) -> Vec<DockEvent> {
        let Some(profiles) = &self.profiles else {
            return Vec::new();
        };
        let profiles = Arc::clone(&profiles.borrow());
        let docked = &self.docked;
        let around = Around {
            profiles: &profiles,
            mounted: &|plug| docked.mounted(plug),
            now: self.began.elapsed(),
        };
        self.plugged.observe(plugs, &around, &mut self.ports)
    }
}

async fn classify(
    mut classifier: Classifier,
    mut reported: mpsc::Receiver<Report>,
    events: mpsc::Sender<DockEvent>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut log = EventLog::default();
    loop {
        let report = tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => return,
            report = reported.recv() => match report {
                Some(report) => report,
                None => return,
            },
        };
        for event in classifier.take(report) {
            log.write(&event);
            tokio::select! {
                _ = stopped.wait_for(|stop| *stop) => return,
                sent = events.send(event) => if sent.is_err() { return },
            }
        }
    }
}

#[cfg(test)]
mod tests;

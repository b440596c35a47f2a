//! Runs the watch: one thread for each configured folder, so that a hanging one stops no other, and one task that turns
//! their scans into events.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc as blocking;
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::{mpsc, watch};

use super::docked_folders::{DockedFolders, FolderScan};
use super::event_log::EventLog;
use super::folder_scan::{self, FolderWatches};
use super::usb::{HotplugListener, Plug, Ports, ScanContext, Sysfs, UsbSlots};
use super::{DockError, DockEvent};
use crate::config::{Bay, DockFolder, Profiles};
use crate::durable;
use crate::model::Explain as _;

/// Events that belong together usually come within this time.
const COALESCE: Duration = Duration::from_millis(50);
/// The pause between hints about changes inside cameras.
const TOUCH_EVERY: Duration = Duration::from_secs(1);
/// The longest time that a stop waits for a scan that hangs in the kernel.
const STOP_WAIT: Duration = Duration::from_secs(5);
const EVENTS_WAITING: usize = 64;
/// Pauses between USB scans after a hint, while the kernel and udev still work on the device.
const QUICK_SCANS: [Duration; 4] = [
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
];

enum ScanReport {
    Folder(usize, FolderScan),
    Touched(usize, Vec<u8>),
    Usb(Vec<Plug>),
}

/// Everything that a station watches.
pub struct WatchSettings {
    pub folders: Vec<DockFolder>,
    pub scan_interval: Duration,
    pub usb: Option<UsbWatchSettings>,
}

pub struct UsbWatchSettings {
    /// `/sys`.
    pub sysfs: Sysfs,
    pub bays: Vec<Bay>,
    /// The file that keeps the numbers of the other bays.
    pub numbers: PathBuf,
    /// The current profiles; after a change, devices that matched none are classified again.
    pub profiles: watch::Receiver<Arc<Profiles>>,
}

/// Owns the threads and the task of the watch; [`DockWatch::stop`] ends and joins them.
pub struct DockWatch {
    stopping: Arc<AtomicBool>,
    stop: watch::Sender<bool>,
    scanners: Vec<(blocking::SyncSender<()>, thread::JoinHandle<()>)>,
    task: Option<tokio::task::JoinHandle<()>>,
    hints: Option<HotplugListener>,
}

impl DockWatch {
    /// Starts watching; cameras that are docked already arrive first. Must be called within a tokio runtime.
    pub fn start(watched: WatchSettings) -> Result<(Self, mpsc::Receiver<DockEvent>), DockError> {
        let WatchSettings {
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
            let scanner = FolderScanner {
                index,
                root: folder.path.clone(),
                interval: scan_interval,
                reports: reports.clone(),
                stopping: Arc::clone(&this.stopping),
            };
            let watches = FolderWatches::new(&folder.path, wake.clone());
            let thread = thread::Builder::new()
                .name(format!("dock-{index}"))
                .spawn(move || scanner.run(watches, &woken))
                .map_err(|source| DockError::Thread {
                    what: folder.path.display().to_string(),
                    source,
                })?;
            this.scanners.push((wake, thread));
        }
        let mut classifier = Classifier {
            docked: DockedFolders::new(folders),
            plugged: UsbSlots::default(),
            ports: open_ports(usb.as_ref()),
            numbers: usb.as_ref().map(|usb| usb.numbers.clone()),
            profiles: usb.as_ref().map(|usb| usb.profiles.clone()),
            usb_scanned: usb.is_none(),
            folders_scanned: false,
            first_scan_reported: false,
            began: Instant::now(),
        };
        classifier.folders_scanned = classifier.docked.nothing_to_scan();
        if let Some(usb) = usb {
            let (wake, woken) = blocking::sync_channel(1);
            this.hints = HotplugListener::start(wake.clone());
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
            tracing::error!(code = "part_crashed", %error, next_step = "report this with the log lines before it", "the dock's classifier panicked");
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
                    next_step = "check the disk or network drive behind the docked folders: it does not answer",
                    "the scan of a docked folder hangs and was left behind"
                );
            } else if thread.join().is_err() {
                tracing::error!(
                    code = "part_crashed",
                    next_step = "report this with the log lines before it",
                    "the scan of a docked folder panicked"
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

struct FolderScanner {
    index: usize,
    root: PathBuf,
    interval: Duration,
    reports: mpsc::Sender<ScanReport>,
    stopping: Arc<AtomicBool>,
}

impl FolderScanner {
    fn run(self, mut watches: FolderWatches, woken: &blocking::Receiver<()>) {
        let mut touched_at = Instant::now();
        let mut changes = watches.take();
        while !self.stopping.load(Ordering::Relaxed) {
            watches.watch_root();
            let scan = folder_scan::scan(&self.root);
            watches.watch_cameras(&scan, &changes);
            if self
                .reports
                .blocking_send(ScanReport::Folder(self.index, scan))
                .is_err()
            {
                return;
            }
            let unreported = std::mem::take(&mut changes.inside);
            changes = watches.take();
            changes.inside.extend(unreported);
            let scanned_at = Instant::now();
            loop {
                let until_scan = self.interval.saturating_sub(scanned_at.elapsed());
                let until_touch = TOUCH_EVERY.saturating_sub(touched_at.elapsed());
                let pause = if changes.inside.is_empty() {
                    until_scan
                } else {
                    until_scan.min(until_touch)
                };
                match woken.recv_timeout(pause) {
                    Ok(()) => thread::sleep(COALESCE.min(self.interval)),
                    Err(blocking::RecvTimeoutError::Timeout) => {}
                    Err(blocking::RecvTimeoutError::Disconnected) => return,
                }
                if self.stopping.load(Ordering::Relaxed) {
                    return;
                }
                changes.merge(watches.take());
                if touched_at.elapsed() >= TOUCH_EVERY {
                    for name in std::mem::take(&mut changes.inside) {
                        touched_at = Instant::now();
                        let report = ScanReport::Touched(self.index, name);
                        if self.reports.blocking_send(report).is_err() {
                            return;
                        }
                    }
                }
                if changes.top || changes.new_folder() || scanned_at.elapsed() >= self.interval {
                    break;
                }
            }
        }
    }
}

struct UsbScanner {
    sysfs: Sysfs,
    interval: Duration,
    reports: mpsc::Sender<ScanReport>,
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
                    if self.reports.blocking_send(ScanReport::Usb(plugs)).is_err() {
                        return;
                    }
                }
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(code = "no_usb", %error, next_step = "load the kernel's USB drivers, or set `usb = false` in [dock]", "this machine has no USB");
                    }
                    // Without USB, nothing is plugged in; any other error proves nothing.
                    if error.kind() == std::io::ErrorKind::NotFound
                        && self
                            .reports
                            .blocking_send(ScanReport::Usb(Vec::new()))
                            .is_err()
                    {
                        return;
                    }
                }
            }
            let pause = QUICK_SCANS
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

fn open_ports(usb: Option<&UsbWatchSettings>) -> Ports {
    let bays = usb.map_or(&[][..], |usb| &usb.bays);
    let saved = usb.and_then(|usb| std::fs::read(&usb.numbers).ok());
    Ports::new(bays, saved.as_deref()).unwrap_or_else(|error| {
        let file = usb.map(|usb| usb.numbers.display().to_string());
        tracing::error!(code = "bay_numbers_lost", file, %error, next_step = "name the bays in [dock] of camdock.toml, so that labels on the sockets stay true", "the numbers of the bays cannot be read; new ones are given");
        Ports::unsaved(bays)
    })
}

/// All state that decides which events are sent.
struct Classifier {
    docked: DockedFolders,
    plugged: UsbSlots,
    ports: Ports,
    numbers: Option<PathBuf>,
    profiles: Option<watch::Receiver<Arc<Profiles>>>,
    usb_scanned: bool,
    folders_scanned: bool,
    first_scan_reported: bool,
    began: Instant,
}

impl Classifier {
    fn take(&mut self, report: ScanReport) -> Vec<DockEvent> {
        let mut events = match report {
            ScanReport::Folder(root, scan) => self.docked.observe(root, scan, &mut self.ports),
            ScanReport::Touched(root, name) => self
                .docked
                .bay(root, &name)
                .map(|bay| DockEvent::Touched { bay: bay.clone() })
                .into_iter()
                .collect(),
            ScanReport::Usb(plugs) => {
                self.usb_scanned = true;
                self.usb(plugs)
            }
        };
        let before = events.len();
        events.retain(|event| *event != DockEvent::FirstLookDone);
        self.folders_scanned |= events.len() < before;
        // A device that is still being mounted or unlocked was also docked before the start.
        let settled = self.plugged.pending().is_empty() && !self.docked.pending();
        if self.usb_scanned && self.folders_scanned && settled && !self.first_scan_reported {
            self.first_scan_reported = true;
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
        let context = ScanContext {
            profiles: &profiles,
            mounted: &|plug| docked.mounted(plug),
            now: self.began.elapsed(),
        };
        self.plugged.observe(plugs, &context, &mut self.ports)
    }
}

async fn classify(
    mut classifier: Classifier,
    mut reported: mpsc::Receiver<ScanReport>,
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

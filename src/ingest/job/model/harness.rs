//! The hook at the failpoints that injects faults, and a disk that forgets what was not synced.

use std::cell::RefCell;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use rustix::io::Errno;
use tokio::sync::watch;

use super::cameras::Cameras;
use super::reference::{Reference, SealedPlaces};
use super::scenario::{BAYS, Fault};
use super::store::MemoryStore;
use crate::audit::MemoryLog;
use crate::failpoint::hook::{self, Act};
use crate::ingest::Shared;

/// Failed writes to a broken log after which somebody restarts the service.
const PATIENCE: u8 = 3;

/// The files that a power cut would take.
#[derive(Default)]
pub struct Unsynced {
    contents: HashSet<PathBuf>,
    names: Vec<PathBuf>,
}

impl Unsynced {
    fn see(&mut self, name: &str, path: &Path) {
        match name {
            "sync appended" | "ask written" => {
                self.contents.remove(path);
            }
            "remove" => {
                self.contents.remove(path);
                self.names.retain(|name| name != path);
            }
            "rename" => {
                let part = path.with_extension("part");
                if self.contents.remove(&part) {
                    self.contents.insert(path.to_owned());
                }
                self.names.push(path.to_owned());
            }
            "sync folder" => self.names.clear(),
            "sync filesystem" => *self = Self::default(),
            _ => {
                self.contents.insert(path.to_owned());
            }
        }
    }

    pub fn has(&self, path: &Path) -> bool {
        self.contents.contains(path) || self.names.iter().any(|name| name == path)
    }

    /// Half of what was not synced is lost, and every name that was not.
    pub fn lose(&mut self) {
        for path in &self.contents {
            if let Ok(bytes) = std::fs::read(path) {
                std::fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
            }
        }
        for name in &self.names {
            if name.extension().is_some_and(|end| end == "sealed") && name.exists() {
                std::fs::rename(name, name.with_extension("part")).unwrap();
            }
        }
        *self = Self::default();
    }
}

pub struct Harness {
    pub cameras: Cameras,
    pub reference: Reference,
    pub store: Arc<MemoryStore>,
    pub log: MemoryLog,
    pub docked: [Option<usize>; BAYS],
    pub shared: Weak<Shared>,
    pub views: Option<watch::Receiver<u64>>,
    pub unsynced: Unsynced,
    pub armed: Option<(u16, Fault)>,
    disk: Option<(Errno, u8)>,
    log_full: u8,
    log_breaks: bool,
    proof_fails: u8,
    refused: u8,
    no_room: u8,
    /// A file could not be removed: it may lie in the spool until the next start.
    pub unremoved: bool,
    /// The first broken promise.
    pub broken: Option<String>,
}

impl Harness {
    pub fn new() -> Self {
        Self {
            cameras: Cameras::new(),
            reference: Reference::default(),
            store: Arc::default(),
            log: MemoryLog::default(),
            docked: [None; BAYS],
            shared: Weak::new(),
            views: None,
            unsynced: Unsynced::default(),
            armed: None,
            disk: None,
            log_full: 0,
            log_breaks: false,
            proof_fails: 0,
            refused: 0,
            no_room: 0,
            unremoved: false,
            broken: None,
        }
    }

    /// Asks this harness at every point that this thread passes.
    pub fn connect(this: &Rc<RefCell<Self>>) {
        let this = Rc::clone(this);
        hook::set(Some(Box::new(move |name, path| {
            // The scenario itself is using the harness.
            this.try_borrow_mut()
                .map_or(Act::Pass, |mut harness| harness.at(name, path))
        })));
    }

    /// Disarms every fault.
    pub fn calm(&mut self) {
        (self.armed, self.disk) = (None, None);
        (self.log_full, self.log_breaks, self.no_room) = (0, false, 0);
        self.proof_fails = 0;
    }

    fn stop(&self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.stop.store(true, Ordering::Relaxed);
        }
    }

    fn at(&mut self, name: &str, path: Option<&Path>) -> Act {
        self.look(false);
        let spool = self.shared.upgrade().map(|s| s.spool.dir().to_owned());
        match name {
            "spool: free" if self.no_room > 0 => {
                self.no_room -= 1;
                return Act::Fail(Errno::NOSPC);
            }
            "memory log: proof" if self.proof_fails > 0 => {
                self.proof_fails -= 1;
                return Act::Fail(Errno::IO);
            }
            "spool: free" | "memory log: proof" => return Act::Pass,
            "memory log: append" if self.refused > 0 => {
                self.refused += 1;
                if self.refused > PATIENCE {
                    self.stop();
                }
                return Act::Pass;
            }
            "memory log: append" if self.log_full > 0 => {
                self.log_full -= 1;
                return Act::Fail(Errno::NOSPC);
            }
            "memory log: append" if self.log_breaks => {
                (self.log_breaks, self.refused) = (false, 1);
                return Act::Fail(Errno::IO);
            }
            _ => {}
        }
        let ours = path.filter(|path| spool.is_some_and(|spool| path.starts_with(spool)));
        if let Some((left, fault)) = self.armed {
            self.armed = Some((left.saturating_sub(1), fault));
            if left == 0 {
                self.armed = None;
                match fault {
                    Fault::PowerCut => return Act::Stop,
                    Fault::Stop => self.stop(),
                    Fault::Unplug { bay } => {
                        if let Some(device) = self.docked[bay].take() {
                            self.cameras.lock()[device].present = false;
                        }
                    }
                    Fault::DiskFull { times } => self.disk = Some((Errno::NOSPC, times)),
                    Fault::DiskError => self.disk = Some((Errno::IO, 1)),
                    Fault::LogFull { times } => self.log_full = times,
                    Fault::LogBroken => self.log_breaks = true,
                    Fault::ProofFails { times } => self.proof_fails = times,
                    Fault::NoRoom { times } => self.no_room = times,
                }
            }
        }
        if let Some(path) = ours {
            match &mut self.disk {
                Some((errno, times)) if *times > 0 => {
                    *times -= 1;
                    self.unremoved |= name == "remove";
                    return Act::Fail(*errno);
                }
                _ => self.unsynced.see(name, path),
            }
        }
        Act::Pass
    }

    /// Judges what the bays show, if they show something else than at the last look.
    pub fn look(&mut self, anyway: bool) {
        let changed = match &mut self.views {
            Some(views) => views.has_changed().unwrap_or(false) || anyway,
            None => false,
        };
        let Some(shared) = self.shared.upgrade().filter(|_| changed) else {
            return;
        };
        if let Some(views) = &mut self.views {
            views.borrow_and_update();
        }
        let read = self.read_log().and_then(|()| {
            let devices = self.cameras.lock();
            let places = SealedPlaces {
                spool: &shared.spool,
                store: &self.store,
                unsynced: &|path| self.unsynced.has(path),
            };
            let views = shared.bays.all();
            views
                .iter()
                .try_for_each(|view| self.reference.judge(view, &devices, &places))
        });
        if let Err(broken) = read {
            self.broken.get_or_insert(broken);
        }
    }

    pub fn read_log(&mut self) -> Result<(), String> {
        let news = self.log.since(self.reference.read());
        self.reference
            .absorb(&news, &self.cameras.lock(), &self.store)
    }

    /// After a restart, or at the end.
    pub fn kept(&self) -> Result<(), String> {
        let Some(shared) = self.shared.upgrade() else {
            return Ok(());
        };
        self.reference.kept(&SealedPlaces {
            spool: &shared.spool,
            store: &self.store,
            unsynced: &|path| self.unsynced.has(path),
        })
    }

    /// A new service.
    pub fn restarted(&mut self, shared: &Arc<Shared>) {
        self.shared = Arc::downgrade(shared);
        self.views = Some(shared.bays.changes());
        (self.refused, self.unremoved) = (0, false);
    }
}

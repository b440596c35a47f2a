//! Turns scans of the configured folders into dock events, by comparing each with what was docked before. No I/O, no clock.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use super::usb::{Plug, Ports};
use super::{DockEvent, LeftReason, Target};
use crate::config::DockFolder;
use crate::model::{BayName, Mounted};

/// Cameras in one configured folder at most; more than this suggests that the wrong folder was configured.
pub(super) const BAYS_MAX: usize = 256;

/// Distinguishes folders of the same name: device, inode, birth time and mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FolderId {
    pub device: (u32, u32),
    pub inode: u64,
    /// Seconds and nanoseconds; zero where the file system keeps none.
    pub born: (i64, u32),
    pub mount: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FolderEntry {
    Folder(FolderId),
    Symlink,
}

/// The result of one scan of a configured folder, without hidden names and files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum FolderScan {
    Entries {
        found: BTreeMap<Vec<u8>, FolderEntry>,
        /// The mount helper's markers of those folders.
        mounted: BTreeMap<Vec<u8>, Mounted>,
        /// There were more than [`BAYS_MAX`].
        too_many: bool,
    },
    /// The folder is not there.
    Missing(String),
    /// It could not be read this time: what was docked stays docked.
    Unclear(String),
}

#[derive(Debug)]
struct WatchedRoot {
    folder: DockFolder,
    problem: bool,
    scanned: bool,
    overflowing: bool,
    bays: BTreeMap<Vec<u8>, HeldFolder>,
}

#[derive(Debug)]
struct HeldFolder {
    found: FolderEntry,
    bay: BayName,
    mounted: Option<Mounted>,
    /// False while it is still being mounted.
    reported: bool,
}

/// The docked folders, as far as they were reported.
#[derive(Debug)]
pub(super) struct DockedFolders {
    roots: Vec<WatchedRoot>,
    names: BTreeSet<BayName>,
    first_scan_done: bool,
}

impl DockedFolders {
    pub fn new(folders: Vec<DockFolder>) -> Self {
        let roots = folders
            .into_iter()
            .map(|folder| WatchedRoot {
                folder,
                problem: false,
                scanned: false,
                overflowing: false,
                bays: BTreeMap::new(),
            })
            .collect();
        Self {
            roots,
            names: BTreeSet::new(),
            first_scan_done: false,
        }
    }

    /// The bay of a docked folder, for a hint about it.
    pub fn bay(&self, root: usize, name: &[u8]) -> Option<&BayName> {
        let held = self.roots.get(root)?.bays.get(name)?;
        (held.reported && matches!(held.found, FolderEntry::Folder(_))).then_some(&held.bay)
    }

    /// Whether the mount helper's folder of exactly this device was reported.
    pub fn mounted(&self, plug: &Plug) -> bool {
        let same = |mounted: &Mounted| {
            let device = &mounted.device;
            (&device.name, device.bus, device.address) == (&plug.name, plug.bus, plug.address)
        };
        self.roots
            .iter()
            .flat_map(|root| root.bays.values())
            .any(|held| held.reported && held.mounted.as_ref().is_some_and(same))
    }

    pub fn nothing_to_scan(&self) -> bool {
        self.roots.is_empty()
    }

    /// Whether a folder is still being mounted.
    pub fn pending(&self) -> bool {
        let held = self.roots.iter().flat_map(|root| root.bays.values());
        held.into_iter().any(|held| !held.reported)
    }

    /// Takes one scan. Departures come before arrivals, so that a bay is free before it is taken again.
    pub fn observe(&mut self, index: usize, scan: FolderScan, ports: &mut Ports) -> Vec<DockEvent> {
        let mut events = Vec::new();
        let Some(root) = self.roots.get_mut(index) else {
            return events;
        };
        root.scanned = true;
        let path = root.folder.path.clone();
        match scan {
            FolderScan::Unclear(reason) => root.missing(reason, &mut events),
            FolderScan::Missing(reason) => {
                for held in std::mem::take(&mut root.bays).into_values() {
                    leave(&mut self.names, &mut events, held, LeftReason::RootGone);
                }
                root.missing(reason, &mut events);
            }
            FolderScan::Entries {
                found,
                mut mounted,
                too_many,
            } => {
                if std::mem::take(&mut root.problem) {
                    events.push(DockEvent::RootBack { root: path.clone() });
                }
                let gone = |name: &Vec<u8>, was: &HeldFolder| match found.get(name) {
                    None => Some(LeftReason::Removed),
                    Some(now) if *now != was.found => Some(LeftReason::Replaced),
                    Some(_) if other_device(was.mounted.as_ref(), mounted.get(name)) => {
                        Some(LeftReason::Replaced)
                    }
                    Some(_) => None,
                };
                let left = root
                    .bays
                    .extract_if(.., |name, was| gone(name, was).is_some());
                for (name, was) in left {
                    let reason = gone(&name, &was).unwrap_or(LeftReason::Removed);
                    leave(&mut self.names, &mut events, was, reason);
                }
                for (name, now) in found {
                    let marker = mounted.remove(&name);
                    let own = path.join(OsStr::from_bytes(&name));
                    let held = match root.bays.entry(name) {
                        Entry::Occupied(held) => {
                            let held = held.into_mut();
                            if held.mounted == marker {
                                continue;
                            }
                            held.mounted = marker;
                            if held.reported {
                                events.push(DockEvent::Touched {
                                    bay: held.bay.clone(),
                                });
                            }
                            held
                        }
                        Entry::Vacant(free) => {
                            let wanted = marker.as_ref().map(|m| {
                                let device = &m.device;
                                ports.bay(&device.port, device.peer_port.as_deref())
                            });
                            let bay = free_name(&mut self.names, ports, wanted, free.key());
                            free.insert(HeldFolder {
                                found: now,
                                bay,
                                mounted: marker,
                                reported: false,
                            })
                        }
                    };
                    let ready = held.mounted.as_ref().is_none_or(Mounted::settled);
                    if !held.reported && ready {
                        held.reported = true;
                        events.push(arrival(own, &root.folder.profile, held));
                    }
                }
                if too_many && !root.overflowing {
                    events.push(DockEvent::Refused {
                        bay: BayName::new(&path.display().to_string()),
                        reason: format!(
                            "holds more than {BAYS_MAX} folders; those beyond are not read"
                        ),
                    });
                }
                root.overflowing = too_many;
            }
        }
        if !self.first_scan_done && self.roots.iter().all(|root| root.scanned) {
            self.first_scan_done = true;
            events.push(DockEvent::FirstLookDone);
        }
        events
    }
}

impl WatchedRoot {
    fn missing(&mut self, reason: String, events: &mut Vec<DockEvent>) {
        if !std::mem::replace(&mut self.problem, true) {
            let root: PathBuf = self.folder.path.clone();
            events.push(DockEvent::RootMissing { root, reason });
        }
    }
}

fn arrival(root: PathBuf, profile: &str, held: &HeldFolder) -> DockEvent {
    let bay = held.bay.clone();
    let target = match (held.found, &held.mounted) {
        (FolderEntry::Symlink, _) => {
            return DockEvent::Refused {
                bay,
                reason: "is a symbolic link, which is never followed".into(),
            };
        }
        (FolderEntry::Folder(_), None) => Target::Folder { root },
        (FolderEntry::Folder(_), Some(mounted)) => Target::Mounted {
            root,
            mounted: mounted.clone(),
        },
    };
    DockEvent::Arrived {
        bay,
        target,
        profile: profile.to_owned(),
    }
}

/// Whether the helper's folder now belongs to another device, or to none.
fn other_device(was: Option<&Mounted>, now: Option<&Mounted>) -> bool {
    match (was, now) {
        (Some(was), Some(now)) => {
            let id = |m: &Mounted| (m.device.name.clone(), m.device.bus, m.device.address);
            id(was) != id(now)
        }
        (None, None) => false,
        _ => true,
    }
}

fn leave(
    names: &mut BTreeSet<BayName>,
    events: &mut Vec<DockEvent>,
    held: HeldFolder,
    reason: LeftReason,
) {
    names.remove(&held.bay);
    if held.reported && matches!(held.found, FolderEntry::Folder(_)) {
        events.push(DockEvent::Left {
            bay: held.bay,
            reason,
        });
    }
}

/// Two folders can have the same displayed name (in two roots, with invalid bytes, or that of a USB bay): the later one
/// gets a number as a suffix.
fn free_name(
    names: &mut BTreeSet<BayName>,
    ports: &Ports,
    port: Option<BayName>,
    name: &[u8],
) -> BayName {
    let text = match &port {
        Some(bay) => bay.as_str().to_owned(),
        None => String::from_utf8_lossy(name).into_owned(),
    };
    let of_port = port.is_some();
    let mut bay = BayName::new(&text);
    let mut number = 2u64;
    while (!of_port && ports.owns(&bay)) || !names.insert(bay.clone()) {
        let short: String = text.chars().take(56).collect();
        bay = BayName::new(&format!("{short}~{number}"));
        number += 1;
    }
    bay
}

#[cfg(test)]
mod tests;

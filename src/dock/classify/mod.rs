//! The one classifier: what was docked, and what a look at a folder found, give the events. No I/O, no clock.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use super::usb::{Plug, Ports};
use super::{DockEvent, LeftReason, Target};
use crate::config::DockFolder;
use crate::model::{BayName, Mounted};

/// Cameras in one configured folder; more hints that the wrong folder was configured.
pub(super) const BAYS_MAX: usize = 256;

/// Tells one folder from another of the same name: device, inode, birth time and mount.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FolderId {
    pub device: (u32, u32),
    pub inode: u64,
    /// Seconds and nanoseconds; zero where the file system keeps none.
    pub born: (i64, u32),
    pub mount: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    Folder(FolderId),
    Symlink,
}

/// One look at a configured folder. Hidden names and files are left out already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Look {
    Entries {
        found: BTreeMap<Vec<u8>, Found>,
        /// Of those folders, what the mount helper says of them.
        mounted: BTreeMap<Vec<u8>, Mounted>,
        /// There were more than [`BAYS_MAX`].
        too_many: bool,
    },
    /// The folder is not there.
    Missing(String),
    /// It could not be looked at now: what was docked stays docked.
    Unclear(String),
}

#[derive(Debug)]
struct Root {
    folder: DockFolder,
    problem: bool,
    looked_at: bool,
    overflowing: bool,
    bays: BTreeMap<Vec<u8>, Held>,
}

#[derive(Debug)]
struct Held {
    found: Found,
    bay: BayName,
    mounted: Option<Mounted>,
    /// It was reported; what is still being mounted is not.
    told: bool,
}

/// What is docked, as far as it was reported.
#[derive(Debug)]
pub(super) struct Docked {
    roots: Vec<Root>,
    names: BTreeSet<BayName>,
    first_look_done: bool,
}

impl Docked {
    pub fn new(folders: Vec<DockFolder>) -> Self {
        let roots = folders
            .into_iter()
            .map(|folder| Root {
                folder,
                problem: false,
                looked_at: false,
                overflowing: false,
                bays: BTreeMap::new(),
            })
            .collect();
        Self {
            roots,
            names: BTreeSet::new(),
            first_look_done: false,
        }
    }

    /// The bay of a docked folder, for a hint about it.
    pub fn bay(&self, root: usize, name: &[u8]) -> Option<&BayName> {
        let held = self.roots.get(root)?.bays.get(name)?;
        (held.told && matches!(held.found, Found::Folder(_))).then_some(&held.bay)
    }

    /// Whether the helper's folder of just this device was reported.
    pub fn mounted(&self, plug: &Plug) -> bool {
        let same = |mounted: &Mounted| {
            let device = &mounted.device;
            (&device.name, device.bus, device.address) == (&plug.name, plug.bus, plug.address)
        };
        self.roots
            .iter()
            .flat_map(|root| root.bays.values())
            .any(|held| held.told && held.mounted.as_ref().is_some_and(same))
    }

    pub fn nothing_to_look_at(&self) -> bool {
        self.roots.is_empty()
    }

    /// Folders that are still being mounted.
    pub fn pending(&self) -> bool {
        let held = self.roots.iter().flat_map(|root| root.bays.values());
        held.into_iter().any(|held| !held.told)
    }

    /// Takes one look in. Departures come before arrivals, so that a bay is free before it is taken again.
    pub fn observe(&mut self, index: usize, look: Look, ports: &mut Ports) -> Vec<DockEvent> {
        let mut events = Vec::new();
        let Some(root) = self.roots.get_mut(index) else {
            return events;
        };
        root.looked_at = true;
        let path = root.folder.path.clone();
        match look {
            Look::Unclear(reason) => root.missing(reason, &mut events),
            Look::Missing(reason) => {
                for held in std::mem::take(&mut root.bays).into_values() {
                    leave(&mut self.names, &mut events, held, LeftReason::RootGone);
                }
                root.missing(reason, &mut events);
            }
            Look::Entries {
                found,
                mut mounted,
                too_many,
            } => {
                if std::mem::take(&mut root.problem) {
                    events.push(DockEvent::RootBack { root: path.clone() });
                }
                let gone = |name: &Vec<u8>, was: &Held| match found.get(name) {
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
                            if held.told {
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
                            free.insert(Held {
                                found: now,
                                bay,
                                mounted: marker,
                                told: false,
                            })
                        }
                    };
                    let ready = held.mounted.as_ref().is_none_or(Mounted::settled);
                    if !held.told && ready {
                        held.told = true;
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
        if !self.first_look_done && self.roots.iter().all(|root| root.looked_at) {
            self.first_look_done = true;
            events.push(DockEvent::FirstLookDone);
        }
        events
    }
}

impl Root {
    fn missing(&mut self, reason: String, events: &mut Vec<DockEvent>) {
        if !std::mem::replace(&mut self.problem, true) {
            let root: PathBuf = self.folder.path.clone();
            events.push(DockEvent::RootMissing { root, reason });
        }
    }
}

fn arrival(root: PathBuf, profile: &str, held: &Held) -> DockEvent {
    let bay = held.bay.clone();
    let target = match (held.found, &held.mounted) {
        (Found::Symlink, _) => {
            return DockEvent::Refused {
                bay,
                reason: "is a symbolic link, which is never followed".into(),
            };
        }
        (Found::Folder(_), None) => Target::Folder { root },
        (Found::Folder(_), Some(mounted)) => Target::Mounted {
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

/// The helper's folder is now that of another device, or of none.
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
    held: Held,
    reason: LeftReason,
) {
    names.remove(&held.bay);
    if held.told && matches!(held.found, Found::Folder(_)) {
        events.push(DockEvent::Left {
            bay: held.bay,
            reason,
        });
    }
}

/// Two folders can have one shown name (in two roots, with odd bytes, or that of a USB bay): the later one gets a number
/// behind.
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

//! The one classifier: what was docked, and what a look at a folder found, give the events. No I/O, no clock.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use super::{DockEvent, LeftReason};
use crate::config::DockFolder;
use crate::model::BayName;

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
    bays: BTreeMap<Vec<u8>, (Found, BayName)>,
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
        let (found, bay) = self.roots.get(root)?.bays.get(name)?;
        matches!(found, Found::Folder(_)).then_some(bay)
    }

    /// Takes one look in. Departures come before arrivals, so that a bay is free before it is taken again.
    pub fn observe(&mut self, index: usize, look: Look) -> Vec<DockEvent> {
        let mut events = Vec::new();
        let Some(root) = self.roots.get_mut(index) else {
            return events;
        };
        root.looked_at = true;
        let path = root.folder.path.clone();
        match look {
            Look::Unclear(reason) => root.missing(reason, &mut events),
            Look::Missing(reason) => {
                for (_, (found, bay)) in std::mem::take(&mut root.bays) {
                    leave(
                        &mut self.names,
                        &mut events,
                        found,
                        bay,
                        LeftReason::RootGone,
                    );
                }
                root.missing(reason, &mut events);
            }
            Look::Entries { found, too_many } => {
                if std::mem::take(&mut root.problem) {
                    events.push(DockEvent::RootBack { root: path.clone() });
                }
                let gone = |name: &Vec<u8>, was: &Found| match found.get(name) {
                    None => Some(LeftReason::Removed),
                    Some(now) if now != was => Some(LeftReason::Replaced),
                    Some(_) => None,
                };
                let left = root
                    .bays
                    .extract_if(.., |name, (was, _)| gone(name, was).is_some());
                for (name, (was, bay)) in left {
                    let reason = gone(&name, &was).unwrap_or(LeftReason::Removed);
                    leave(&mut self.names, &mut events, was, bay, reason);
                }
                for (name, now) in found {
                    if root.bays.contains_key(&name) {
                        continue;
                    }
                    let bay = free_name(&mut self.names, &name);
                    events.push(match now {
                        Found::Folder(_) => DockEvent::Arrived {
                            bay: bay.clone(),
                            root: path.join(OsStr::from_bytes(&name)),
                            profile: root.folder.profile.clone(),
                        },
                        Found::Symlink => DockEvent::Refused {
                            bay: bay.clone(),
                            reason: "is a symbolic link, which is never followed".into(),
                        },
                    });
                    root.bays.insert(name, (now, bay));
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

fn leave(
    names: &mut BTreeSet<BayName>,
    events: &mut Vec<DockEvent>,
    was: Found,
    bay: BayName,
    reason: LeftReason,
) {
    names.remove(&bay);
    if matches!(was, Found::Folder(_)) {
        events.push(DockEvent::Left { bay, reason });
    }
}

/// Two folders can have one shown name (in two roots, or with odd bytes): the later one gets a number behind.
fn free_name(names: &mut BTreeSet<BayName>, name: &[u8]) -> BayName {
    let text = String::from_utf8_lossy(name);
    let mut bay = BayName::new(&text);
    let mut number = 2u64;
    while !names.insert(bay.clone()) {
        let short: String = text.chars().take(56).collect();
        bay = BayName::new(&format!("{short}~{number}"));
        number += 1;
    }
    bay
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn folder(inode: u64) -> Found {
        Found::Folder(FolderId {
            device: (8, 1),
            inode,
            born: (1, 2),
            mount: 3,
        })
    }

    fn docked(roots: &[&str]) -> Docked {
        let folder = |path: &&str| DockFolder {
            path: path.into(),
            profile: "folder".into(),
        };
        Docked::new(roots.iter().map(folder).collect())
    }

    fn entries(list: &[(&str, Found)]) -> Look {
        Look::Entries {
            found: list
                .iter()
                .map(|(name, found)| (name.as_bytes().to_vec(), *found))
                .collect(),
            too_many: false,
        }
    }

    fn arrived(bay: &str, root: &str) -> DockEvent {
        DockEvent::Arrived {
            bay: BayName::new(bay),
            root: root.into(),
            profile: "folder".into(),
        }
    }

    fn left(bay: &str, reason: LeftReason) -> DockEvent {
        DockEvent::Left {
            bay: BayName::new(bay),
            reason,
        }
    }

    #[test]
    fn the_same_look_twice_gives_no_event() {
        let mut docked = docked(&["/m"]);
        let look = entries(&[("a", folder(1)), ("b", Found::Symlink)]);
        let first = docked.observe(0, look.clone());
        assert_eq!(first.len(), 3);
        assert_eq!(first[0], arrived("a", "/m/a"));
        assert!(matches!(&first[1], DockEvent::Refused { bay, .. } if bay.as_str() == "b"));
        assert_eq!(first[2], DockEvent::FirstLookDone);
        assert_eq!(docked.observe(0, look), []);
        // A symbolic link that goes was never docked.
        assert_eq!(docked.observe(0, entries(&[("a", folder(1))])), []);
    }

    #[test]
    fn a_folder_replaced_between_two_looks_left_and_arrived() {
        let mut docked = docked(&["/m"]);
        docked.observe(0, entries(&[("a", folder(1))]));
        let replaced = [left("a", LeftReason::Replaced), arrived("a", "/m/a")];
        assert_eq!(docked.observe(0, entries(&[("a", folder(2))])), replaced);
        // Even where the inode is the same but was born anew, or is mounted anew.
        let Found::Folder(id) = folder(2) else {
            unreachable!()
        };
        let born = Found::Folder(FolderId { born: (9, 9), ..id });
        assert_eq!(docked.observe(0, entries(&[("a", born)])), replaced);
        let mounted = Found::Folder(FolderId { mount: 9, ..id });
        assert_eq!(docked.observe(0, entries(&[("a", mounted)])), replaced);
    }

    #[test]
    fn a_missing_root_takes_its_cameras_along_and_an_unclear_one_does_not() {
        let mut docked = docked(&["/m", "/n"]);
        docked.observe(0, entries(&[("a", folder(1))]));
        docked.observe(1, entries(&[("b", folder(2))]));
        let missing = |root: &str| DockEvent::RootMissing {
            root: root.into(),
            reason: "x".into(),
        };
        let gone = docked.observe(0, Look::Missing("x".into()));
        assert_eq!(gone, [left("a", LeftReason::RootGone), missing("/m")]);
        assert_eq!(docked.observe(0, Look::Missing("x".into())), []);
        let back = DockEvent::RootBack { root: "/m".into() };
        let again = docked.observe(0, entries(&[("a", folder(1))]));
        assert_eq!(again, [back, arrived("a", "/m/a")]);
        assert_eq!(
            docked.observe(1, Look::Unclear("x".into())),
            [missing("/n")]
        );
        let back = DockEvent::RootBack { root: "/n".into() };
        assert_eq!(docked.observe(1, entries(&[("b", folder(2))])), [back]);
    }

    #[test]
    fn no_two_docked_cameras_share_a_bay_name() {
        let mut docked = docked(&["/m", "/n"]);
        docked.observe(
            0,
            entries(&[("a", folder(1)), ("x\ny", folder(2)), ("x\ty", folder(3))]),
        );
        let second = docked.observe(1, entries(&[("a", folder(4))]));
        assert_eq!(second[0], arrived("a~2", "/n/a"));
        assert_eq!(docked.bay(0, b"x\ny"), Some(&BayName::new("x?y~2")));
        assert_eq!(docked.bay(0, b"x\ty"), Some(&BayName::new("x?y")));
        let long = "l".repeat(64) + "1";
        let longer = "l".repeat(64) + "2";
        let events = docked.observe(
            1,
            entries(&[("a", folder(4)), (&long, folder(5)), (&longer, folder(6))]),
        );
        assert_eq!(events.len(), 2);
        assert_eq!(
            docked.bay(1, longer.as_bytes()).unwrap().as_str(),
            "l".repeat(56) + "~2"
        );
    }

    proptest! {
        /// Whatever is seen in whatever order, the events tell a consumer exactly what is docked.
        #[test]
        fn the_events_alone_tell_what_is_docked(
            looks in proptest::collection::vec((0usize..3, proptest::option::weighted(0.9, proptest::collection::btree_map(
                proptest::collection::vec(prop_oneof![Just(b'a'), Just(b'\n'), Just(0xff)], 1..3),
                prop_oneof![(1u64..4).prop_map(folder), Just(Found::Symlink)], 0..5)), any::<bool>()), 0..40)
        ) {
            let paths = ["/m", "/n", "/o"];
            let mut docked = docked(&paths);
            let mut told: BTreeMap<BayName, PathBuf> = BTreeMap::new();
            let mut truth: Vec<BTreeMap<Vec<u8>, Found>> = vec![BTreeMap::new(); 3];
            for (root, found, unclear) in looks {
                let look = match found {
                    Some(found) => {
                        truth[root].clone_from(&found);
                        Look::Entries { found, too_many: false }
                    }
                    None if unclear => Look::Unclear("x".into()),
                    None => {
                        truth[root].clear();
                        Look::Missing("x".into())
                    }
                };
                for event in docked.observe(root, look) {
                    match event {
                        DockEvent::Arrived { bay, root, .. } => prop_assert_eq!(told.insert(bay, root), None),
                        DockEvent::Left { bay, .. } => prop_assert!(told.remove(&bay).is_some()),
                        DockEvent::Refused { bay, .. } => prop_assert!(!told.contains_key(&bay)),
                        _ => {}
                    }
                }
                let mut expected: Vec<PathBuf> = truth.iter().zip(paths).flat_map(|(found, path)| {
                    found.iter().filter(|(_, f)| matches!(f, Found::Folder(_)))
                        .map(move |(name, _)| PathBuf::from(path).join(OsStr::from_bytes(name)))
                }).collect();
                let mut told: Vec<PathBuf> = told.values().cloned().collect();
                expected.sort();
                told.sort();
                prop_assert_eq!(told, expected);
            }
        }
    }
}

use super::*;
use proptest::prelude::*;

use crate::dock::usb::PlugState;
use crate::model::{MountedStorage, StorageState, UsbDevice};

fn folder(inode: u64) -> FolderEntry {
    FolderEntry::Folder(FolderId {
        device: (8, 1),
        inode,
        born: (1, 2),
        mount: 3,
    })
}

fn docked(roots: &[&str]) -> DockedFolders {
    let folder = |path: &&str| DockFolder {
        path: path.into(),
        profile: "folder".into(),
    };
    DockedFolders::new(roots.iter().map(folder).collect())
}

fn see(docked: &mut DockedFolders, root: usize, look: FolderScan) -> Vec<DockEvent> {
    docked.observe(root, look, &mut Ports::new(&[], None).unwrap())
}

fn entries(list: &[(&str, FolderEntry)]) -> FolderScan {
    FolderScan::Entries {
        found: list
            .iter()
            .map(|(name, found)| (name.as_bytes().to_vec(), *found))
            .collect(),
        mounted: BTreeMap::new(),
        too_many: false,
    }
}

fn arrived(bay: &str, root: &str) -> DockEvent {
    DockEvent::Arrived {
        bay: BayName::new(bay),
        target: Target::Folder { root: root.into() },
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
    let look = entries(&[("a", folder(1)), ("b", FolderEntry::Symlink)]);
    let first = see(&mut docked, 0, look.clone());
    assert_eq!(first.len(), 3);
    assert_eq!(first[0], arrived("a", "/m/a"));
    assert!(matches!(&first[1], DockEvent::Refused { bay, .. } if bay.as_str() == "b"));
    assert_eq!(first[2], DockEvent::FirstLookDone);
    assert_eq!(see(&mut docked, 0, look), []);
    // A symbolic link that is removed was never docked.
    assert_eq!(see(&mut docked, 0, entries(&[("a", folder(1))])), []);
}

#[test]
fn a_folder_replaced_between_two_looks_left_and_arrived() {
    let mut docked = docked(&["/m"]);
    see(&mut docked, 0, entries(&[("a", folder(1))]));
    let replaced = [left("a", LeftReason::Replaced), arrived("a", "/m/a")];
    assert_eq!(see(&mut docked, 0, entries(&[("a", folder(2))])), replaced);
    // Even where the inode is the same but was born anew, or is mounted anew.
    let FolderEntry::Folder(id) = folder(2) else {
        unreachable!()
    };
    let born = FolderEntry::Folder(FolderId { born: (9, 9), ..id });
    assert_eq!(see(&mut docked, 0, entries(&[("a", born)])), replaced);
    let mounted = FolderEntry::Folder(FolderId { mount: 9, ..id });
    assert_eq!(see(&mut docked, 0, entries(&[("a", mounted)])), replaced);
}

#[test]
fn a_missing_root_takes_its_cameras_along_and_an_unclear_one_does_not() {
    let mut docked = docked(&["/m", "/n"]);
    see(&mut docked, 0, entries(&[("a", folder(1))]));
    see(&mut docked, 1, entries(&[("b", folder(2))]));
    let missing = |root: &str| DockEvent::RootMissing {
        root: root.into(),
        reason: "x".into(),
    };
    let gone = see(&mut docked, 0, FolderScan::Missing("x".into()));
    assert_eq!(gone, [left("a", LeftReason::RootGone), missing("/m")]);
    assert_eq!(see(&mut docked, 0, FolderScan::Missing("x".into())), []);
    let back = DockEvent::RootBack { root: "/m".into() };
    let again = see(&mut docked, 0, entries(&[("a", folder(1))]));
    assert_eq!(again, [back, arrived("a", "/m/a")]);
    assert_eq!(
        see(&mut docked, 1, FolderScan::Unclear("x".into())),
        [missing("/n")]
    );
    let back = DockEvent::RootBack { root: "/n".into() };
    assert_eq!(see(&mut docked, 1, entries(&[("b", folder(2))])), [back]);
}

#[test]
fn no_two_docked_cameras_share_a_bay_name() {
    let mut docked = docked(&["/m", "/n"]);
    see(
        &mut docked,
        0,
        entries(&[("a", folder(1)), ("x\ny", folder(2)), ("x\ty", folder(3))]),
    );
    let second = see(&mut docked, 1, entries(&[("a", folder(4))]));
    assert_eq!(second[0], arrived("a~2", "/n/a"));
    assert_eq!(docked.bay(0, b"x\ny"), Some(&BayName::new("x?y~2")));
    assert_eq!(docked.bay(0, b"x\ty"), Some(&BayName::new("x?y")));
    let long = "l".repeat(64) + "1";
    let longer = "l".repeat(64) + "2";
    let events = see(
        &mut docked,
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
    /// After any sequence of scans, the events tell a consumer exactly what is docked.
    #[test]
    fn the_events_alone_tell_what_is_docked(
        looks in proptest::collection::vec((0usize..3, proptest::option::weighted(0.9, proptest::collection::btree_map(
            proptest::collection::vec(prop_oneof![Just(b'a'), Just(b'\n'), Just(0xff)], 1..3),
            prop_oneof![(1u64..4).prop_map(folder), Just(FolderEntry::Symlink)], 0..5)), any::<bool>()), 0..40)
    ) {
        let paths = ["/m", "/n", "/o"];
        let mut docked = docked(&paths);
        let mut reported: BTreeMap<BayName, PathBuf> = BTreeMap::new();
        let mut truth: Vec<BTreeMap<Vec<u8>, FolderEntry>> = vec![BTreeMap::new(); 3];
        for (root, found, unclear) in looks {
            let look = match found {
                Some(found) => {
                    truth[root].clone_from(&found);
                    FolderScan::Entries { found, mounted: BTreeMap::new(), too_many: false }
                }
                None if unclear => FolderScan::Unclear("x".into()),
                None => {
                    truth[root].clear();
                    FolderScan::Missing("x".into())
                }
            };
            for event in see(&mut docked, root, look) {
                match event {
                    DockEvent::Arrived { bay, target: Target::Folder { root }, .. } => prop_assert_eq!(reported.insert(bay, root), None),
                    DockEvent::Left { bay, .. } => prop_assert!(reported.remove(&bay).is_some()),
                    DockEvent::Refused { bay, .. } => prop_assert!(!reported.contains_key(&bay)),
                    _ => {}
                }
            }
            let mut expected: Vec<PathBuf> = truth.iter().zip(paths).flat_map(|(found, path)| {
                found.iter().filter(|(_, f)| matches!(f, FolderEntry::Folder(_)))
                    .map(move |(name, _)| PathBuf::from(path).join(OsStr::from_bytes(name)))
            }).collect();
            let mut reported: Vec<PathBuf> = reported.values().cloned().collect();
            expected.sort();
            reported.sort();
            prop_assert_eq!(reported, expected);
        }
    }
}

fn mounted(address: u8, states: &[StorageState]) -> Mounted {
    let device = UsbDevice {
        address,
        ..UsbDevice::example()
    };
    let storages = states.iter().zip(0..).map(|(state, n)| MountedStorage {
        name: format!("l{n}p0"),
        node: format!("sd{n}"),
        state: state.clone(),
    });
    Mounted {
        device,
        storages: storages.collect(),
    }
}

fn look_mounted(inode: u64, marker: &Mounted) -> FolderScan {
    let name = b"pci-0000:00:04.0-usb-0:3".to_vec();
    FolderScan::Entries {
        found: BTreeMap::from([(name.clone(), folder(inode))]),
        mounted: BTreeMap::from([(name, marker.clone())]),
        too_many: false,
    }
}

#[test]
fn a_usb_disk_arrives_in_the_bay_of_its_port_once_each_of_its_storages_was_dealt_with() {
    let mut docked = docked(&["/m"]);
    let mut ports = Ports::new(&[], None).unwrap();
    let fine = StorageState::Mounted {
        kind: "vfat".into(),
        disc: None,
    };
    let failed = StorageState::Failed {
        reason: "no file system".into(),
    };
    let half = mounted(5, &[fine.clone(), StorageState::Expected]);
    assert_eq!(
        docked.observe(0, look_mounted(1, &half), &mut ports),
        [DockEvent::FirstLookDone]
    );
    assert!(docked.pending());
    let whole = mounted(5, &[fine.clone(), failed]);
    let target = |marker: &Mounted| Target::Mounted {
        root: "/m/pci-0000:00:04.0-usb-0:3".into(),
        mounted: marker.clone(),
    };
    let arrived = |marker: &Mounted| DockEvent::Arrived {
        bay: BayName::new("bay-1"),
        target: target(marker),
        profile: "folder".into(),
    };
    let look = || look_mounted(1, &whole);
    assert_eq!(docked.observe(0, look(), &mut ports), [arrived(&whole)]);
    assert!(!docked.pending());
    assert_eq!(docked.observe(0, look(), &mut ports), []);
    // One more storage is a hint; another device is another camera.
    let more = mounted(5, &[fine.clone(), fine.clone(), fine.clone()]);
    let touched = DockEvent::Touched {
        bay: BayName::new("bay-1"),
    };
    assert_eq!(
        docked.observe(0, look_mounted(1, &more), &mut ports),
        [touched]
    );
    let other = mounted(6, &[fine]);
    assert_eq!(
        docked.observe(0, look_mounted(1, &other), &mut ports),
        [left("bay-1", LeftReason::Replaced), arrived(&other)]
    );
    let plug = |address| Plug {
        port: other.device.port.clone(),
        peer_port: None,
        name: "2-3".into(),
        bus: 2,
        address,
        state: PlugState::Unready,
    };
    assert!(docked.mounted(&plug(6)) && !docked.mounted(&plug(5)));
    assert_eq!(
        docked.observe(0, entries(&[]), &mut ports),
        [left("bay-1", LeftReason::Removed)]
    );
    assert!(!docked.mounted(&plug(6)));
}

#[test]
fn a_docked_folder_never_takes_the_name_of_a_usb_bay() {
    let mut docked = docked(&["/m"]);
    let mut ports = Ports::new(&[], None).unwrap();
    assert_eq!(ports.bay("p", None).as_str(), "bay-1");
    let events = docked.observe(0, entries(&[("bay-1", folder(1))]), &mut ports);
    assert_eq!(events[0], arrived("bay-1~2", "/m/bay-1"));
}

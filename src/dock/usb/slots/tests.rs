use std::cell::Cell;

use proptest::prelude::*;

use super::*;
use crate::dock::usb::test_tree::{DISK, device};

const MTP: &[(u8, u8, u8)] = &[(6, 1, 1)];
const VENDOR: &[(u8, u8, u8)] = &[(0xff, 0, 0)];

/// The classifier with a clock of its own and a mount helper that does what the test says.
struct TestDock {
    plugged: UsbSlots,
    ports: Ports,
    profiles: Arc<Profiles>,
    now: Duration,
    mounted: Cell<bool>,
}

impl TestDock {
    fn new() -> Self {
        Self {
            plugged: UsbSlots::default(),
            ports: Ports::new(&[], None).unwrap(),
            profiles: Arc::new(Profiles::builtin()),
            now: Duration::from_secs(1000),
            mounted: Cell::new(false),
        }
    }

    fn with_locked(mut self) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let text = "access = \"mass-storage\"\nusb = [{ vendor = \"46f4\", product = \"0001\", class = \"08\" }]\n[unlock]\nprotocol = \"control-4255\"\nusb = [{ vendor = \"46f4\", product = \"0001\", class = \"ff\" }]\nsecret = \"x\"\nreturns_seconds = 30";
        std::fs::write(dir.path().join("locked.toml"), text).unwrap();
        self.profiles = Arc::new(Profiles::load(dir.path()).unwrap());
        self
    }

    fn scan(&mut self, plugs: &[Plug]) -> Vec<String> {
        let mounted = |_: &Plug| self.mounted.get();
        let context = ScanContext {
            profiles: &self.profiles,
            mounted: &mounted,
            now: self.now,
        };
        let events = self
            .plugged
            .observe(plugs.to_vec(), &context, &mut self.ports);
        events.iter().map(short).collect()
    }

    fn after(&mut self, seconds: f64, plugs: &[Plug]) -> Vec<String> {
        self.now += Duration::from_secs_f64(seconds);
        self.scan(plugs)
    }
}

fn short(event: &DockEvent) -> String {
    match event {
        DockEvent::Plugged { bay, .. } => format!("{bay} plugged"),
        DockEvent::Locked { bay, profile, .. } => format!("{bay} locked {profile}"),
        DockEvent::Arrived { bay, profile, .. } => format!("{bay} arrived {profile}"),
        DockEvent::Left { bay, reason } => format!("{bay} left {reason:?}"),
        DockEvent::Refused { bay, reason } => format!("{bay} refused {reason}"),
        other => format!("{other:?}"),
    }
}

fn plug(name: &str, address: u8, interfaces: &[(u8, u8, u8)]) -> Plug {
    let mut device = device(name, interfaces);
    device.address = address;
    Plug {
        port: device.port.clone(),
        peer_port: None,
        name: name.into(),
        bus: device.bus,
        address,
        state: PlugState::Device(Box::new(device)),
    }
}

fn in_state(plug: Plug, state: PlugState) -> Plug {
    Plug { state, ..plug }
}

const NONE: [&str; 0] = [];

#[test]
fn an_mtp_camera_arrives_once_and_leaves_once_whatever_else_is_plugged_in() {
    let mut dock = TestDock::new();
    let camera = plug("1-5", 7, MTP);
    let keyboard = plug("1-2", 3, &[(3, 1, 1)]);
    assert_eq!(
        dock.scan(&[keyboard.clone(), camera.clone()]),
        ["bay-2 arrived mtp"]
    );
    assert_eq!(dock.after(2.0, &[keyboard.clone(), camera.clone()]), NONE);
    assert_eq!(
        dock.after(2.0, std::slice::from_ref(&keyboard)),
        ["bay-2 left Removed"]
    );
    assert_eq!(dock.after(2.0, &[]), NONE);
    // The same port is the same bay, long after.
    assert_eq!(
        dock.after(9000.0, &[plug("1-5", 8, MTP)]),
        ["bay-2 arrived mtp"]
    );
    let other = [plug("1-5", 9, MTP)];
    assert_eq!(
        dock.after(60.0, &other),
        ["bay-2 left Replaced", "bay-2 arrived mtp"]
    );
}

#[test]
fn a_disk_is_told_at_once_and_its_folder_does_the_rest() {
    let mut dock = TestDock::new();
    let disk = [plug("2-3", 5, DISK)];
    assert_eq!(dock.scan(&disk), ["bay-1 plugged"]);
    assert_eq!(dock.plugged.pending().len(), 1);
    dock.mounted.set(true);
    assert_eq!(dock.after(1.0, &disk), NONE);
    assert_eq!(dock.plugged.pending().len(), 0);
    // The folder reports the departure.
    assert_eq!(dock.after(5.0, &[]), NONE);
    // Mounted before it was seen on USB, as at a start of the service.
    assert_eq!(dock.after(60.0, &disk), NONE);
}

#[test]
fn a_disk_that_nobody_mounts_is_complained_about_once_and_may_still_be_mounted_later() {
    let mut dock = TestDock::new();
    let disk = [plug("2-3", 5, DISK)];
    assert_eq!(dock.scan(&disk), ["bay-1 plugged"]);
    assert_eq!(dock.after(19.0, &disk), NONE);
    let said = dock.after(2.0, &disk);
    assert!(
        said[0].starts_with("bay-1 refused its storage was not mounted"),
        "{said:?}"
    );
    assert_eq!(dock.after(60.0, &disk), NONE);
    dock.mounted.set(true);
    assert_eq!(dock.after(1.0, &disk), NONE);
    dock.mounted.set(false);
    assert_eq!(dock.after(1.0, &disk), NONE);
    assert_eq!(dock.after(21.0, &disk).len(), 1);
    assert_eq!(dock.after(1.0, &[]), ["bay-1 left Removed"]);
}

#[test]
fn composite_and_absurd_devices_are_refused_once_while_they_stay() {
    let mut dock = TestDock::new();
    let bad = plug("1-1", 4, &[(8, 6, 0x50), (3, 1, 1)]);
    let absurd = in_state(
        plug("1-2", 5, DISK),
        PlugState::Absurd("it is absurd".into()),
    );
    let both = [bad, absurd];
    let said = dock.scan(&both);
    assert!(
        said[0].contains("bay-1 refused") && said[0].contains("keyboard"),
        "{said:?}"
    );
    assert!(
        said[1].contains("bay-2 refused") && said[1].contains("absurd"),
        "{said:?}"
    );
    assert_eq!(dock.after(60.0, &both), NONE);
    assert_eq!(
        dock.after(1.0, &[]),
        ["bay-1 left Removed", "bay-2 left Removed"]
    );
}

#[test]
fn a_device_that_the_kernel_has_not_configured_is_waited_for_and_then_named() {
    let mut dock = TestDock::new();
    let camera = plug("1-1", 4, MTP);
    let unready = [in_state(camera.clone(), PlugState::Unready)];
    assert_eq!(dock.scan(&unready), NONE);
    assert_eq!(dock.after(0.1, &[camera]), ["bay-1 arrived mtp"]);
    assert_eq!(dock.after(0.1, &[]).len(), 1);
    assert_eq!(dock.after(60.0, &unready), NONE);
    let said = dock.after(6.0, &unready);
    assert!(said[0].contains("does not configure"), "{said:?}");
    assert_eq!(dock.after(60.0, &unready), NONE);
}

#[test]
fn a_locked_camera_keeps_its_bay_while_it_comes_back_with_other_ids() {
    let mut dock = TestDock::new().with_locked();
    assert_eq!(
        dock.scan(&[plug("1-4", 5, VENDOR)]),
        ["bay-1 locked locked"]
    );
    assert_eq!(dock.after(1.0, &[plug("1-4", 5, VENDOR)]), NONE);
    // Gone for a while, then half there, then a disk on the same port.
    assert_eq!(dock.after(1.0, &[]), NONE);
    assert_eq!(dock.after(20.0, &[]), NONE);
    let disk = plug("1-4", 6, DISK);
    assert_eq!(
        dock.after(1.0, &[in_state(disk.clone(), PlugState::Unready)]),
        NONE
    );
    assert_eq!(dock.plugged.pending().len(), 1);
    assert_eq!(
        dock.after(1.0, std::slice::from_ref(&disk)),
        ["bay-1 plugged"]
    );
    assert_eq!(dock.after(1.0, &[]), ["bay-1 left Removed"]);
}

#[test]
fn a_locked_camera_that_never_comes_back_has_left_and_one_that_stays_locked_is_tried_once_again() {
    let mut dock = TestDock::new().with_locked();
    let locked = |address| [plug("1-4", address, VENDOR)];
    assert_eq!(dock.scan(&locked(5)).len(), 1);
    assert_eq!(dock.after(1.0, &[]), NONE);
    assert_eq!(dock.after(31.0, &[]), ["bay-1 left NotBack"]);
    assert_eq!(dock.after(60.0, &locked(6)), ["bay-1 locked locked"]);
    // Straight to the other address, without a scan between.
    assert_eq!(dock.after(1.0, &locked(7)), ["bay-1 locked locked"]);
    assert_eq!(dock.after(60.0, &locked(7)), NONE);
    let said = dock.after(1.0, &locked(8));
    assert_eq!(
        said,
        ["bay-1 refused it comes back locked each time it is unlocked"]
    );
    assert_eq!(dock.after(60.0, &locked(8)), NONE);
    assert_eq!(dock.after(1.0, &[]), ["bay-1 left Removed"]);
    // Docked again, it is a new one.
    assert_eq!(dock.after(1.0, &locked(9)), ["bay-1 locked locked"]);
}

#[test]
fn a_device_that_flaps_is_held_until_it_stays() {
    let mut dock = TestDock::new();
    let mut events = 0;
    for address in 1..100 {
        events += dock.after(0.2, &[plug("1-1", address, MTP)]).len();
        events += dock.after(0.2, &[]).len();
    }
    assert_eq!(events, 2 * FLAPS, "three arrivals and departures");
    let camera = [plug("1-1", 100, MTP)];
    assert_eq!(dock.after(0.2, &camera), NONE);
    assert_eq!(dock.plugged.pending().len(), 1);
    assert_eq!(dock.after(3.0, &camera), NONE);
    assert_eq!(dock.after(1.1, &camera), ["bay-1 arrived mtp"]);
}

#[test]
fn twenty_cameras_and_the_loss_of_their_hub_are_twenty_arrivals_and_departures() {
    let mut dock = TestDock::new();
    let many: Vec<Plug> = (1..=20)
        .map(|n| plug(&format!("1-6.{n}"), n, MTP))
        .collect();
    let arrived: BTreeSet<_> = dock.scan(&many).into_iter().collect();
    assert_eq!(arrived.len(), 20);
    assert!(arrived.contains("bay-20 arrived mtp"));
    assert_eq!(dock.after(1.0, &[]).len(), 20);
}

#[test]
fn new_profiles_look_again_at_what_was_left_alone_and_at_nothing_else() {
    let mut dock = TestDock::new();
    let plugs = [plug("1-1", 4, VENDOR), plug("1-2", 5, MTP)];
    assert_eq!(dock.scan(&plugs), ["bay-2 arrived mtp"]);
    dock = TestDock {
        profiles: TestDock::new().with_locked().profiles,
        ..dock
    };
    assert_eq!(dock.after(1.0, &plugs), ["bay-1 locked locked"]);
    assert_eq!(dock.after(1.0, &plugs), NONE);
}

#[test]
fn a_disk_that_turns_out_to_be_the_stations_own_is_left_alone_without_a_complaint() {
    let mut dock = TestDock::new();
    let disk = plug("2-3", 5, DISK);
    let own = [in_state(disk.clone(), PlugState::Own)];
    assert_eq!(dock.scan(&[disk]), ["bay-1 plugged"]);
    assert_eq!(dock.after(0.1, &own), ["bay-1 left Own"]);
    assert_eq!(dock.after(100.0, &own), NONE);
    assert_eq!(dock.plugged.pending().len(), 0);
    assert_eq!(dock.after(1.0, &[]), NONE);
}

#[test]
fn two_devices_in_one_socket_are_two_bays() {
    let mut dock = TestDock::new();
    let mut second = plug("2-5", 9, MTP);
    second.port = plug("1-5", 1, MTP).port;
    let said = dock.scan(&[plug("1-5", 7, MTP), second]);
    assert_eq!(said, ["bay-1 arrived mtp", "bay-2 arrived mtp"]);
}

proptest! {
    /// After any sequence of scans, each bay's events are reported in an order that a consumer can follow, and in the end the
    /// consumer knows of no camera that is not there.
    #[test]
    fn the_events_alone_tell_what_is_plugged_in(
        scans in proptest::collection::vec(
            (proptest::collection::btree_map(1u8..4, (1u8..4, 0usize..6), 0..4), 0.0f64..40.0, any::<bool>()), 0..40)
    ) {
        let mut dock = TestDock::new().with_locked();
        let mut reported: BTreeMap<String, String> = BTreeMap::new();
        let mut step = |dock: &mut TestDock, seconds: f64, plugs: &[Plug]| {
            for event in dock.after(seconds, plugs) {
                let (bay, what) = event.split_once(' ').unwrap();
                let last = reported.insert(bay.to_owned(), what.to_owned()).unwrap_or_default();
                let there = !last.is_empty() && !last.starts_with("left");
                if what.starts_with("left") {
                    prop_assert!(there, "{} was never there", event);
                } else if what.starts_with("arrived") || what.starts_with("locked") {
                    let in_between = last.starts_with("locked") || last.starts_with("refused");
                    prop_assert!(!there || in_between, "{} after {}", event, last);
                }
            }
            // From here on the folder reports.
            for slot in dock.plugged.slots.values() {
                if matches!(slot.state, SlotState::Mounted) {
                    reported.insert(slot.bay.to_string(), "left to its folder".into());
                }
            }
            Ok(())
        };
        for (found, seconds, mounted) in scans {
            dock.mounted.set(mounted);
            let plugs: Vec<Plug> = found.into_iter().map(|(port, (address, kind))| {
                let kinds = [DISK, MTP, VENDOR, &[(8, 6, 0x50), (3, 1, 1)][..]];
                let name = format!("1-{port}");
                match kinds.get(kind) {
                    Some(interfaces) => plug(&name, address, interfaces),
                    None if kind == 4 => in_state(plug(&name, address, DISK), PlugState::Unready),
                    None => in_state(plug(&name, address, DISK), PlugState::Absurd("x".into())),
                }
            }).collect();
            step(&mut dock, seconds, &plugs)?;
        }
        dock.mounted.set(false);
        for _ in 0..3 {
            step(&mut dock, 100.0, &[])?;
        }
        prop_assert!(dock.plugged.pending().is_empty());
        prop_assert!(dock.plugged.slots.is_empty());
    }
}

#[test]
fn a_drive_without_a_disc_is_no_docked_camera_and_one_with_a_disc_is() {
    let mut dock = TestDock::new();
    let drive = plug("2-3", 5, DISK);
    let empty = [in_state(drive.clone(), PlugState::NoDisc)];
    assert_eq!(dock.scan(&empty), NONE);
    assert_eq!(dock.after(60.0, &empty), NONE);
    assert!(dock.plugged.pending().is_empty());
    assert_eq!(
        dock.after(2.0, std::slice::from_ref(&drive)),
        ["bay-1 plugged"]
    );
    // Ejected before it was mounted, and put in again.
    assert_eq!(dock.after(2.0, &empty), ["bay-1 left Removed"]);
    assert_eq!(
        dock.after(2.0, std::slice::from_ref(&drive)),
        ["bay-1 plugged"]
    );
    dock.mounted.set(true);
    assert_eq!(dock.after(2.0, std::slice::from_ref(&drive)), NONE);
    dock.mounted.set(false);
    // From here on its folder tells of it.
    assert_eq!(dock.after(2.0, &empty), NONE);
    assert_eq!(dock.after(60.0, &empty), NONE);
    assert_eq!(dock.after(2.0, &[]), NONE);
}

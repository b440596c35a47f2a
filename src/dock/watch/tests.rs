//! The running watch on a simulated sysfs: the classifier's decisions arrive as events, quickly enough.

use std::collections::BTreeSet;

use super::*;
use crate::dock::Target;
use crate::dock::usb::descriptors::descriptor_bytes;
use crate::dock::usb::{DISK, SysfsTree};

const MTP: &[(u8, u8, u8)] = &[(6, 1, 1)];
const LONG: Duration = Duration::from_secs(20);

struct WatchedStation {
    tree: SysfsTree,
    state: tempfile::TempDir,
    profiles: watch::Sender<Arc<Profiles>>,
}

impl WatchedStation {
    fn new() -> Self {
        Self {
            tree: SysfsTree::new(),
            state: tempfile::tempdir().unwrap(),
            profiles: watch::Sender::new(Arc::new(Profiles::builtin())),
        }
    }

    fn start(&self) -> (DockWatch, mpsc::Receiver<DockEvent>) {
        DockWatch::start(WatchSettings {
            folders: Vec::new(),
            scan_interval: Duration::from_millis(100),
            usb: Some(UsbWatchSettings {
                sysfs: self.tree.sysfs(),
                bays: Vec::new(),
                numbers: self.state.path().join("bays.json"),
                profiles: self.profiles.subscribe(),
            }),
        })
        .unwrap()
    }
}

async fn next(events: &mut mpsc::Receiver<DockEvent>) -> DockEvent {
    tokio::time::timeout(LONG, events.recv())
        .await
        .unwrap()
        .unwrap()
}

fn bay(event: &DockEvent) -> &str {
    match event {
        DockEvent::Arrived { bay, .. } | DockEvent::Left { bay, .. } => bay.as_str(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn twenty_cameras_on_a_hub_arrive_at_once_and_leave_with_it_and_come_back_to_their_bays() {
    let station = WatchedStation::new();
    let (dock, mut events) = station.start();
    assert_eq!(next(&mut events).await, DockEvent::FirstLookDone);
    let plug_all = || {
        station.tree.hub("1-6");
        for port in 1..=20u8 {
            station.tree.plug(
                &format!("1-6.{port}"),
                10 + port,
                &descriptor_bytes(0x46f4, 4, MTP),
                &[],
            );
        }
    };
    let began = Instant::now();
    plug_all();
    let mut places = BTreeSet::new();
    for _ in 0..20 {
        let event = next(&mut events).await;
        let DockEvent::Arrived {
            target: Target::Usb(device),
            ..
        } = &event
        else {
            panic!("{event:?}")
        };
        assert!(places.insert((bay(&event).to_owned(), device.port.clone())));
    }
    assert!(
        began.elapsed() < Duration::from_secs(2),
        "{:?}",
        began.elapsed()
    );
    station.tree.unplug("1-6");
    let mut left = BTreeSet::new();
    for _ in 0..20 {
        assert!(left.insert(bay(&next(&mut events).await).to_owned()));
    }
    dock.stop().await;
    // After a restart, each port still has its number; what is docked at the start comes before the end of the first look.
    plug_all();
    let (dock, mut events) = station.start();
    let mut again = BTreeSet::new();
    loop {
        match next(&mut events).await {
            DockEvent::FirstLookDone => break,
            event => {
                let DockEvent::Arrived {
                    bay,
                    target: Target::Usb(device),
                    ..
                } = event
                else {
                    panic!("{event:?}")
                };
                again.insert((bay.to_string(), device.port));
            }
        }
    }
    assert_eq!(again, places);
    dock.stop().await;
}

#[tokio::test]
async fn a_disk_is_first_looked_at_once_it_is_mounted_or_given_up() {
    let station = WatchedStation::new();
    station
        .tree
        .plug("2-3", 5, &descriptor_bytes(0x46f4, 1, DISK), &[]);
    let (dock, mut events) = station.start();
    let plugged = next(&mut events).await;
    assert!(
        matches!(&plugged, DockEvent::Plugged { bay, .. } if bay.as_str() == "bay-1"),
        "{plugged:?}"
    );
    // Not done while the disk is on its way.
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert!(events.try_recv().is_err());
    station.tree.unplug("2-3");
    let left = next(&mut events).await;
    assert!(matches!(left, DockEvent::Left { .. }), "{left:?}");
    assert_eq!(next(&mut events).await, DockEvent::FirstLookDone);
    dock.stop().await;
}

#[tokio::test]
async fn lost_bay_numbers_are_given_anew_and_new_profiles_are_heeded() {
    let station = WatchedStation::new();
    let numbers = station.state.path().join("bays.json");
    std::fs::write(&numbers, "{ torn").unwrap();
    station
        .tree
        .plug("1-1", 5, &descriptor_bytes(0x4255, 1, &[(0xff, 0, 0)]), &[]);
    let (dock, mut events) = station.start();
    assert_eq!(next(&mut events).await, DockEvent::FirstLookDone);
    let dir = tempfile::tempdir().unwrap();
    let text = "access = \"ptp\"\nusb = [{ vendor = \"4255\" }]";
    std::fs::write(dir.path().join("acme.toml"), text).unwrap();
    let profiles = Profiles::load(dir.path()).unwrap();
    station.profiles.send_replace(Arc::new(profiles));
    let arrived = next(&mut events).await;
    assert!(
        matches!(&arrived, DockEvent::Arrived { profile, .. } if profile == "acme"),
        "{arrived:?}"
    );
    assert!(
        std::fs::read_to_string(&numbers)
            .unwrap()
            .contains("\"bays\"")
    );
    dock.stop().await;
}

#[tokio::test]
async fn a_kernel_without_usb_is_no_reason_to_stop() {
    let station = WatchedStation::new();
    std::fs::remove_dir_all(station.tree.path("bus")).unwrap();
    let (dock, mut events) = station.start();
    assert_eq!(next(&mut events).await, DockEvent::FirstLookDone);
    dock.stop().await;
}

//! Many cameras, and ports that come and go: hubs, twenty at once, a loose contact, a reboot with a camera plugged in.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use camdock::model::Event;
use serde_json::Value;

use super::storage::only_read;
use crate::bed::{Footage, Guest, Layout, Media, Medium};

struct Camera {
    port: String,
    serial: String,
    footage: Footage,
    medium: Medium,
}

impl Camera {
    fn new(guest: &Guest, port: String, number: u64) -> Self {
        let serial = format!("X{number:07}");
        let size = if port.starts_with("5.") {
            4_000_000
        } else {
            150_000
        };
        let footage = Footage::new(&[
            ("DCIM/A0001.MP4", 7000 + 10 * number, size),
            ("DCIM/A0001.GPS", 7001 + 10 * number, 500),
        ]);
        let medium = guest.medium(&serial, Layout::Fat16, &footage);
        Self {
            port,
            serial,
            footage,
            medium,
        }
    }

    fn plug(&self, guest: &mut Guest, media: &Media) {
        guest.plug(&self.port, &self.serial, &self.medium, media);
    }
}

/// Each camera's state in the view, by its serial.
fn states(view: &Value) -> BTreeMap<String, String> {
    let bays = view["bays"].as_array().unwrap().iter();
    bays.filter_map(|bay| {
        let camera = bay["camera"].as_str()?.rsplit('/').next()?.to_owned();
        Some((camera, bay["state"].as_str()?.to_owned()))
    })
    .collect()
}

fn all_show(view: &Value, cameras: &[&Camera], state: &str) -> bool {
    let states = states(view);
    cameras
        .iter()
        .all(|camera| states.get(&camera.serial).is_some_and(|s| s == state))
}

#[test]
fn vm_twenty_cameras_on_hubs_and_a_hub_that_goes_with_all_of_its_cameras() {
    let mut guest = Guest::installed();
    let hubs = [5_u8, 6, 7];
    let ports = hubs
        .iter()
        .flat_map(|hub| (1..8).map(move |port| format!("{hub}.{port}")));
    let cameras: Vec<_> = ports
        .take(20)
        .zip(1..)
        .map(|(port, number)| Camera::new(&guest, port, number))
        .collect();
    let names: Vec<_> = cameras
        .iter()
        .map(|camera| format!("QEMU/{}", camera.serial))
        .collect();
    guest.roster(&names.iter().map(String::as_str).collect::<Vec<_>>());
    for hub in hubs {
        guest.plug_hub(hub);
    }
    // The cameras behind the first hub are too slow to finish before it is pulled out.
    let (leaving, staying): (Vec<_>, Vec<_>) = cameras
        .iter()
        .partition(|camera| camera.port.starts_with("5."));
    for camera in &cameras {
        let slow = camera.port.starts_with("5.");
        camera.plug(
            &mut guest,
            &if slow {
                Media::Slow(10_000)
            } else {
                Media::Good
            },
        );
    }
    guest.until(
        "all behind the other hubs are stored, all behind the first are being read",
        |view| all_show(view, &staying, "all_stored") && all_show(view, &leaving, "reading"),
    );
    guest.hub_goes(5);
    guest.until(
        "those behind the hub were removed too early, the others are as they were",
        |view| {
            all_show(view, &leaving, "needs_attention") && all_show(view, &staying, "all_stored")
        },
    );
    // The hub comes back, and its cameras with it, at their own speed.
    for camera in &leaving {
        guest.pull(&camera.port);
    }
    guest.pull_hub(5);
    std::thread::sleep(Duration::from_secs(1));
    guest.plug_hub(5);
    for camera in &leaving {
        camera.plug(&mut guest, &Media::Good);
    }
    guest.until("all twenty are stored", |view| {
        let states = states(view);
        states.len() == 20 && states.values().all(|state| state == "all_stored")
    });
    let log = guest.log();
    let bays: BTreeSet<_> = log
        .iter()
        .filter_map(|entry| match &entry.event {
            Event::CameraDocked(docked) => Some(docked.bay.to_string()),
            _ => None,
        })
        .collect();
    // The seven are back in the same bays.
    assert_eq!(bays.len(), 20, "{bays:?}");
    for camera in &cameras {
        guest.pull(&camera.port);
        camera.medium.is_unchanged();
    }
    let held: Vec<_> = cameras
        .iter()
        .map(|camera| (camera.serial.as_str(), &camera.footage))
        .collect();
    guest.verify_against(&held);
}

#[test]
fn vm_loose_contact_ends_with_everything_taken_once() {
    let mut guest = Guest::installed();
    guest.roster(&["QEMU/X81234567"]);
    let footage = Footage::new(&[
        ("DCIM/A0001.MP4", 31, 16_000_000),
        ("DCIM/A0002.MP4", 32, 500_000),
    ]);
    let medium = guest.medium("medium", Layout::Fat32, &footage);
    // It is never through before the last time, however long a busy machine takes to look. Shorter than the mount takes, and until it is read.
    let mut last = Value::Null;
    for pause in [100, 300, 0, 50, 900, 200, 0, 2_500, 700] {
        guest.plug(1, "X81234567", &medium, &Media::Slow(1_000_000));
        if pause == 0 {
            // The bay may still show the session before.
            let (_, view) = guest.bay("left 1", |view| {
                view["session"] != last && view["bytes_done"].as_u64() > Some(300_000)
            });
            last = view["session"].clone();
        }
        std::thread::sleep(Duration::from_millis(pause));
        guest.pull(1);
    }
    guest.plug(1, "X81234567", &medium, &Media::Good);
    guest.all_stored("left 1");
    let log = guest.log();
    let (mut docked, mut undocked) = (0, 0);
    for entry in &log {
        match &entry.event {
            Event::CameraDocked(_) => docked += 1,
            Event::CameraUndocked(_) => undocked += 1,
            _ => {}
        }
    }
    println!("docked {docked} times, left {undocked} times");
    assert!(docked >= 3, "{log:?}");
    assert_eq!(docked, undocked + 1, "{log:?}");
    only_read(&mut guest, 1, &medium);
    guest.verify_against(&[("X81234567", &footage)]);
}

#[test]
fn vm_reboot_with_a_usb_camera_docked_goes_on_by_itself() {
    let mut guest = Guest::installed();
    guest.roster(&["QEMU/X81234567"]);
    let footage = Footage::new(&[
        ("DCIM/A0001.MP4", 41, 200_000),
        ("DCIM/A0002.MP4", 42, 12_000_000),
    ]);
    let medium = guest.medium("medium", Layout::Fat32, &footage);
    guest.plug(1, "X81234567", &medium, &Media::Slow(1_000_000));
    guest.bay("left 1", |view| {
        view["bytes_done"].as_u64() > Some(2_000_000)
    });
    guest.reboot();
    guest.all_stored("left 1");
    only_read(&mut guest, 1, &medium);
    guest.verify_against(&[("X81234567", &footage)]);
}

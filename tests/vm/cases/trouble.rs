//! Trouble at the dock: cameras pulled out too early, failing and slow media, devices that are not cameras.

use camdock::model::Event;

use super::storage::only_read;
use crate::bed::{Footage, Guest, Layout, Media};

#[test]
fn vm_camera_pulled_in_mid_read_goes_on_in_another_bay_where_it_stopped() {
    let mut guest = Guest::installed();
    guest.roster(&["QEMU/X81234567"]);
    let footage = Footage::new(&[
        ("DCIM/A0001.MP4", 1, 200_000),
        ("DCIM/A0002.MP4", 2, 24_000_000),
    ]);
    let medium = guest.medium("medium", Layout::Fat32, &footage);
    guest.plug(1, "X81234567", &medium, &Media::Slow(1_000_000));
    guest.bay("left 1", |view| {
        view["bytes_done"].as_u64() > Some(4_000_000)
    });
    guest.pull(1);
    guest.bay("left 1", |view| view["code"] == "removed_early");
    let plugged = guest.plug(3, "X81234567", &medium, &Media::Good);
    let (stored, _) = guest.all_stored("left 3");
    guest.print_times("left 3", plugged, stored, footage.total());
    let said = guest.shell("journalctl -u camdock -o cat").ends(0).text();
    assert!(said.contains("resumes an interrupted pull"), "{said}");
    let log = guest.log();
    let undocked = log.iter().find_map(|entry| match &entry.event {
        Event::CameraUndocked(undocked) => Some(undocked),
        _ => None,
    });
    let missing = format!("{:?}", undocked.expect("a camera that left"));
    assert!(missing.contains("A0002.MP4"), "{missing}");
    only_read(&mut guest, 3, &medium);
    guest.verify_against(&[("X81234567", &footage)]);
}

#[test]
fn vm_unreadable_sectors_cost_one_file_and_the_others_go_on() {
    let mut guest = Guest::installed();
    guest.roster(&["QEMU/X81234567"]);
    let broken = "DCIM/A0002.MP4";
    let footage = Footage::new(&[
        ("DCIM/A0001.MP4", 1, 1_000_000),
        (broken, 2, 3_000_000),
        ("DCIM/A0003.MP4", 3, 1_000_000),
    ]);
    let medium = guest.medium("medium", Layout::Fat32, &footage);
    let first = medium.sector_of(&footage.bytes(broken));
    let plugged = guest.plug(1, "X81234567", &medium, &Media::Broken(vec![first + 3000]));
    let (seen, view) = guest.bay("left 1", |view| view["state"] == "needs_attention");
    println!("the bay says: {view}");
    guest.print_times("left 1", plugged, seen, footage.total());
    let log = guest.log();
    let failed = log.iter().find_map(|entry| match &entry.event {
        Event::ItemFailed(failed) => Some(format!("{failed:?}")),
        _ => None,
    });
    let failed = failed.expect("the file that cannot be read is named in the log");
    assert!(failed.contains("A0002.MP4"), "{failed}");
    guest.all_released();
    only_read(&mut guest, 1, &medium);
    let mut readable = footage.clone();
    readable.files.remove(broken);
    guest.verify_against(&[("X81234567", &readable)]);
}

#[test]
fn vm_slow_medium_holds_nobody_else_up() {
    let mut guest = Guest::installed();
    guest.roster(&["QEMU/X0000001", "QEMU/X0000002"]);
    let (slow, quick) = (
        Footage::new(&[("DCIM/A0001.MP4", 1, 12_000_000)]),
        Footage::new(&[("DCIM/A0001.MP4", 2, 4_000_000)]),
    );
    let slow_medium = guest.medium("slow", Layout::Fat32, &slow);
    let quick_medium = guest.medium("quick", Layout::Fat32, &quick);
    let slow_plugged = guest.plug(1, "X0000001", &slow_medium, &Media::Slow(500_000));
    guest.bay("left 1", |view| view["state"] == "reading");
    let quick_plugged = guest.plug(2, "X0000002", &quick_medium, &Media::Good);
    let (quick_stored, _) = guest.all_stored("left 2");
    let (slow_stored, _) = guest.all_stored("left 1");
    guest.print_times("left 2", quick_plugged, quick_stored, quick.total());
    let times = guest.print_times("left 1", slow_plugged, slow_stored, slow.total());
    assert!(times.secured > 20.0, "the medium was not slow: {times:?}");
    assert!(quick_stored < slow_stored);
    guest.pull(1);
    slow_medium.is_unchanged();
    only_read(&mut guest, 2, &quick_medium);
    guest.verify_against(&[("X0000001", &slow), ("X0000002", &quick)]);
}

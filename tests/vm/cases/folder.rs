//! The service itself: installing, starting, stopping, and a docked folder.

use crate::bed::{Footage, Guest};

fn footage() -> Footage {
    Footage::new(&[
        ("DCIM/100MEDIA/A0001.MP4", 1, 3_000_000),
        ("DCIM/100MEDIA/A0001.GPS", 2, 4_000),
        ("DCIM/100MEDIA/A0002.MP4", 3, 9_000_001),
        ("DCIM/EVENT_RO/A0003.MP4", 4, 0),
    ])
}

#[test]
fn vm_installs_as_the_readme_says_and_runs_as_a_confined_notify_service() {
    let mut guest = Guest::bare();
    guest.install();
    let shown = guest.shell("systemctl show camdock -p Type -p ActiveState -p SubState -p User -p NRestarts -p StatusText");
    let shown = shown.ends(0).text();
    for line in [
        "Type=notify",
        "ActiveState=active",
        "SubState=running",
        "User=camdock",
        "NRestarts=0",
    ] {
        assert!(
            shown.lines().any(|shown| shown == line),
            "{line} is missing in:\n{shown}"
        );
    }
    let process = guest
        .shell("cat /proc/$(systemctl show camdock -p MainPID --value)/status")
        .ends(0)
        .text();
    for line in [
        "CapEff:\t0000000000000000",
        "CapBnd:\t0000000000000000",
        "NoNewPrivs:\t1",
        "Seccomp:\t2",
    ] {
        assert!(process.contains(line), "{line} is missing in:\n{process}");
    }
    // The service feeds the watchdog, and an orderly stop is entered in the log.
    guest.shell("systemctl stop camdock").ends(0);
    let log = guest.log();
    let names: Vec<_> = log.iter().map(|entry| entry.event.name()).collect();
    assert_eq!(names, ["station.started", "station.stopped"]);
}

#[test]
fn vm_docked_folder_is_drained_and_stored_byte_for_byte() {
    let mut guest = Guest::installed();
    let footage = footage();
    let docked = guest.dock_folder("bay-1", "X81234567", &footage);
    let (stored, view) = guest.all_stored("bay-1");
    assert_eq!(view["officer"], "4711");
    guest.print_times("bay-1", docked, stored, footage.total());
    let seen = guest.verify_against(&[("X81234567", &footage)]);
    assert_eq!((seen.items, seen.bytes), (4, footage.total()));
}

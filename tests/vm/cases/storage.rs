//! Cameras that are USB disks, on QEMU's controller.

use crate::bed::{Footage, Guest, Layout, Media, Medium};

/// Names as cameras give them, short and long, and one beyond ASCII.
pub fn footage(seed: u64) -> Footage {
    Footage::new(&[
        (
            "DCIM/100MEDIA/X8123_20250314_221003_0001.MP4",
            seed,
            6_000_001,
        ),
        (
            "DCIM/100MEDIA/X8123_20250314_221003_0001.GPS",
            seed + 1,
            3_333,
        ),
        ("DCIM/EVENT_RO/VID00002.MP4", seed + 2, 2_000_000),
        ("MOVIE/Straße 3.MOV", seed + 3, 70_000),
        ("MOVIE/EMPTY.LOG", seed + 4, 0),
    ])
}

/// The mount has every restrictive option, nothing was written, and it ends when the camera is pulled out.
pub fn only_read(guest: &mut Guest, port: u8, medium: &Medium) {
    mounted_read_only(guest);
    assert_eq!(guest.writes(port), 0);
    guest.pull(port);
    unmounted(guest);
    medium.is_unchanged();
}

/// Every mount has every restrictive option, and the kernel takes no writes for any disk.
fn mounted_read_only(guest: &mut Guest) {
    mounts_are_restricted(guest);
    guest
        .shell("for disk in /dev/sd?; do test \"$(blockdev --getro $disk)\" = 1; done")
        .ends(0);
}

/// There are mounts, and every one has every restrictive option; returns them.
pub fn mounts_are_restricted(guest: &mut Guest) -> String {
    let mounts = guest
        .shell("grep /run/camdock/media/ /proc/mounts")
        .ends(0)
        .text();
    for mount in mounts.lines() {
        let options: Vec<_> = mount.split(' ').nth(3).unwrap().split(',').collect();
        for option in ["ro", "nosuid", "nodev", "noexec"] {
            assert!(options.contains(&option), "{option} is missing: {mount}");
        }
    }
    mounts
}

/// Nothing is mounted any more, and the helper's unit has ended.
pub fn unmounted(guest: &mut Guest) {
    let gone = "for n in $(seq 100); do grep -q /run/camdock/media/ /proc/mounts || exit 0; sleep 0.1; done; exit 1";
    guest.shell(gone).ends(0);
    let done = "for n in $(seq 100); do systemctl list-units --no-legend 'camdock-mount@*' | grep -q . || exit 0; sleep 0.1; done; exit 1";
    guest.shell(done).ends(0);
}

#[test]
fn vm_fat16_fat32_exfat_and_partitioned_disks_are_taken_at_once_and_only_read() {
    let mut guest = Guest::installed();
    let serials = ["X0000001", "X0000002", "X0000003", "X0000004"];
    guest.roster(
        &serials
            .map(|serial| format!("QEMU/{serial}"))
            .each_ref()
            .map(String::as_str),
    );
    let layouts = [
        Layout::Fat32,
        Layout::ExFat,
        Layout::Partitioned,
        Layout::Fat16,
    ];
    let mut docked = Vec::new();
    for ((port, serial), layout) in (1_u8..).zip(serials).zip(layouts) {
        let footage = footage(u64::from(port) * 1000);
        let medium = guest.medium(serial, layout, &footage);
        docked.push((port, serial, footage, medium));
    }
    let plugged: Vec<_> = docked
        .iter()
        .map(|(port, serial, _, medium)| guest.plug(*port, serial, medium, &Media::Good))
        .collect();
    for ((port, serial, footage, _), plugged) in docked.iter().zip(plugged) {
        let bay = format!("left {port}");
        let (stored, view) = guest.all_stored(&bay);
        assert_eq!(view["camera"], format!("QEMU/{serial}"));
        assert_eq!(view["officer"], format!("{}", 4710 + u32::from(*port)));
        let times = guest.print_times(&bay, plugged, stored, footage.total());
        assert!(times.docked < times.secured, "{times:?}");
    }
    mounted_read_only(&mut guest);
    for (port, _, _, medium) in &docked {
        assert_eq!(guest.writes(*port), 0);
        guest.pull(*port);
        medium.is_unchanged();
    }
    unmounted(&mut guest);
    let cameras: Vec<_> = docked
        .iter()
        .map(|(_, serial, footage, _)| (*serial, footage))
        .collect();
    guest.verify_against(&cameras);
}

#[test]
fn vm_unknown_camera_is_taken_in_quarantine_and_says_what_to_do() {
    let mut guest = Guest::installed();
    let footage = footage(200);
    let medium = guest.medium("medium", Layout::Fat32, &footage);
    let plugged = guest.plug(6, "Z9999999", &medium, &Media::Good);
    // A port without a name has a number.
    let (seen, view) = guest.bay("bay-1", |view| view["state"] == "needs_attention");
    let reason = view["reason"].as_str().unwrap();
    assert!(
        reason.contains("not in the roster") && reason.contains("Z9999999"),
        "{view}"
    );
    assert!(!view["next_step"].as_str().unwrap().is_empty());
    guest.print_times("bay-1", plugged, seen, footage.total());
    guest.all_released();
    only_read(&mut guest, 6, &medium);
    guest.verify_against(&[("Z9999999", &footage)]);
    assert!(
        guest
            .items()
            .iter()
            .all(|item| item["quarantine"].is_string())
    );
}

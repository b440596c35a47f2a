//! Broken and hostile file systems, read by the real kernel: everything readable is taken, the rest is named in the log, and other cameras are not held up.

use camdock::model::Event;

use super::storage::only_read;
use crate::bed::{Fat, Footage, Guest, Layout, Media, Medium};

const SERIAL: &str = "X81234567";
const DIRECTORY: u8 = 0x10;
const END: u16 = 0xffff;

/// The log's reason for each file and folder that was not taken.
fn not_taken(guest: &mut Guest) -> String {
    let log = guest.log();
    let reasons = log.iter().filter_map(|entry| match &entry.event {
        Event::ItemFailed(failed) => Some(format!("{failed:?}")),
        _ => None,
    });
    reasons.collect::<Vec<_>>().join("\n")
}

fn broken(guest: &mut Guest, footage: &Footage, harm: impl FnOnce(&mut Fat)) -> Medium {
    guest.roster(&[&format!("QEMU/{SERIAL}")]);
    let medium = guest.medium("medium", Layout::Fat16, footage);
    let mut fat = Fat::open(medium.path.clone());
    harm(&mut fat);
    fat.save();
    Medium::at(medium.path)
}

/// Docks it, and waits until nothing more can be taken from it.
fn dock(guest: &mut Guest, medium: &Medium, footage: &Footage, code: &str) -> String {
    let plugged = guest.plug(2, SERIAL, medium, &Media::Good);
    let (seen, view) = guest.bay("left 2", |view| view["code"] == code);
    println!("the bay says: {view}");
    assert!(!view["next_step"].as_str().unwrap().is_empty(), "{view}");
    guest.print_times("left 2", plugged, seen, footage.total());
    guest.all_released();
    view["reason"].to_string()
}

#[test]
fn vm_disk_whose_folders_loop_is_listed_once_a_folder_and_its_files_are_taken() {
    let mut guest = Guest::installed();
    let mut footage = Footage::new(&[
        ("DCIM/A0001.MP4", 600, 400_000),
        ("DCIM/SUB/B0001.MP4", 601, 300_000),
    ]);
    // Each of eight folders in DCIM is DCIM itself: 109,601 ways through them that meet none twice.
    let medium = broken(&mut guest, &footage, |fat| {
        let dcim = fat.cluster_of("DCIM");
        for number in b'1'..=b'8' {
            let name = [
                b'L', number, b' ', b' ', b' ', b' ', b' ', b' ', b' ', b' ', b' ',
            ];
            fat.add("DCIM", name, DIRECTORY, dcim, 0);
        }
        fat.add("DCIM/SUB", *b"UP         ", DIRECTORY, dcim, 0);
    });
    dock(&mut guest, &medium, &footage, "not_taken");
    let said = not_taken(&mut guest);
    assert!(said.contains("folder_loop"), "{said}");
    // Its one file appears once in each folder that claims to be DCIM.
    let paths: Vec<String> = guest
        .items()
        .iter()
        .map(|item| item["path"].as_str().unwrap().to_owned())
        .collect();
    println!("{} items: {paths:?}", paths.len());
    assert!(paths.len() <= 20, "{paths:?}");
    for path in &paths {
        let original = if path.ends_with("A0001.MP4") {
            "DCIM/A0001.MP4"
        } else {
            "DCIM/SUB/B0001.MP4"
        };
        let made = footage.files[original];
        footage.files.insert(path.clone(), made);
    }
    assert_eq!(footage.files.len(), paths.len());
    only_read(&mut guest, 2, &medium);
    guest.verify_against(&[(SERIAL, &footage)]);
}

#[test]
fn vm_disk_whose_sizes_and_chains_lie_loses_these_files_and_no_other() {
    let mut guest = Guest::installed();
    let mut footage = Footage::new(&[
        ("DCIM/A0001.MP4", 610, 500_000),
        ("DCIM/LONGER.MP4", 611, 500_000),
        ("DCIM/HUGE.MP4", 612, 500_000),
        ("DCIM/TORN.MP4", 613, 500_000),
        ("DCIM/SHORT.MP4", 614, 500_000),
        ("DCIM/Z0001.MP4", 615, 500_000),
    ]);
    let mut kept = 0;
    let medium = broken(&mut guest, &footage, |fat| {
        fat.claim_size("DCIM/LONGER.MP4", 900_000);
        fat.claim_size("DCIM/HUGE.MP4", u32::MAX);
        // The chain ends on a cluster that is free.
        let torn = fat.cluster_of("DCIM/TORN.MP4");
        fat.link(torn + 1, 0);
        // It is shorter than its chain: as much is taken as its size says.
        kept = fat.cluster_len() * 3;
        let short = u32::try_from(kept).unwrap();
        fat.claim_size("DCIM/SHORT.MP4", short);
    });
    // It is larger than the guest's disk: that is said, and everything else is taken meanwhile.
    let reason = dock(&mut guest, &medium, &footage, "file_too_large");
    assert!(reason.contains("DCIM/HUGE.MP4"), "{reason}");
    let said = not_taken(&mut guest);
    for name in ["LONGER", "TORN"] {
        assert!(said.contains(name), "{name} is not named: {said}");
    }
    assert!(!said.contains("A0001") && !said.contains("SHORT"), "{said}");
    for name in ["LONGER", "TORN", "HUGE"] {
        footage.files.remove(&format!("DCIM/{name}.MP4"));
    }
    only_read(&mut guest, 2, &medium);
    footage.files.insert("DCIM/SHORT.MP4".into(), (614, kept));
    guest.verify_against(&[(SERIAL, &footage)]);
}

#[test]
fn vm_disk_with_names_that_no_name_can_be_is_taken_as_far_as_it_is_readable() {
    let mut guest = Guest::installed();
    let mut footage = Footage::new(&[
        ("DCIM/A0001.MP4", 620, 300_000),
        ("MOVIE/Z0001.MP4", 621, 300_000),
        ("EVIL/B0001.MP4", 622, 1_000),
    ]);
    let medium = broken(&mut guest, &footage, |fat| {
        // The name holds control characters for terminals; its clusters are those of another file.
        let file = fat.cluster_of("DCIM/A0001.MP4");
        fat.add("DCIM", *b"E\x1b[2J\x07\x0a MP4", 0, file, 300_000);
        // A long name that points outside: ../x
        fat.add_raw("EVIL", long_name("../x", *b"X       MP4"));
        fat.add("EVIL", *b"X       MP4", 0, file, 300_000);
        // A folder without clusters.
        fat.add("MOVIE", *b"NOWHERE    ", DIRECTORY, END - 16, 0);
    });
    dock(&mut guest, &medium, &footage, "not_taken");
    let said = not_taken(&mut guest);
    println!("{said}");
    for name in ["EVIL", "NOWHERE"] {
        assert!(said.contains(name), "{name} is not named: {said}");
    }
    let items = guest.items();
    let paths = items.iter().map(|item| item["path"].as_str().unwrap());
    let odd: Vec<_> = paths.filter(|path| path.starts_with("DCIM/E")).collect();
    assert_eq!(odd.len(), 1, "{items:?}");
    // Nothing of it reaches a terminal unescaped, or a path outside the spool.
    let shown = guest.shell("camdock items; camdock status").text();
    assert!(!shown.contains(['\u{1b}', '\u{7}']), "{shown:?}");
    footage.files.insert(odd[0].to_owned(), (620, 300_000));
    only_read(&mut guest, 2, &medium);
    guest.verify_against(&[(SERIAL, &footage)]);
}

/// The one part of a long name of at most thirteen characters, for the short name behind it.
fn long_name(name: &str, short: [u8; 11]) -> [u8; 32] {
    let sum = short
        .iter()
        .fold(0_u8, |sum, byte| sum.rotate_right(1).wrapping_add(*byte));
    let mut units: Vec<u16> = name.encode_utf16().collect();
    units.push(0);
    units.resize(13, 0xffff);
    let mut entry = [0; 32];
    (entry[0], entry[11], entry[13]) = (0x41, 0x0f, sum);
    let places = (1..11)
        .step_by(2)
        .chain((14..26).step_by(2))
        .chain([28, 30]);
    for (at, unit) in places.zip(units) {
        entry[at..at + 2].copy_from_slice(&unit.to_le_bytes());
    }
    entry
}

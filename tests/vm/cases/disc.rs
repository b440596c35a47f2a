//! Discs in a USB drive: real images, mounted by the kernel through the helper, imported in a bay that is for imports alone.

use camdock::model::{Event, ImportDeclared};

use super::storage::{mounts_are_restricted, unmounted};
use crate::bed::{Footage, Guest, Layout, Media, Medium, empty_udf};

const BROKEN: &str = "VIDEO/0002.AVI";

/// Fills a UDF file system in the guest, as the host may be allowed no mount.
fn udf(guest: &mut Guest, footage: &Footage) -> Medium {
    let path = guest.path("udf");
    empty_udf(&path, 6 << 20);
    let empty = std::fs::read(&path).unwrap();
    guest.agent.put("/srv/udf", 0o600, &empty, None);
    guest
        .shell("mkdir -p /mnt/udf; mount -o loop -t udf /srv/udf /mnt/udf")
        .ends(0);
    for name in footage.files.keys() {
        let inside = format!("/mnt/udf/{name}");
        guest.agent.put(&inside, 0o600, &footage.bytes(name), None);
    }
    guest.shell("umount /mnt/udf").ends(0);
    std::fs::write(&path, guest.agent.get("/srv/udf")).unwrap();
    Medium::at(path)
}

fn declared(guest: &mut Guest) -> Vec<ImportDeclared> {
    let log = guest.log().into_iter();
    log.filter_map(|entry| match entry.event {
        Event::ImportDeclared(said) => Some(*said),
        _ => None,
    })
    .collect()
}

#[test]
fn vm_discs_are_imported_bit_for_bit_only_read_and_refused_in_a_bay_for_cameras() {
    let mut guest = Guest::installed();
    let till = Footage::new(&[
        ("VIDEO/0001.AVI", 900, 1_500_001),
        (BROKEN, 901, 2_000_000),
        ("VIDEO/deep/er/Straße 3.MOV", 902, 70_000),
        (".index", 903, 3_333),
    ]);
    let interview = Footage::new(&[
        ("Interview 7/Tonspur – 1.wav", 910, 900_000),
        ("readme.txt", 911, 12),
    ]);
    let iso = guest.medium("iso", Layout::Iso, &till);
    let udf = udf(&mut guest, &interview);
    let bad = iso.sector_of(&till.bytes(BROKEN)) + 2000;

    // A drive without a disc is nothing docked.
    guest.plug_drive(8);
    // What can be read is taken, and the file that cannot be is named.
    let inserted = guest.insert(8, &iso, &Media::Broken(vec![bad]));
    let (seen, view) = guest.bay("counter", |view| view["state"] == "needs_attention");
    assert_eq!(view["code"], "files_failed", "{view}");
    println!("counter: seen after {:.1} s: {view}", seen - inserted);
    let mounts = mounts_are_restricted(&mut guest);
    assert!(mounts.contains(" iso9660 "), "{mounts}");
    guest
        .shell("test \"$(blockdev --getro /dev/sr0)\" = 1")
        .ends(0);
    guest.all_released();
    let first = guest.log();
    let failed = first.iter().find_map(|entry| match &entry.event {
        Event::ItemFailed(failed) => Some(failed),
        _ => None,
    });
    let failed = failed.expect("the file that cannot be read is named in the log");
    assert_eq!(failed.path.as_ref().unwrap().as_bytes(), BROKEN.as_bytes());
    assert_eq!(failed.code, "file_unreadable");

    // The button opens the tray although the disc is mounted, and the next disc is another source.
    guest.eject(8);
    guest.bay_clears("counter");
    unmounted(&mut guest);
    guest.insert(8, &udf, &Media::Good);
    guest.all_stored("counter");
    assert!(mounts_are_restricted(&mut guest).contains(" udf "));
    assert_eq!(guest.writes(8), 0);
    guest.eject(8);
    guest.bay_clears("counter");
    unmounted(&mut guest);
    guest
        .shell("test -z \"$(systemctl list-units --failed --no-legend)\"")
        .ends(0);

    // The first disc in a drive that reads it: only what is missing is taken.
    guest.insert(8, &iso, &Media::Good);
    guest.all_stored("counter");
    assert_eq!(guest.writes(8), 0);
    guest.pull_drive(8);
    guest.bay_clears("counter");
    unmounted(&mut guest);

    // Nobody declared what a disc in a bay for cameras is: it is not read.
    guest.plug_drive(1);
    guest.insert(1, &udf, &Media::Good);
    let (_, view) = guest.bay("left 1", |view| view["state"] == "not_recognised");
    assert_eq!(view["code"], "disc_not_imported", "{view}");
    let next_step = view["next_step"].as_str().unwrap();
    assert!(next_step.contains("`camdock import`"), "{view}");
    guest.pull_drive(1);
    guest.bay_clears("left 1");
    unmounted(&mut guest);

    iso.is_unchanged();
    udf.is_unchanged();
    let said = declared(&mut guest);
    let sources: Vec<_> = said.iter().map(|said| said.facts.source.as_str()).collect();
    assert_eq!(sources.len(), 3, "{sources:?}");
    assert!(
        sources[0].starts_with("disc, label TILL_CAM, iso9660, SHA-256 of its first MiB "),
        "{sources:?}"
    );
    assert!(
        sources[1].starts_with("disc, label INTERVIEW_7, udf, SHA-256 of its first MiB "),
        "{sources:?}"
    );
    assert_eq!(sources[0], sources[2]);
    guest.verify_against(&[
        (said[0].camera.serial(), &till),
        (said[1].camera.serial(), &interview),
    ]);
}

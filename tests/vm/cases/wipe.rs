//! Wiping a USB disk: only what is proven, only where root allows it, and the station's view of it read-only all the time.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileExt as _;
use std::process::Command;

use camdock::model::{CameraWiped, Event, WipeStage};

use super::storage::{footage, only_read};
use crate::bed::{Guest, Layout, Media, Medium};

const PROFILE: &str = "access = \"mass-storage\"\nusb = [{ class = \"08\" }]\nwipe = \"stored\"\n";
const ALLOW: &str = "printf 'level = \"stored\"\\nlog_keys = [\"%s\"]\\n' \"$(cat /var/lib/camdock/keys/log.pub)\" >/etc/camdock/wipe.toml
    chmod 0644 /etc/camdock/wipe.toml
    systemctl enable --now camdock-wipe.socket";

/// Where a sector begins that docking does not compare.
const MIDDLE: usize = 6_000 * 512;

/// The last result that the log has for each file of a wipe.
pub fn results(guest: &mut Guest) -> BTreeMap<String, Option<String>> {
    done(guest)
        .into_iter()
        .flat_map(|wiped| wiped.files)
        .map(|file| (file.path.unwrap().to_string(), file.code))
        .collect()
}

pub fn done(guest: &mut Guest) -> Vec<CameraWiped> {
    let entries = guest.log().into_iter();
    let wiped = entries.filter_map(|entry| match entry.event {
        Event::CameraWiped(wiped) if wiped.stage == WipeStage::Done => Some(wiped),
        _ => None,
    });
    wiped.collect()
}

/// The files on a medium, as mtools reads it.
pub fn files_on(medium: &Medium) -> Vec<String> {
    let listed = Command::new("mdir")
        .args(["-/", "-b", "-i"])
        .arg(&medium.path)
        .arg("::")
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap();
    let text = String::from_utf8(listed.stdout).unwrap();
    let files = text.lines().filter(|line| !line.ends_with('/'));
    files
        .map(|line| line.trim_start_matches("::/").to_owned())
        .collect()
}

/// One bit of a sector.
pub fn change_sector(medium: &Medium, sector: u64) {
    let image = fs::File::options()
        .read(true)
        .write(true)
        .open(&medium.path)
        .unwrap();
    let mut byte = [0];
    image.read_exact_at(&mut byte, sector * 512 + 7).unwrap();
    byte[0] ^= 1;
    image.write_all_at(&byte, sector * 512 + 7).unwrap();
}

fn wiped_way(layout: Layout) {
    let mut guest = Guest::installed();
    guest.roster(&["QEMU/X81234567"]);
    guest.shell("rm -f /etc/camdock/wipe.toml").ends(0);
    let profile = "/etc/camdock/profiles/mass-storage.toml";
    guest.agent.put(profile, 0o644, PROFILE.as_bytes(), None);
    guest.shell("systemctl restart camdock").ends(0);
    let mut footage = footage(300);
    footage.files.insert("TOP.LOG".into(), (310, 999));
    let medium = guest.medium("medium", layout, &footage);

    // A profile alone deletes nothing: root has not allowed it.
    guest.plug(2, "X81234567", &medium, &Media::Good);
    guest.all_stored("left 2");
    guest.until("the refusal is shown", |view| {
        view["wiping"]["left 2"]["code"] == "wipe_not_allowed"
    });
    guest.all_stored("left 2");
    only_read(&mut guest, 2, &medium);
    assert!(done(&mut guest).is_empty());
    let stored = guest.items().len();
    assert_eq!(stored, footage.files.len());

    // While it is away, one file changes in its middle, with the same size, time, beginning and end: docking calls it held.
    let changed = "DCIM/100MEDIA/X8123_20250314_221003_0001.MP4";
    let sector = medium.sector_of(&footage.bytes(changed)[MIDDLE..]);
    change_sector(&medium, sector);

    guest.shell(ALLOW).ends(0);
    guest.plug(2, "X81234567", &medium, &Media::Good);
    guest.until("one file is left", |view| {
        view["wiping"]["left 2"]["code"] == "wipe_left"
    });
    guest.all_stored("left 2");
    let results = results(&mut guest);
    assert_eq!(results.len(), footage.files.len(), "{results:?}");
    for (path, code) in &results {
        let expected = path.ends_with(changed).then_some("file_changed");
        assert_eq!(code.as_deref(), expected, "{path}");
    }
    // The station no longer sees the files either, and it could not have written to them at any time.
    let left = guest
        .shell("find /run/camdock/media -type f -size +0 ! -name '*.camera'")
        .ends(0);
    assert_eq!(left.text().lines().count(), 1, "{}", left.text());
    guest
        .shell("grep /run/camdock/media/ /proc/mounts | grep -qE ' ro,' && for disk in /dev/sd?*; do test \"$(blockdev --getro $disk)\" = 1; done")
        .ends(0);
    let written =
        guest.shell("touch \"$(dirname \"$(find /run/camdock/media -name '*.MP4')\")/x\"");
    assert_ne!(written.code, Some(0));
    assert!(guest.writes(2) > 0);
    guest.pull(2);
    guest.bay_clears("left 2");

    // Nothing else happened to the medium: the file system is whole, and the one file is as it was left.
    if layout == Layout::Fat32 {
        assert_eq!(files_on(&medium), [changed]);
        let checked = Command::new("/usr/sbin/fsck.vfat")
            .arg("-n")
            .arg(&medium.path)
            .output()
            .unwrap();
        assert!(
            checked.status.success(),
            "{}",
            String::from_utf8_lossy(&checked.stdout)
        );
    }
    let mut bytes = footage.bytes(changed);
    bytes[MIDDLE + 7] ^= 1;
    assert_eq!(medium.sector_of(&bytes[MIDDLE..]), sector);
    // The deleted files are in the store.
    guest.verify(stored);
}

#[test]
fn vm_wipe_of_a_fat32_disk_deletes_what_is_proven_and_leaves_the_rest() {
    wiped_way(Layout::Fat32);
}

#[test]
fn vm_wipe_of_an_exfat_disk_deletes_what_is_proven_and_leaves_the_rest() {
    wiped_way(Layout::ExFat);
}

#[test]
fn vm_wipe_of_a_partitioned_disk_deletes_what_is_proven_and_leaves_the_rest() {
    wiped_way(Layout::Partitioned);
}

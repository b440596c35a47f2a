//! Wiping a camera that speaks MTP: QEMU's own, whose card is a folder of the host, and umtp-responder's.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::json;

use super::storage::footage;
use super::wipe::{done, results};
use crate::bed::{FILMED, Guest, again_if_qemu_crashes};

const PROFILE: &str = "access = \"ptp\"\nusb = [{ class = \"06/01/01\" }, { class = \"ff\", interface_name = \"MTP\" }]\nwipe = \"stored\"\n";
/// Turns off the socket of root's helper: over MTP, the service itself deletes.
const ALLOW: &str = "printf 'level = \"stored\"\\nlog_keys = [\"%s\"]\\n' \"$(cat /var/lib/camdock/keys/log.pub)\" >/etc/camdock/wipe.toml
    chmod 0644 /etc/camdock/wipe.toml";

fn prepared(camera: &str) -> Guest {
    let mut guest = Guest::installed();
    guest.roster(&[camera]);
    guest.shell("rm -f /etc/camdock/wipe.toml").ends(0);
    let profile = "/etc/camdock/profiles/mtp.toml";
    guest.agent.put(profile, 0o644, PROFILE.as_bytes(), None);
    guest.shell("systemctl restart camdock").ends(0);
    guest
}

fn wiping_is(guest: &mut Guest, bay: &str, code: &str) {
    guest.until("the problem is shown", |view| {
        view["wiping"][bay]["code"] == code
    });
    guest.all_stored(bay);
}

/// Files below a folder.
fn files_below(top: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(top).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let name = path.file_name().unwrap().to_str().unwrap();
            found.extend(files_below(&path).iter().map(|f| format!("{name}/{f}")));
        } else {
            found.push(path.file_name().unwrap().to_str().unwrap().to_owned());
        }
    }
    found.sort();
    found
}

/// Checks the log's result for every file.
fn each(results: &BTreeMap<String, Option<String>>, changed: &str, other: Option<&str>) {
    for (path, code) in results {
        let expected = if path.ends_with(changed) {
            Some("file_changed")
        } else {
            other
        };
        assert_eq!(code.as_deref(), expected, "{path}");
    }
}

#[test]
fn vm_wipe_of_an_mtp_camera_deletes_what_is_proven_and_leaves_the_rest() {
    again_if_qemu_crashes(wipe_of_an_mtp_camera);
}

fn wipe_of_an_mtp_camera() {
    let mut guest = prepared("QEMU/0123456789abcdef0123456789abcdef");
    let footage = footage(700);
    let folder = guest.folder("card", &footage);
    // A profile alone deletes nothing: root has not allowed it.
    guest.plug_mtp_with(3, &folder, false);
    guest.all_stored("left 3");
    wiping_is(&mut guest, "left 3", "wipe_not_allowed");
    assert!(done(&mut guest).is_empty());
    assert_eq!(files_below(&folder).len(), footage.files.len());
    let stored = guest.items().len();
    guest.pull_other(3);
    guest.bay_clears("left 3");

    // While it is away, one file changes, with the same size and the same time.
    let changed = "DCIM/100MEDIA/X8123_20250314_221003_0001.MP4";
    let path = folder.join(changed);
    let time = fs::metadata(&path).unwrap().modified().unwrap();
    let mut bytes = footage.bytes(changed);
    bytes[4_000_000] ^= 1;
    fs::write(&path, &bytes).unwrap();
    let file = fs::File::options().append(true).open(&path).unwrap();
    file.set_modified(time).unwrap();
    drop(file);

    // The camera refuses, and its own reason is entered in the log.
    guest.shell(ALLOW).ends(0);
    guest.plug_mtp_with(3, &folder, true);
    wiping_is(&mut guest, "left 3", "wipe_left");
    each(&results(&mut guest), changed, Some("medium_read_only"));
    assert_eq!(files_below(&folder).len(), footage.files.len());
    guest.pull_other(3);
    guest.bay_clears("left 3");

    guest.plug_mtp_with(3, &folder, false);
    wiping_is(&mut guest, "left 3", "wipe_left");
    let results = results(&mut guest);
    assert_eq!(results.len(), footage.files.len());
    each(&results, changed, None);
    guest.pull_other(3);
    guest.bay_clears("left 3");
    assert_eq!(files_below(&folder), [changed]);
    assert!(fs::read(&path).unwrap() == bytes);
    assert!(folder.join("MOVIE").is_dir() && folder.join("DCIM/EVENT_RO").is_dir());
    guest.verify(stored);
}

#[test]
fn vm_wipe_of_an_mtp_responder_deletes_what_is_proven_and_leaves_the_rest() {
    let mut guest = prepared("Acme/MTP-0009");
    let footage = footage(720);
    for path in footage.files.keys() {
        let bytes = footage.bytes(path);
        guest
            .agent
            .put(&format!("/srv/card/{path}"), 0o644, &bytes, Some(FILMED));
    }
    // This card is writable.
    guest
        .shell("sed -i 's/\"card\" \"ro\"/\"card\" \"rw\"/' /usr/local/lib/vm/gadget.py; grep -q '\"card\" \"rw\"' /usr/local/lib/vm/gadget.py")
        .ends(0);
    let gadget = |name: &str| {
        json!({"name": name, "controller": 0, "vendor": "1d6b", "product": "0100", "serial": "MTP-0009",
            "manufacturer": "Acme", "product_name": "X9", "mtp": "/srv/card"})
    };
    guest.plug_gadget(&gadget("first"));
    guest.all_stored("bay-1");
    wiping_is(&mut guest, "bay-1", "wipe_not_allowed");
    let stored = guest.items().len();
    guest.pull_gadget("first");
    guest.bay_clears("bay-1");

    let changed = "DCIM/EVENT_RO/VID00002.MP4";
    let mut bytes = footage.bytes(changed);
    bytes[1_000_000] ^= 1;
    let path = format!("/srv/card/{changed}");
    guest.agent.put(&path, 0o644, &bytes, Some(FILMED));
    guest.shell(ALLOW).ends(0);
    guest.plug_gadget(&gadget("second"));
    wiping_is(&mut guest, "bay-1", "wipe_left");
    let results = results(&mut guest);
    assert_eq!(results.len(), footage.files.len(), "{results:?}");
    each(&results, changed, None);
    let left = guest.shell("cd /srv/card; find . -type f").ends(0).text();
    assert_eq!(left.trim(), format!("./{changed}"));
    assert!(guest.agent.get(&path) == bytes);
    guest.shell("test -d /srv/card/MOVIE").ends(0);
    guest.verify(stored);
}

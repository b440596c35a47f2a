//! Cameras that speak MTP: QEMU's own, which knows little, and umtp-responder over the kernel's gadget driver, which knows
//! most.

use serde_json::json;

use super::storage::footage;
use crate::bed::Guest;

#[test]
fn vm_qemu_mtp_camera_is_taken() {
    let mut guest = Guest::installed();
    let footage = footage(400);
    let folder = guest.folder("card", &footage);
    // Its serial is the same wherever it is.
    let serial = "0123456789abcdef0123456789abcdef";
    guest.roster(&[&format!("QEMU/{serial}")]);
    let plugged = guest.plug_mtp(3, &folder);
    let (stored, view) = guest.all_stored("left 3");
    assert_eq!(view["officer"], "4711", "{view}");
    guest.print_times("left 3", plugged, stored, footage.total());
    guest.pull_other(3);
    guest.bay_clears("left 3");
    // QEMU's camera has this one name for all that is beyond ASCII.
    let mut listed = footage.clone();
    let made = listed.files.remove("MOVIE/Straße 3.MOV").unwrap();
    listed.files.insert("MOVIE/Oops".into(), made);
    let taken = guest.as_taken(&listed);
    guest.verify_against(&[(serial, &taken)]);
}

#[test]
fn vm_mtp_camera_with_partial_reads_is_taken_and_goes_on_after_it_was_pulled() {
    let mut guest = Guest::installed();
    guest.roster(&["Acme/MTP-0007"]);
    let mut footage = footage(420);
    footage
        .files
        .insert("DCIM/LONG.MP4".into(), (429, 40_000_000));
    for number in 0..20 {
        let path = format!("DCIM/MANY/{number:02}.GPS");
        footage.files.insert(path, (440 + number, 100 + number));
    }
    for path in footage.files.keys() {
        guest.agent.put(
            &format!("/srv/card/{path}"),
            0o644,
            &footage.bytes(path),
            None,
        );
    }
    let gadget = |name: &str, controller: u8| {
        json!({"name": name, "controller": controller, "vendor": "1d6b", "product": "0100", "serial": "MTP-0007",
            "manufacturer": "Acme", "product_name": "X9", "mtp": "/srv/card"})
    };
    guest.plug_gadget(&gadget("first", 0));
    guest.bay("bay-1", |view| {
        view["bytes_done"].as_u64() > Some(9_000_000)
    });
    guest.pull_gadget("first");
    guest.bay("bay-1", |view| view["code"] == "removed_early");
    let plugged = guest.plug_gadget(&gadget("second", 1));
    let (stored, view) = guest.all_stored("bay-2");
    assert_eq!(view["officer"], "4711", "{view}");
    guest.print_times("bay-2", plugged, stored, footage.total());
    let said = guest.shell("journalctl -u camdock -o cat").ends(0).text();
    assert!(said.contains("resumes an interrupted pull"), "{said}");
    // Asked for a folder's objects, it lists only the folder itself: then each object is asked for its properties.
    let used = said.contains("lists the properties of its objects") && said.contains("Each");
    assert!(used, "{said}");
    let taken = guest.as_taken(&footage);
    guest.verify_against(&[("MTP-0007", &taken)]);
}

//! Devices with ids, serials and interfaces of their own, made in the guest with the kernel's gadget drivers.

use serde_json::json;

use super::storage::footage;
use crate::bed::{Footage, Guest, Layout};

/// Copies a medium into the guest, where a gadget can offer it.
fn hand_in(guest: &mut Guest, name: &str, layout: Layout, footage: &Footage) -> String {
    let medium = guest.medium(name, layout, footage);
    let path = format!("/srv/{name}.img");
    let bytes = std::fs::read(&medium.path).unwrap();
    guest.agent.put(&path, 0o600, &bytes, None);
    path
}

#[test]
fn vm_disk_with_own_ids_and_two_storages_is_taken_under_its_serial() {
    let mut guest = Guest::installed();
    guest.roster(&["Acme/BWC-0042"]);
    let (card, inner) = (
        footage(300),
        Footage::new(&[("LOG/SYSTEM.LOG", 310, 9_999)]),
    );
    let images = [
        hand_in(&mut guest, "card", Layout::Fat16, &card),
        hand_in(&mut guest, "inner", Layout::Fat16, &inner),
    ];
    let before = guest.shell("sha256sum /srv/*.img").ends(0).text();
    let plugged = guest.plug_gadget(
        &json!({"name": "a", "controller": 0, "vendor": "1d6b", "product": "0104",
        "serial": "BWC-0042", "manufacturer": "Acme", "product_name": "X8", "disks": images}),
    );
    let (stored, view) = guest.all_stored("bay-1");
    assert_eq!(
        (&view["officer"], &view["camera"]),
        (&"4711".into(), &"Acme/BWC-0042".into())
    );
    guest.print_times("bay-1", plugged, stored, card.total() + inner.total());
    guest.pull_gadget("a");
    guest.bay_clears("bay-1");
    assert_eq!(
        guest.shell("sha256sum /srv/*.img").ends(0).text(),
        before,
        "the medium was written to"
    );
    // The second storage's name stands in front of its paths.
    let mut both = card;
    both.files.extend(inner.files);
    let both = guest.as_taken(&both);
    guest.verify_against(&[("BWC-0042", &both)]);
}

#[test]
fn vm_disks_that_are_also_keyboard_or_network_are_refused_and_a_camera_beside_them_is_taken() {
    let mut guest = Guest::installed();
    guest.roster(&["Acme/GOOD-1"]);
    let footage = Footage::new(&[("DCIM/A0001.MP4", 320, 500_000)]);
    for (controller, name, kind) in [
        (0, "typist", "keyboard"),
        (1, "talker", "network"),
        (2, "camera", "none"),
    ] {
        let image = hand_in(&mut guest, name, Layout::Fat16, &footage);
        let serial = if kind == "none" { "GOOD-1" } else { "BAD-1" };
        let mut gadget = json!({"name": name, "controller": controller, "vendor": "1d6b", "product": "0104",
            "serial": serial, "manufacturer": "Acme", "product_name": "X8", "disks": [image]});
        gadget[kind] = true.into();
        guest.plug_gadget(&gadget);
    }
    for bay in ["bay-1", "bay-2"] {
        let (_, view) = guest.bay(bay, |view| view["state"] == "not_recognised");
        println!("{bay} says: {view}");
    }
    guest.all_stored("bay-3");
    let refused = guest.log();
    let refused = refused
        .iter()
        .filter(|entry| entry.event.name() == "camera.refused")
        .count();
    assert_eq!(refused, 2);
    guest
        .shell("! grep -q 'dummy_hcd.[01]' /proc/mounts")
        .ends(0);
    guest.verify_against(&[("GOOD-1", &footage)]);
}

#[test]
fn vm_second_camera_that_claims_a_docked_serial_is_nobodys() {
    let mut guest = Guest::installed();
    guest.roster(&["Acme/TWIN-1"]);
    let (first, second) = (
        Footage::new(&[("DCIM/A0001.MP4", 330, 700_000)]),
        Footage::new(&[("DCIM/A0001.MP4", 331, 700_000)]),
    );
    for (controller, name, footage) in [(0, "first", &first), (1, "second", &second)] {
        let image = hand_in(&mut guest, name, Layout::Fat16, footage);
        guest.plug_gadget(
            &json!({"name": name, "controller": controller, "vendor": "1d6b", "product": "0104",
            "serial": "TWIN-1", "manufacturer": "Acme", "product_name": "X8", "disks": [image]}),
        );
        if controller == 0 {
            guest.all_stored("bay-1");
        }
    }
    let (_, view) = guest.bay("bay-2", |view| view["state"] == "needs_attention");
    assert!(
        view["reason"].as_str().unwrap().contains("TWIN-1"),
        "{view}"
    );
    guest.all_released();
    let items = guest.items();
    assert_eq!(items.len(), 2, "{items:?}");
    let nobodys = items.iter().find(|item| item["bay"] == "bay-2").unwrap();
    assert!(
        nobodys["camera"].is_null() && nobodys["quarantine"].is_string(),
        "{nobodys}"
    );
    assert!(guest.open(nobodys["evidence"].as_str().unwrap()) == second.bytes("DCIM/A0001.MP4"));
}

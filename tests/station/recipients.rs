//! A recipient's key is rotated, and another is lost: what was sealed opens with each key that it was sealed to
//! (docs/operations.md, "Keys: rotation and loss").

use std::fs;

use crate::place::{Place, until};

fn id(place: &Place, name: &str) -> String {
    place.item(name)["evidence"].as_str().unwrap().to_owned()
}

/// What an item opens to with the key of this name; `None`: it was not sealed to it.
fn opened(place: &Place, name: &str, key: &str) -> Option<Vec<u8>> {
    let (out, key) = (
        place.path("out"),
        place.path(&format!("keys/{key}.key.pem")),
    );
    let _ = fs::remove_file(&out);
    let (key, path) = (key.to_str().unwrap(), out.to_str().unwrap());
    let ran = place.camdock_viewing(&["open", &id(place, name), "--key", key, "--out", path]);
    (ran.code == Some(0)).then(|| fs::read(&out).unwrap())
}

#[test]
fn a_rotated_recipient_opens_what_came_after_and_a_lost_ones_footage_opens_with_another() {
    let place = Place::new(&[]);
    let first = place.film("X0000001", "BEFORE.MP4", 1, 200_000);
    let station = place.start(&["run"]);
    until("the station is ready", || {
        station.said().contains("the station is ready")
    });
    let stored = |count: usize| {
        let items = place.items();
        items
            .iter()
            .filter(|item| item["state"] == "released")
            .count()
            == count
    };
    until("the first is stored", || stored(1));

    // As the paper says: a new pair, its public half for the lost one's, and a restart.
    let three = place.path("keys/three");
    place
        .camdock(&["keygen", "recipient", "--out", three.to_str().unwrap()])
        .ends(0);
    place.configure(&[(
        "seal",
        "recipients = [\"keys/two.pub.pem\", \"keys/three.pub.pem\"]",
    )]);
    station.stop().ends(0);
    let station = place.start(&["run"]);
    let second = place.film("X0000001", "AFTER.MP4", 2, 200_000);
    until("the second is stored", || stored(2));
    station.stop().ends(0);

    let [first, second] = [first, second].map(|film| fs::read(film).unwrap());
    for (name, film, fits) in [
        ("BEFORE.MP4", &first, [true, true, false]),
        ("AFTER.MP4", &second, [false, true, true]),
    ] {
        let found = ["one", "two", "three"].map(|key| opened(&place, name, key));
        for (found, fits) in found.iter().zip(fits) {
            assert!(found.as_ref() == fits.then_some(film), "{name} {fits}");
        }
    }
    // The lost key's file is gone, and nothing is lost by it.
    fs::remove_file(place.path("keys/one.key.pem")).unwrap();
    assert!(opened(&place, "BEFORE.MP4", "two") == Some(first));
    let key = place.path("keys/two.key.pem");
    place
        .camdock_viewing(&["verify", "--deep", "--key", key.to_str().unwrap()])
        .ends(0);
}

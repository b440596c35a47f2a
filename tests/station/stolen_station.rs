//! A stolen station: no file of it opens what was stored and released.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use camdock::model::EvidenceId;
use camdock::seal::StationWrapKey;

use crate::place::{Place, until};

/// IV, wrapped key and tag.
const WRAPPED: usize = 12 + 32 + 16;

fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .flat_map(|path| {
            if path.is_dir() {
                files(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

/// Files of the state folder in which the station's wrap key finds the item's key, wherever it stands in them.
fn with_the_key_of(place: &Place, evidence: &str) -> Vec<PathBuf> {
    let id: EvidenceId = evidence.parse().unwrap();
    let wrap = fs::read(place.path("state/keys/wrap.key")).unwrap();
    let wrap: [u8; 32] = wrap.try_into().unwrap();
    let wrap = StationWrapKey::new(wrap.into());
    let opens = |bytes: &[u8]| !bytes.starts_with(&[0; 8]) && wrap.unwrap(bytes, id).is_ok();
    let mut found = files(&place.path("state"));
    found.retain(|path| {
        // A file may go while the station runs.
        let bytes = fs::read(path).unwrap_or_default();
        bytes.windows(WRAPPED).any(opens)
    });
    found
}

#[test]
fn no_file_holds_the_key_of_a_released_item_after_a_kill_or_while_idle() {
    let place = Place::new(&[]);
    place.film("X0000001", "A.MP4", 1, 20_000);
    place
        .camdock(&["run", "--drain", "--until-secured"])
        .ends(0);
    let evidence = |name: &str| place.item(name)["evidence"].as_str().unwrap().to_owned();
    let a = evidence("A.MP4");
    assert_eq!(
        with_the_key_of(&place, &a).len(),
        1,
        "while it is in flight"
    );
    let released = |name: &str| place.item(name)["state"] == "released";
    let none = Vec::<PathBuf>::new();

    let running = place.start(&["run"]);
    until("A is released", || released("A.MP4"));
    running.kill();
    assert_eq!(
        with_the_key_of(&place, &a),
        none,
        "killed after the release"
    );

    // Taken, stored and released in one run.
    place.film("X0000001", "B.MP4", 2, 20_000);
    let running = place.start(&["run"]);
    until("B is taken", || place.items().len() == 2);
    until("B is released", || released("B.MP4"));
    let b = evidence("B.MP4");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(with_the_key_of(&place, &b), none, "while the station idles");
    running.kill();
    for item in [a, b] {
        assert_eq!(with_the_key_of(&place, &item), none, "killed while idle");
    }
}

//! An item from the camera to the store, verified and opened.

use camdock::model::Event;

use crate::place::Place;
use crate::support::SeededSource;

#[test]
fn footage_is_taken_stored_verified_opened_and_named_as_held_on_the_next_docking() {
    let place = Place::new(&[]);
    place.film("X0000001", "DCIM/100/A0001.MP4", 1, 3_000_000);
    place.film("X0000001", "DCIM/100/A0002.MP4", 2, 20_000_000);
    place.film("X0000002", "DCIM/100/A0001.MP4", 3, 0);
    place.drain().ends(0);
    let items = place.items();
    assert_eq!(items.len(), 3, "{items:?}");
    assert!(items.iter().all(|i| i["state"] == "released"), "{items:?}");
    let item = place.item("DCIM/100/A0002.MP4");
    assert_eq!(item["officer"], "4711");
    let evidence = item["evidence"].as_str().unwrap();
    assert_eq!(
        place.open(evidence),
        SeededSource::new(2, 20_000_000).whole()
    );
    assert_eq!(place.verify_deep()["items_opened"], 3);

    place.drain().ends(0);
    assert_eq!(place.items().len(), 3);
    let mut held: Vec<usize> = place
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::ItemHeld(held) => Some(held.files().count()),
            _ => None,
        })
        .collect();
    held.sort_unstable();
    assert_eq!(held, [1, 2], "one entry for each camera");
    place
        .camdock(&["show", evidence])
        .ends(0)
        .says("still had the file DCIM/100/A0002.MP4;")
        .says("4711");
    place.camdock(&["verify", "--bucket"]).ends(0);
}

//! Kills and losses at the worst moments: nothing may be lost, half stored, or stored twice.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use camdock::model::Event;

use crate::place::{Place, until};
use crate::support::SeededSource;

/// The bytes of the largest sealed file on its way.
fn largest_in_spool(place: &Place) -> u64 {
    let entries = fs::read_dir(place.path("state/spool"))
        .into_iter()
        .flatten();
    let sizes = entries.flatten().filter_map(|e| e.metadata().ok());
    sizes
        .filter(fs::Metadata::is_file)
        .map(|m| m.len())
        .max()
        .unwrap_or(0)
}

#[test]
fn a_kill_in_mid_file_goes_on_from_there_at_the_next_start() {
    let place = Place::new(&[]);
    let len = 400 << 20;
    place.film("X0000001", "LONG.MP4", 1, len);
    let running = place.start(&["run", "--drain"]);
    until("a part of the file in the spool", || {
        largest_in_spool(&place) > 24 << 20
    });
    running.kill();
    let partial = largest_in_spool(&place);
    assert!(
        partial < len,
        "the kill came too late to show anything: {partial}"
    );
    let items = place.items();
    assert_eq!(items[0]["state"], "pulling", "{items:?}");

    place.drain().ends(0).says("resumes an interrupted pull");
    let item = place.item("LONG.MP4");
    assert_eq!(item["evidence"], items[0]["evidence"]);
    assert!(place.open(item["evidence"].as_str().unwrap()) == SeededSource::new(1, len).whole());
    assert_eq!(place.items().len(), 1);
    assert_eq!(place.verify_deep()["items_opened"], 1);
}

#[test]
fn kills_at_any_moment_neither_lose_nor_double_an_item() {
    let place = Place::new(&[]);
    let files = 300;
    for n in 0..files {
        let len = if n % 50 == 7 { 12 << 20 } else { 1000 + n * 97 };
        place.film(
            "X0000001",
            &format!("DCIM/{:03}/F{n:04}.MP4", n / 100),
            n,
            len,
        );
    }
    for after in [15, 40, 80, 130, 200, 290, 400, 600] {
        let running = place.start(&["run", "--drain"]);
        std::thread::sleep(Duration::from_millis(after));
        running.kill();
    }
    place.drain().ends(0);
    let sealed: Vec<_> = place
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::ItemSealed(sealed) => Some((sealed.path.to_string(), sealed.sha256)),
            _ => None,
        })
        .collect();
    let paths: BTreeSet<_> = sealed.iter().map(|(path, _)| path).collect();
    assert_eq!(paths.len(), usize::try_from(files).unwrap());
    assert_eq!(
        sealed.len(),
        paths.len(),
        "an item was sealed into the log twice"
    );
    assert_eq!(place.verify_deep()["items_opened"], files);
}

#[test]
fn a_kill_during_an_upload_and_a_store_that_dies_lose_nothing() {
    let slow = "pace = [{ from = \"00:00\", to = \"24:00\", megabits_per_second = 100 }]";
    let mut place = Place::new(&[("upload", slow)]);
    let len = 120 << 20;
    place.film("X0000001", "LONG.MP4", 5, len);
    place.film("X0000001", "SHORT.GPS", 6, 1000);
    let running = place.start(&["run", "--drain"]);
    let sent = |place: &Place| {
        let status = place.status()?;
        let at_work = status["outbound"]["at_work"].as_object()?.clone();
        at_work
            .values()
            .filter_map(|w| w["bytes_done"].as_u64())
            .max()
    };
    until("parts in the store", || sent(&place) >= Some(16 << 20));
    running.kill();

    let mut running = place.start(&["run", "--drain"]);
    until("more parts in the store", || sent(&place) >= Some(48 << 20));
    place.weed.kill();
    until("the station to notice", || {
        place
            .status()
            .is_some_and(|s| !s["outbound"]["problem"].is_null())
    });
    assert!(!running.ended(), "{}", running.said());
    place.weed.restart();
    running.wait().ends(0);
    assert_eq!(place.verify_deep()["items_opened"], 2);
    place.camdock(&["verify", "--bucket"]).ends(0);
}

#[test]
fn a_camera_pulled_out_in_mid_file_is_named_and_goes_on_when_docked_again() {
    let place = Place::new(&[]);
    let len = 300 << 20;
    place.film("X0000001", "A.MP4", 1, 1000);
    place.film("X0000001", "LONG.MP4", 2, len);
    let running = place.start(&["run"]);
    until("a part of the file in the spool", || {
        largest_in_spool(&place) > 16 << 20
    });
    fs::rename(place.path("docked/X0000001"), place.path("pocket")).unwrap();
    fs::rename(
        place.path("docked/X0000001.camera"),
        place.path("pocket.camera"),
    )
    .unwrap();
    until("the bay to be empty", || {
        place
            .status()
            .is_some_and(|s| s["bays"].as_array().is_some_and(Vec::is_empty))
            || running.said().contains("camera left")
    });
    fs::rename(
        place.path("pocket.camera"),
        place.path("docked/X0000002.camera"),
    )
    .unwrap();
    fs::rename(place.path("pocket"), place.path("docked/X0000002")).unwrap();
    until("both to be stored", || {
        place
            .items()
            .iter()
            .filter(|i| i["state"] == "released")
            .count()
            == 2
    });
    running.stop().ends(0);
    let undocked = place.events().into_iter().find_map(|event| match event {
        Event::CameraUndocked(left) => Some(left),
        _ => None,
    });
    let undocked = undocked.unwrap();
    assert!(!undocked.complete);
    assert_eq!(undocked.missing.len(), 1, "{undocked:?}");
    assert_eq!(undocked.missing[0].to_string(), "LONG.MP4");
    assert!(
        place.open(place.item("LONG.MP4")["evidence"].as_str().unwrap())
            == SeededSource::new(2, len).whole()
    );
    assert_eq!(place.verify_deep()["items_opened"], 2);
}

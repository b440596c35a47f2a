//! Cameras that hardly answer, and cards that die while they are read.

use std::collections::BTreeMap;
use std::fs;

use camdock::model::Event;
use serde_json::Value;

use crate::place::{Place, until};

fn bay(place: &Place, name: &str) -> Value {
    let view = place.status().unwrap_or_default();
    let bays = view["bays"].as_array();
    let found = bays.and_then(|bays| bays.iter().find(|bay| bay["bay"] == name));
    found.cloned().unwrap_or_default()
}

#[test]
fn one_byte_a_second_is_shown_at_its_bay_while_the_others_are_taken() {
    let place = Place::new(&[("ingest", "parallel_cameras = 2")]);
    let serials: Vec<String> = (1..=4).map(|n| format!("X000000{n}")).collect();
    place.roster(&serials.iter().map(String::as_str).collect::<Vec<_>>());
    // There are more cameras than may be read at once.
    for (seed, serial) in (0..).zip(&serials[..3]) {
        place.film(serial, "CRAWLS.MP4", seed, 100_000);
    }
    let crawl = place.path("crawl");
    fs::write(&crawl, "").unwrap();
    let set = [
        ("CAMDOCK_FAILPOINT", "crawl:read camera~CRAWLS@1+"),
        ("CAMDOCK_FAILPOINT_WHILE", crawl.to_str().unwrap()),
    ];
    let running = place.start_with(&["run"], &set);
    until("three are slow", || {
        serials[..3]
            .iter()
            .all(|serial| bay(&place, serial)["code"] == "camera_slow")
    });
    let view = bay(&place, "X0000001");
    let text = |key: &str| view[key].as_str().unwrap();
    assert_eq!(view["state"], "needs_attention");
    assert!(text("reason").contains(" bytes a second"), "{view}");
    assert!(text("next_step").contains("another bay"), "{view}");
    for n in 0..30 {
        place.film("X0000004", &format!("F{n:02}.MP4"), 10 + n, 50_000);
    }
    let mut last = Value::Null;
    let stored = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        until("the other camera is stored", || {
            last = bay(&place, "X0000004");
            last["state"] == "all_stored"
        });
    }));
    assert!(stored.is_ok(), "{last}\n{}", running.said());
    assert_eq!(bay(&place, "X0000001")["code"], "camera_slow");
    // One is pulled out, one still crawls when the station stops, one recovers: nobody waits for a byte.
    fs::rename(place.path("docked/X0000001"), place.path("pocket")).unwrap();
    until("it left early", || {
        bay(&place, "X0000001")["code"] == "removed_early"
    });
    running.stop().ends(0).says("camera_slow");
    fs::rename(place.path("pocket"), place.path("docked/X0000001")).unwrap();
    let running = place.start_with(&["run", "--drain"], &set);
    until("it crawls again", || {
        bay(&place, "X0000002")["code"] == "camera_slow"
    });
    fs::remove_file(crawl).unwrap();
    running.wait().ends(0);
    assert_eq!(place.verify_deep()["items_opened"], 33);
    place.camdock(&["audit", "gaps"]).ends(0);
}

#[test]
fn a_dying_card_gives_what_it_still_can_and_each_lost_file_is_named() {
    let place = Place::new(&[]);
    let files = 60;
    for n in 0..files {
        place.film("X0000001", &format!("F{n:02}.MP4"), n, 2_000);
    }
    place.film("X0000002", "F00.MP4", 100, 2_000);
    // Each of these files takes two reads: the second one finds the end.
    let set = [("CAMDOCK_FAILPOINT", "eio:read camera~F@50+")];
    let running = place.start_with(&["run"], &set);
    until("the bay says that files failed", || {
        bay(&place, "X0000001")["code"] == "files_failed"
    });
    let view = bay(&place, "X0000001");
    assert!(
        view["next_step"]
            .as_str()
            .unwrap()
            .contains("Leave the camera docked"),
        "{view}"
    );
    // The result stays: nothing is tried for ever.
    let tries = |said: &str| said.matches("failpoint read camera").count();
    let before = tries(&running.said());
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert_eq!(tries(&running.said()), before);
    fs::rename(place.path("docked/X0000001"), place.path("pocket")).unwrap();
    until("its session ends", || {
        running.said().contains("camera left")
    });
    running.stop().ends(0);

    let (mut taken, mut failed) = (Vec::new(), BTreeMap::new());
    for event in place.events() {
        match event {
            Event::ItemSealed(sealed) => taken.push(sealed.path.to_string()),
            Event::ItemFailed(f) => {
                assert_eq!(f.code, "file_unreadable", "{f:?}");
                assert!(f.reason.contains("Input/output error"), "{f:?}");
                *failed.entry(f.path.unwrap().to_string()).or_insert(0) += 1;
            }
            _ => {}
        }
    }
    assert!(taken.len() >= 20, "{} taken", taken.len());
    assert!(failed.values().all(|times| *times <= 2), "{failed:?}");
    let named: std::collections::BTreeSet<_> = taken.iter().chain(failed.keys()).collect();
    assert_eq!(named.len() as u64, files, "each file was taken or is named");
    assert!(before as u64 <= (files + 1) * 3, "{before} reads failed");
    let said = place.camdock(&["audit", "gaps", "--camera", "folder/X0000001"]);
    said.ends(3).says("F59.MP4");

    // On another reader it can still be read.
    fs::rename(place.path("pocket"), place.path("docked/X0000001")).unwrap();
    place.drain().ends(0);
    assert_eq!(place.verify_deep()["items_opened"], files + 1);
    place.camdock(&["audit", "gaps"]).ends(0);
}

#[test]
fn a_camera_that_shows_nothing_is_not_called_stored_unless_it_is_known_to_be_empty() {
    let place = Place::new(&[]);
    place.film("X0000001", "DCIM/A.MP4", 1, 2_000);
    place.drain().ends(0);
    // The card is not mounted: its place is an empty folder. Or the card is empty, which it was not.
    for names in [&[][..], &["DCIM"]] {
        fs::remove_dir_all(place.path("docked/X0000001")).unwrap();
        fs::create_dir(place.path("docked/X0000001")).unwrap();
        for name in names {
            fs::create_dir(place.path("docked/X0000001").join(name)).unwrap();
        }
        let ran = place.drain().ends(3);
        ran.says("camera_empty").says("check its card");
    }
    let left: Vec<_> = place
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::SessionEnded(end) => Some((end.complete, end.reason)),
            _ => None,
        })
        .collect();
    let silent = |reason: &str| reason.contains("showed no files");
    assert!(left[0].0 && !silent(&left[0].1), "{left:?}");
    assert!(
        left[1..]
            .iter()
            .all(|(complete, reason)| !complete && silent(reason)),
        "{left:?}"
    );

    // It is mounted after all.
    let running = place.start(&["run"]);
    until("it shows nothing", || {
        bay(&place, "X0000001")["code"] == "camera_empty"
    });
    place.film("X0000001", "DCIM/B.MP4", 2, 2_000);
    until("what it shows is stored", || {
        bay(&place, "X0000001")["state"] == "all_stored"
    });
    running.stop().ends(0);

    // A camera that was never seen, with an empty card; and one whose card is not mounted.
    for (serial, code) in [("X0000002", 0), ("X0000003", 3)] {
        fs::remove_dir_all(place.path("docked")).unwrap();
        fs::create_dir(place.path("docked")).unwrap();
        place.roster(&[serial]);
        let folder = place.camera(serial);
        if code == 0 {
            fs::create_dir(folder.join("DCIM")).unwrap();
        }
        place.drain().ends(code);
    }
}

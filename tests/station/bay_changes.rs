//! Cameras that change their bay, or their station, in the middle of a file.

use std::fs;
use std::path::PathBuf;

use camdock::model::Event;
use serde_json::Value;

use crate::gaps::{gaps, kinds};
use crate::place::{Place, Running, until};
use crate::support::SeededSource;

/// Resumable, and several frames of it are taken before the camera crawls.
const LONG: u64 = 24 << 20;

/// A station whose cameras crawl from the fortieth read of long files on, until the file that is returned is gone.
fn crawling(place: &Place) -> (Running, PathBuf) {
    let crawl = place.path("crawl");
    fs::write(&crawl, "").unwrap();
    let set = [
        ("CAMDOCK_FAILPOINT", "crawl:read camera~LONG@40+"),
        ("CAMDOCK_FAILPOINT_WHILE", crawl.to_str().unwrap()),
    ];
    (place.start_with(&["run"], &set), crawl)
}

/// From one path to another, the marker first where it arrives.
pub fn carry(from: PathBuf, to: PathBuf) {
    let marker = |path: &PathBuf| path.with_added_extension("camera");
    fs::copy(marker(&from), marker(&to)).unwrap();
    fs::rename(&from, &to).unwrap();
    fs::remove_file(marker(&from)).unwrap();
}

fn bay(place: &Place, name: &str) -> Value {
    let view = place.status().unwrap_or_default();
    let bays = view["bays"].as_array();
    let found = bays.and_then(|bays| bays.iter().find(|bay| bay["bay"] == name));
    found.cloned().unwrap_or_default()
}

fn long_is_read(place: &Place, bay_name: &str) -> bool {
    let view = bay(place, bay_name);
    view["state"] == "reading" && view["file"].as_str().is_some_and(|f| f.contains("LONG"))
}

fn undocked(place: &Place) -> Vec<(String, bool, String)> {
    let events = place.events().into_iter();
    events
        .filter_map(|event| match event {
            Event::CameraUndocked(left) => Some((
                left.bay.to_string(),
                left.complete,
                format!("{:?}", left.missing),
            )),
            _ => None,
        })
        .collect()
}

#[test]
fn two_cameras_swapped_between_bays_in_mid_read_each_go_on_as_themselves() {
    let place = Place::new(&[]);
    let docked = |bay: &str| place.path("docked").join(bay);
    for (seed, serial) in [(1, "X0000001"), (10, "X0000002")] {
        place.film(serial, "SMALL.GPS", seed, 700);
        place.film(serial, &format!("LONG{serial}.MP4"), seed + 1, LONG);
    }
    let (running, crawl) = crawling(&place);
    until("both long files are being read", || {
        long_is_read(&place, "X0000001") && long_is_read(&place, "X0000002")
    });
    carry(docked("X0000001"), place.path("hand"));
    carry(docked("X0000002"), docked("X0000001"));
    carry(place.path("hand"), docked("X0000002"));
    until("each is read in its new bay", || {
        let is = |name: &str, camera: &str| {
            bay(&place, name)["camera"]
                .as_str()
                .is_some_and(|c| c.ends_with(camera))
        };
        is("X0000001", "X0000002") && is("X0000002", "X0000001")
    });
    fs::remove_file(crawl).unwrap();
    until("all is stored", || {
        ["X0000001", "X0000002"].map(|name| bay(&place, name)["state"] == "all_stored") == [true; 2]
    });
    let said = running.said();
    running.stop().ends(0);
    let items = place.items();
    assert_eq!(items.len(), 4, "{items:#?}");
    for (seed, serial, officer) in [(1, "X0000001", "4711"), (10, "X0000002", "4712")] {
        let item = place.item(&format!("LONG{serial}.MP4"));
        assert_eq!(item["camera"], format!("folder/{serial}"));
        assert_eq!(item["officer"], officer);
        assert_eq!(item["state"], "released", "{item}");
        let opened = place.open(item["evidence"].as_str().unwrap());
        assert!(
            opened == SeededSource::new(seed + 1, LONG).whole(),
            "{serial}"
        );
    }
    assert_eq!(
        said.matches("resumes an interrupted pull").count(),
        2,
        "{said}"
    );
    let left = undocked(&place);
    for (name, serial) in [("X0000001", "X0000001"), ("X0000002", "X0000002")] {
        let early = left
            .iter()
            .find(|(bay, complete, _)| bay == name && !complete);
        let (.., missing) = early.unwrap_or_else(|| panic!("{name} in {left:?}"));
        assert!(missing.contains(&format!("LONG{serial}.MP4")), "{left:?}");
    }
    assert_eq!(place.verify_deep()["items_opened"], 4);
    assert_eq!(gaps(&place, 0), []);
}

#[test]
fn a_camera_half_taken_here_is_taken_whole_by_another_station() {
    let place = Place::new(&[]);
    let films = [
        ("SMALL.GPS", 1, 700),
        ("LONG.MP4", 2, LONG),
        ("LONG2.MP4", 3, LONG),
    ];
    for (name, seed, len) in films {
        place.film("X0000001", name, seed, len);
    }
    let (running, _) = crawling(&place);
    until("the small file is stored, a long one is being read", || {
        long_is_read(&place, "X0000001") && place.item("SMALL.GPS")["state"] == "released"
    });
    let other = place.another(&[
        ("station", "name = \"test-2\""),
        ("station", "log_origin = \"camdock/test-1\""),
    ]);
    let bay_of = |place: &Place| place.path("docked").join("X0000001");
    carry(bay_of(&place), bay_of(&other));
    until("the station says that it left early", || {
        bay(&place, "X0000001")["code"] == "removed_early"
    });
    let view = bay(&place, "X0000001");
    assert!(
        view["next_step"]
            .as_str()
            .unwrap()
            .contains("Dock this camera again"),
        "{view}"
    );
    assert_eq!(
        (&view["files_done"], &view["files_total"]),
        (&1.into(), &3.into())
    );
    other.drain().ends(0);
    running.stop().ends(0);

    // Here: what is missing, by name, until somebody explains it.
    let left = undocked(&place);
    let [(_, false, missing)] = &left[..] else {
        panic!("{left:?}");
    };
    for name in ["LONG.MP4", "LONG2.MP4"] {
        assert!(missing.contains(name), "{missing}");
    }
    let found = gaps(&place, 3);
    assert_eq!(
        kinds(&found),
        ["gap_never_taken", "gap_never_taken", "gap_session"],
        "{found:?}"
    );
    // There: everything, and as a whole.
    assert_eq!(other.items().len(), films.len());
    for (name, seed, len) in films {
        let item = other.item(name);
        assert_eq!(item["state"], "released", "{item}");
        assert!(
            other.open(item["evidence"].as_str().unwrap()) == SeededSource::new(seed, len).whole()
        );
    }
    assert_eq!(gaps(&other, 0), []);
    assert_eq!(other.verify_deep()["items_opened"], films.len());
    place.drain().ends(0);
    assert_eq!(place.verify_deep()["items_opened"], 1);
}

//! `camdock audit gaps` on real stations: what is missing is named, what is not is never invented, what is explained stays so.

use std::fs;

use serde_json::Value;

use crate::people::{get, pages};
use crate::place::{LONG, Place, Ran, until};
use crate::store::put;
use crate::weekly_verification::{by_timer, figure, setting, unit};

/// Kinds and names of the gaps.
#[track_caller]
pub fn gaps(place: &Place, code: i32) -> Vec<(String, String)> {
    let running = place.start(&["audit", "gaps", "--json"]);
    let ran = running.wait_at_most(LONG).ends(code);
    let report: Value = serde_json::from_str(&ran.out).unwrap();
    let gaps = report["gaps"].as_array().unwrap().iter();
    gaps.map(|gap| {
        assert!(!gap["what"].as_str().unwrap().is_empty(), "{gap}");
        assert!(!gap["next_step"].as_str().unwrap().is_empty(), "{gap}");
        let text = |key: &str| gap[key].as_str().unwrap().to_owned();
        (text("code"), text("gap"))
    })
    .collect()
}

pub fn kinds(gaps: &[(String, String)]) -> Vec<&str> {
    gaps.iter().map(|(kind, _)| kind.as_str()).collect()
}

#[test]
fn a_camera_that_left_early_leaves_gaps_until_it_was_docked_again() {
    let place = Place::new(&[("dock", "settle_seconds = 600")]);
    place.film("X0000001", "SMALL.MP4", 1, 1000);
    // It was written just now, so that it is not read yet.
    let long = place.film("X0000001", "LONG.MP4", 2, 1 << 20);
    let now = std::time::SystemTime::now();
    let file = fs::File::options().append(true).open(&long).unwrap();
    file.set_modified(now).unwrap();
    let running = place.start(&["run"]);
    until("the other file is stored", || {
        if !place.path("state/journal.db").exists() {
            return false;
        }
        let items = place.items();
        let stored = |item: &Value| item["path"] == "SMALL.MP4" && item["state"] == "released";
        items.iter().any(stored)
    });
    // It is at work: nothing is missing yet.
    assert_eq!(gaps(&place, 0), []);
    fs::rename(place.path("docked/X0000001"), place.path("away")).unwrap();
    until("it left early", || {
        running.said().contains("camera left early")
    });
    let found = gaps(&place, 3);
    assert_eq!(
        kinds(&found),
        ["gap_never_taken", "gap_session"],
        "{found:?}"
    );
    assert!(
        found[0]
            .1
            .starts_with("never-taken:folder/X0000001:LONG.MP4:"),
        "{found:?}"
    );
    let said = place
        .camdock(&["audit", "gaps", "--camera", "folder/X0000001"])
        .ends(3);
    said.says("LONG.MP4")
        .says("officer 4711")
        .says("Dock the camera again");
    place
        .camdock(&["audit", "gaps", "--camera", "folder/X0000002"])
        .ends(0);
    running.stop().ends(0);
    place.configure(&[]);
    fs::rename(place.path("away"), place.path("docked/X0000001")).unwrap();
    place.drain().ends(0);
    assert_eq!(gaps(&place, 0), []);
}

#[test]
fn a_missing_number_is_reported_by_timer_metrics_and_page_until_it_is_explained() {
    let timer = unit("camdock-gaps.timer");
    assert!(setting(&timer, "OnCalendar").starts_with("*-*-*"), "daily");
    assert_eq!(setting(&timer, "Persistent"), "yes");
    let service = unit("camdock-gaps.service");
    assert_eq!(setting(&service, "User"), "camdock");
    // Gaps alone do not make the unit fail.
    assert_eq!(setting(&service, "SuccessExitStatus"), "3");

    let place = Place::new(&[]);
    place.configure(&[("metrics", "listen = \"127.0.0.1:0\"")]);
    for number in [1, 2, 3, 5, 8] {
        place.film(
            "X0000001",
            &format!("DCIM/VID_{number:04}.MP4"),
            number,
            1000,
        );
    }
    // The officer locked one, and took a picture.
    place.film("X0000001", "EVENT/VID_0006.MP4", 6, 1000);
    place.film("X0000001", "DCIM/PIC_0007.JPG", 7, 1000);
    place.drain().ends(0);
    let running = place.start(&["run"]);
    let address = pages(&running, "metrics");
    let metric = |name: &str| {
        std::thread::sleep(std::time::Duration::from_millis(600));
        figure(&get(&address, "/metrics", None), name)
    };
    let numbers = "camdock_gaps{kind=\"gap_number\"}";
    assert_eq!(metric(numbers), None);
    let run = || by_timer(&place, "camdock-gaps.service");
    run()
        .ends(3)
        .says("number 0004")
        .says("DCIM/VID_0003.MP4")
        .says("1 gap");
    assert_eq!(metric(numbers), Some(1.0));
    assert_eq!(metric("camdock_gaps{kind=\"gap_session\"}"), Some(0.0));
    let found = gaps(&place, 3);
    assert_eq!(kinds(&found), ["gap_number"]);
    let gap = found[0].1.as_str();
    let (name, day) = gap.rsplit_once(':').unwrap();
    assert_eq!(name, "number:folder/X0000001:DCIM/VID_#:0004");
    assert!(day.parse::<jiff::civil::Date>().is_ok(), "{gap}");

    let accept = |gap: &str| -> Ran {
        let who = [
            "--operator",
            "M. Shah",
            "--reason",
            "deleted by mistake, note 12",
        ];
        place.camdock(&[&["audit", "accept", gap][..], &who[..]].concat())
    };
    for nonsense in [
        "*",
        "number",
        "number:",
        "number:*",
        "missing:evidence/test-1/x/original",
        "anything:at all",
    ] {
        accept(nonsense).ends(3).says("is not the name of a gap");
    }
    assert_eq!(gaps(&place, 3).len(), 1);
    accept(gap).ends(0).says("accepted");
    assert_eq!(gaps(&place, 0), []);
    run().ends(0).says("no gaps; 1 explained");
    assert_eq!(metric(numbers), Some(0.0));
    let shown = place.camdock(&["audit", "gaps", "--accepted"]).ends(0);
    shown.says("by M. Shah").says("deleted by mistake, note 12");
    running.stop().ends(0);
    place.camdock(&["verify"]).ends(0);
}

#[test]
fn log_and_bucket_are_compared_both_ways_and_contradictions_cannot_be_explained() {
    let place = Place::new(&[]);
    for (number, name) in (1..).zip(["A.MP4", "B.MP4", "C.MP4", "D.MP4"]) {
        place.film("X0000001", name, number, 1000);
    }
    place.drain().ends(0);
    assert_eq!(gaps(&place, 0), []);
    let key = |name: &str, object: &str| {
        format!(
            "evidence/test-1/{}/{object}",
            place.item(name)["evidence"].as_str().unwrap()
        )
    };
    let client = place.weed.client();
    let delete = |key: String| {
        let deleted = client.delete_object().bucket("evidence").key(key);
        Place::block_on(deleted.send()).unwrap();
    };
    delete(key("A.MP4", "original"));
    delete(key("B.MP4", "receipt"));
    put(&place, &key("C.MP4", "original"), b"shorter");
    // As many bytes as the footage has.
    let original = key("D.MP4", "original");
    let head = client.head_object().bucket("evidence").key(original);
    let sealed = Place::block_on(head.send()).unwrap().content_length;
    let junk = vec![7; usize::try_from(sealed.unwrap()).unwrap()];
    put(&place, &key("D.MP4", "original"), &junk);
    put(&place, &key("C.MP4", "notes.txt"), b"whose?");
    put(&place, "evidence/test-1/strange", b"whose?");
    let found = gaps(&place, 1);
    let expected = [
        (
            "gap_object_covered",
            format!("covered:{}", key("A.MP4", "original")),
        ),
        (
            "gap_object_missing",
            format!("missing:{}", key("B.MP4", "receipt")),
        ),
        (
            "gap_object_covered",
            format!("covered:{}", key("C.MP4", "original")),
        ),
        (
            "gap_object_covered",
            format!("covered:{}", key("D.MP4", "original")),
        ),
        (
            "gap_object_unknown",
            format!("unknown:{}", key("C.MP4", "notes.txt")),
        ),
        (
            "gap_object_unknown",
            "unknown:evidence/test-1/strange".to_owned(),
        ),
    ];
    let mut expected = expected.map(|(kind, gap)| (kind.to_owned(), gap)).to_vec();
    let mut sorted = found.clone();
    sorted.sort();
    expected.sort();
    assert_eq!(sorted, expected);
    let by_timer = by_timer(&place, "camdock-gaps.service");
    by_timer.ends(1).says("Change nothing in the bucket");
    // Without the store, the log alone has no gap; and keys that may not list say so.
    place
        .camdock(&["audit", "gaps", "--no-store"])
        .ends(0)
        .says("not compared");
    place.credentials("nobody", "nothing");
    place.camdock(&["audit", "gaps"]).ends(4).says("next:");
}

#[test]
fn another_station_in_the_same_bucket_is_no_gap_and_a_cut_log_is_one() {
    let place = Place::new(&[]);
    place.film("X0000001", "A.MP4", 1, 1000);
    place.drain().ends(0);
    let other = place.another(&[
        ("station", "name = \"test-2\""),
        ("station", "log_origin = \"camdock/test-1\""),
    ]);
    other.film("X0000002", "B.MP4", 2, 1000);
    other.drain().ends(0);
    assert_eq!(gaps(&place, 0), []);
    assert_eq!(gaps(&other, 0), []);
    // Without its own copy, the bucket's is as good.
    place
        .camdock(&["audit", "gaps", "--bucket"])
        .ends(0)
        .says("no gaps");
    let log = place.path("state/log/tile/entries");
    let damaged = fs::read_dir(&log).unwrap().flatten().next().unwrap().path();
    let file = if damaged.is_dir() {
        fs::read_dir(&damaged)
            .unwrap()
            .flatten()
            .next()
            .unwrap()
            .path()
    } else {
        damaged
    };
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&file, bytes).unwrap();
    place.camdock(&["audit", "gaps"]).ends(1).says("WRONG");
}

//! `camdock open` and `camdock verify --deep` with an office: its log has it before anything is opened.

use std::fs;

use serde_json::json;

use crate::bed::{Bed, TOKEN, identity, private};
use crate::place::Place;

#[test]
fn what_is_opened_by_command_is_in_the_offices_published_log_before() {
    let place = Place::with_stations(&[identity("office", "evidence", "office-1")]);
    // The station, and whoever opens here, have all rights.
    place.configure(&[]);
    let film = place.film("X0000001", "A.MP4", 1, 70_000);
    place.film("X0000001", "B.MP4", 2, 70_000);
    let film = fs::read(film).unwrap();
    place.drain().ends(0);
    let id = place.item("A.MP4")["evidence"].as_str().unwrap().to_owned();
    let mut bed = Bed::beside(&place, "office", tempfile::tempdir().unwrap());
    bed.run_pages();
    bed.until("test-1", |found| found["bucket"]["items"] == 2);

    let office = format!("http://127.0.0.1:{}/", bed.pages);
    let (token, wrong) = (bed.path("token"), bed.path("wrong"));
    private(&token, &format!("{TOKEN}\n"));
    private(&wrong, "camdock_wrong\n");
    let (key, out) = (place.path("keys/one.key.pem"), place.path("opened"));
    let key = key.to_str().unwrap();
    let with = |words: &[&str], token: &std::path::Path| {
        let view = [
            "--reason",
            "Superintendent Byrne asked for it",
            "--office",
            &office,
            "--token-file",
        ];
        place.camdock(&[words, &view, &[token.to_str().unwrap()]].concat())
    };
    let open = ["open", &id, "--key", key, "--out", out.to_str().unwrap()];
    with(&open, &wrong).ends(4).says("the office answers 401");
    assert!(!out.exists());
    assert!(bed.acts().iter().all(|act| act["event"] != "item.viewed"));
    with(&open, &token).ends(0);
    assert!(fs::read(&out).unwrap() == film);
    let act = &bed.until_acts("item.viewed", 1)[0]["data"];
    assert_eq!(
        (&act["evidence"], &act["part"], &act["operator"]),
        (&json!(id), &json!("original"), &json!("M. Shah"))
    );
    let told = bed.camdock(&["office", "acts"]);
    let told = String::from_utf8(told.stdout).unwrap();
    assert!(told.contains("Superintendent Byrne asked for it"), "{told}");

    let deep = ["verify", "--deep", "--key", key];
    with(&deep, &token).ends(0).says("2 opened");
    let acts = bed.until_acts("item.viewed", 3);
    assert!(
        acts[1..]
            .iter()
            .all(|act| act["data"].get("part").is_none())
    );
    // An office that is away, or an address that anybody could listen to: nothing is opened.
    fs::remove_file(&out).unwrap();
    bed.stop();
    with(&open, &token).ends(4).says("so it was not opened");
    let far = [
        "--reason",
        "x",
        "--office",
        "http://127.0.0.1.office.example",
        "--token-file",
        token.to_str().unwrap(),
    ];
    place
        .camdock(&[&open[..], &far].concat())
        .ends(2)
        .says("https://");
    assert!(!out.exists());
}

//! Decisions on quarantined items from the command line, and lists that are read only in part.

use std::process::Command;

use crate::place::{Place, until};

#[test]
fn quarantine_is_decided_by_camera_or_session_and_the_list_names_the_next_command() {
    let place = Place::new(&[]);
    place.roster(&["X0000001"]);
    for (camera, file) in [
        ("X0000008", "A.MP4"),
        ("X0000008", "B.MP4"),
        ("X0000009", "C.MP4"),
    ] {
        place.film(camera, file, u64::from(file.as_bytes()[0]), 10_000);
    }
    let running = place.start(&["run"]);
    until("all three are in quarantine", || {
        place
            .camdock(&["quarantine", "list", "--json"])
            .lines()
            .len()
            == 3
    });
    let listed = place.camdock(&["quarantine", "list"]).ends(3);
    let listed = listed.says("3 items wait for a decision");
    listed.says("next: camdock quarantine decide accept ");

    let signature = ["--operator", "M. Shah", "--reason", "new cameras"];
    let decide = |words: &[&str]| {
        let words = [
            &["quarantine", "decide", "accept"][..],
            words,
            &signature[..],
        ]
        .concat();
        place.camdock(&words)
    };
    decide(&[]).ends(2);
    decide(&["--camera", "X0000001"])
        .ends(2)
        .says("no such item waits for a decision");
    let done = decide(&["--camera", "X0000008"]).ends(0);
    assert_eq!(done.out.matches("done ").count(), 2, "{}", done.out);
    decide(&["--camera", "X0000008"])
        .ends(2)
        .says("decided already");
    let id = place.item("A.MP4")["evidence"].as_str().unwrap().to_owned();
    decide(&[&id])
        .ends(3)
        .says("it is decided already: accepted");
    let left = place
        .camdock(&["quarantine", "list", "--json"])
        .ends(3)
        .lines();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0]["path"], "C.MP4");
    let session = left[0]["session"].as_str().unwrap();
    decide(&["--session", session]).ends(0);
    place.camdock(&["quarantine", "list"]).ends(0);
    running.stop().ends(0);
}

#[test]
fn a_list_whose_reader_has_gone_ends_without_a_word() {
    let place = Place::new(&[]);
    place.film("X0000001", "A.MP4", 1, 10_000);
    place.drain().ends(0);
    for verb in [
        &["items"][..],
        &["items", "--csv"],
        &["items", "--json"],
        &["explain"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let done = Command::new(env!("CARGO_BIN_EXE_camdock"))
            .arg("--config")
            .arg(place.config())
            .args(verb)
            .stdout(writer)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert_eq!((done.status.code(), &*said), (Some(141), ""), "{verb:?}");
    }
}

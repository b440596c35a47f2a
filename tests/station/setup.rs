//! `camdock check` leads whoever has just installed it to a running station.

use std::fs;

use serde_json::Value;

use crate::place::{Place, until};

/// The step that is next, and what is to be typed for it.
#[track_caller]
fn next(place: &Place, code: i32) -> (String, Vec<String>) {
    let steps = steps(place, code);
    let due: Vec<_> = steps.iter().filter(|s| s["state"] == "next").collect();
    assert_eq!(due.len(), 1, "{steps:#?}");
    let words = due[0]["next"].as_array().unwrap();
    let words = words.iter().map(|w| w.as_str().unwrap().to_owned());
    (due[0]["what"].as_str().unwrap().to_owned(), words.collect())
}

#[track_caller]
fn steps(place: &Place, code: i32) -> Vec<Value> {
    let ran = place.camdock(&["check", "--json"]);
    assert!(
        ran.code == Some(code) || code == 0 && ran.code == Some(3),
        "{ran:?}"
    );
    let steps: Vec<Value> = ran
        .lines()
        .into_iter()
        .filter(|l| l["step"].is_u64())
        .collect();
    let numbers: Vec<_> = steps.iter().map(|s| s["step"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=8).collect::<Vec<_>>());
    steps
}

/// Types what the check says.
fn typed(line: &str) -> Vec<&str> {
    let mut words = line.split_whitespace();
    assert_eq!(words.next(), Some("camdock"), "{line}");
    words.collect()
}

#[test]
fn a_newcomer_who_types_what_the_check_says_has_a_running_station() {
    let place = Place::new(&[]);
    let path = |name: &str| place.path(name);
    for folder in ["state", "keys", "docked"] {
        fs::remove_dir_all(path(folder)).unwrap();
    }
    for file in ["camdock.toml", "roster.toml", "store.toml"] {
        fs::remove_file(path(file)).unwrap();
    }
    fs::create_dir(path("keys")).unwrap();

    let (what, todo) = next(&place, 2);
    assert_eq!(what, "configuration");
    assert!(
        todo[0].contains(&place.config().display().to_string()),
        "{todo:?}"
    );
    place.configure(&[]);
    fs::remove_file(path("store.toml")).unwrap();

    let (what, todo) = next(&place, 2);
    assert_eq!(what, "recipients");
    let keygen = todo[0].split("     ").next().unwrap();
    for name in ["keys/one", "keys/two"] {
        let out = path(name).display().to_string();
        let line = keygen.replace("evidence", &out);
        place.camdock(&typed(&line)).ends(0);
    }

    let (what, todo) = next(&place, 3);
    assert_eq!(what, "station keys");
    place.camdock(&typed(&todo[0])).ends(0);

    let (what, todo) = next(&place, 3);
    assert_eq!(what, "store");
    assert!(todo[0].contains("store.toml"), "{todo:?}");
    let (access, secret) = place.weed.admin_keys();
    place.credentials(access, "wrong");
    let (what, todo) = next(&place, 3);
    assert_eq!(what, "store");
    assert!(
        todo[0].contains("keys") || todo[0].contains("credentials"),
        "{todo:?}"
    );
    place.credentials(access, secret);

    let (what, todo) = next(&place, 3);
    assert_eq!(what, "bays");
    assert!(todo[0].contains("[dock] folders"), "{todo:?}");
    fs::create_dir(path("docked")).unwrap();

    // Steps that can wait do not stand in the way, and say how they are done.
    let (what, todo) = next(&place, 0);
    assert_eq!(what, "service");
    let all = steps(&place, 0);
    let open = |what: &str| {
        all.iter()
            .any(|s| s["what"] == what && s["state"] == "optional")
    };
    assert!(open("roster") && open("pages"), "{all:#?}");
    let roster = all.iter().find(|s| s["what"] == "roster").unwrap();
    assert!(roster["next"].to_string().contains("[cameras]"));

    let running = place.start(&typed(&todo[0]));
    until("the station is ready", || {
        running.said().contains("the station is ready")
    });
    place.roster(&["X0000001"]);
    let all = steps(&place, 0);
    let undone: Vec<_> = all.iter().filter(|s| s["state"] != "done").collect();
    assert_eq!(undone.len(), 1, "{undone:#?}");
    assert_eq!(undone[0]["what"], "pages");
    let check = place.camdock(&["check"]);
    check
        .says("Setting up, step by step:")
        .says("The station is set up.");
    running.stop().ends(0);
}

#[test]
fn the_steps_are_printed_for_people_with_one_next_thing_to_do() {
    let place = Place::new(&[]);
    fs::remove_dir_all(place.path("state")).unwrap();
    let check = place.camdock(&["check"]).ends(3);
    let lines: Vec<_> = check
        .out
        .lines()
        .skip_while(|l| !l.starts_with("Setting up"))
        .collect();
    assert_eq!(lines.iter().filter(|l| l.contains(". NEXT ")).count(), 1);
    let at = lines.iter().position(|l| l.contains(". NEXT ")).unwrap();
    assert!(lines[at].contains("station keys"), "{lines:#?}");
    let typed = lines[at + 1].trim();
    assert!(
        typed.starts_with("> camdock keygen station --config "),
        "{typed}"
    );
    check.says("Do the step marked NEXT");
}

//! A misbehaving device does not fill the log.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::Value;

use crate::place::Place;

/// Lines of one kind and bay in a minute.
const LINES: usize = 60;

#[test]
fn a_camera_full_of_trouble_is_reported_in_few_lines_that_count_the_rest() {
    let place = Place::new(&[("log", "format = \"json\"")]);
    let (links, files) = (700, 130);
    let camera = place.camera("X0000001");
    for n in 0..links {
        symlink("/etc/passwd", camera.join(format!("L{n:04}.MP4"))).unwrap();
    }
    for n in 0..files {
        place.film("X0000001", &format!("S{n:04}.GPS"), n, 10);
    }
    symlink("/etc/passwd", place.camera("X0000002").join("ONE.MP4")).unwrap();
    let ran = place.drain().ends(3);
    let lines: Vec<Value> = ran
        .err
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect();
    let of = |message: &str, bay: &str| {
        let same = lines.iter().filter(|l| l["message"] == message);
        same.filter(|l| bay.is_empty() || l["span"]["bay"] == bay)
            .count()
    };
    // It may take more than a minute, and then another sixty are due.
    let began: jiff::Timestamp = lines[0]["timestamp"].as_str().unwrap().parse().unwrap();
    let ended = lines.last().unwrap()["timestamp"].as_str().unwrap();
    let seconds = ended.parse::<jiff::Timestamp>().unwrap().as_second() - began.as_second();
    let most = LINES * usize::try_from(seconds / 60 + 1).unwrap();
    let left_out = |message: &str| -> u64 {
        let left = lines
            .iter()
            .filter(|l| l["code"] == "log_lines_left_out" && l["of"] == message);
        left.map(|l| l["lines"].as_u64().unwrap()).sum()
    };
    for (message, bay, all) in [
        ("not taken", "X0000001", links),
        ("stored", "", usize::try_from(files).unwrap()),
    ] {
        let seen = of(message, bay);
        assert!((1..=most).contains(&seen), "{seen} lines of '{message}'");
        assert_eq!(seen as u64 + left_out(message), all as u64, "{message}");
    }
    assert_eq!(of("not taken", "X0000002"), 1, "another bay is heard");
    // The custody log has them all.
    let failed = place
        .events()
        .into_iter()
        .filter(|e| matches!(e, camdock::model::Event::ItemFailed(_)));
    assert_eq!(failed.count(), links + 1);
    // No line is longer than what a camera may name.
    assert!(lines.iter().all(|l| l.to_string().len() < 8192));
    // Stable names: each line says when, how grave, where and what; a problem has its code and, from us, the next step.
    for line in &lines {
        for field in ["timestamp", "level", "target", "message"] {
            assert!(line[field].is_string(), "{field} is missing in {line}");
        }
    }
    let refused = lines.iter().find(|l| l["message"] == "not taken").unwrap();
    assert!(refused["code"].is_string() && refused["span"]["session"].is_string());
    fs::remove_dir_all(camera).unwrap();
}

#[test]
fn the_log_is_for_people_but_json_where_it_goes_to_the_journal() {
    let place = Place::new(&[]);
    place.film("X0000001", "A.MP4", 1, 1000);
    let arguments = ["run", "--drain"];
    let ran = place.start_in_journal(&arguments).wait().ends(0);
    let lines: Vec<Value> = ran
        .err
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}")))
        .collect();
    assert!(lines.iter().any(|l| l["message"] == "stored"));
    let ran = place.camdock(&arguments).ends(0);
    assert!(
        ran.err.contains("INFO the station is ready station=test-1"),
        "{}",
        ran.err
    );
}

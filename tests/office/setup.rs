//! `camdock office check` leads whoever has just installed an office to a running one.

use std::fs;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::bed::{Bed, station};

/// The exit code, the diagnoses and the steps.
fn checked(bed: &Bed) -> (Option<i32>, Vec<Value>, Vec<Value>) {
    let ran = bed.camdock(&["office", "check", "--json"]);
    let lines = String::from_utf8(ran.stdout).unwrap();
    let lines = lines
        .lines()
        .map(|l| serde_json::from_str::<Value>(l).unwrap());
    let (steps, found): (Vec<_>, Vec<_>) = lines.partition(|line| line["step"].is_u64());
    let numbers: Vec<_> = steps.iter().map(|s| s["step"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=11).collect::<Vec<_>>());
    (ran.status.code(), found, steps)
}

/// The step that is next, and what is to be typed for it.
#[track_caller]
fn next(bed: &Bed, code: i32) -> (String, Vec<String>) {
    let (ended, found, steps) = checked(bed);
    assert_eq!(ended, Some(code), "{found:#?}");
    let due: Vec<_> = steps.iter().filter(|s| s["state"] == "next").collect();
    assert_eq!(due.len(), 1, "{steps:#?}");
    let words = due[0]["next"].as_array().unwrap();
    let words = words.iter().map(|w| w.as_str().unwrap().to_owned());
    (due[0]["what"].as_str().unwrap().to_owned(), words.collect())
}

/// Types what the check says.
fn typed(line: &str) -> Output {
    let mut words = line.split_whitespace();
    assert_eq!(words.next(), Some("camdock"), "{line}");
    let mut camdock = Command::new(env!("CARGO_BIN_EXE_camdock"));
    camdock.args(words).output().unwrap()
}

#[test]
fn a_newcomer_who_types_what_the_check_says_has_a_running_office() {
    let dir = tempfile::tempdir().unwrap();
    let stations = ["one", "two"].map(|name| station(&dir, name));
    let [one, two] = &stations;
    let mut bed = Bed::new("office-setup", &stations.each_ref(), dir);
    let path = |bed: &Bed, name: &str| bed.path(name);
    let config = fs::read_to_string(path(&bed, "office.toml")).unwrap();
    let credentials = path(&bed, "credentials.toml");
    let away = path(&bed, "away.toml");
    fs::remove_dir_all(path(&bed, "state/keys")).unwrap();
    fs::rename(&credentials, &away).unwrap();

    fs::remove_file(path(&bed, "office.toml")).unwrap();
    let (what, todo) = next(&bed, 2);
    assert_eq!(what, "configuration");
    let file = path(&bed, "office.toml").display().to_string();
    assert!(todo[0].contains(&file), "{todo:?}");
    fs::write(path(&bed, "office.toml"), "[office]\nnom = \"x\"\n").unwrap();
    assert_eq!(next(&bed, 2).0, "configuration");
    fs::write(path(&bed, "office.toml"), &config).unwrap();

    let (what, todo) = next(&bed, 3);
    assert_eq!(what, "own keys");
    let made = typed(&todo[0]);
    assert!(made.status.success(), "{made:?}");

    let (what, todo) = next(&bed, 3);
    assert_eq!(what, "store");
    assert!(todo[0].contains("credentials.toml"), "{todo:?}");
    fs::rename(&away, &credentials).unwrap();

    // A station without a log, then one whose log another key signed: named with the command that shows the key.
    let (what, todo) = next(&bed, 3);
    assert_eq!(what, "stations");
    assert!(todo[0].contains("that the station runs"), "{todo:?}");
    bed.publish(one, &one.append(&["a"]));
    let other = tempfile::tempdir().unwrap();
    let other = station(&other, "two");
    bed.put("log/two/checkpoint", other.append(&["a"]).into_bytes());
    let (what, todo) = next(&bed, 3);
    assert_eq!(what, "stations");
    assert!(
        todo[0].contains("On the station two, run `cat /var/lib/camdock/keys/log.pub`"),
        "{todo:?}"
    );
    let (_, found, _) = checked(&bed);
    let wrong: Vec<_> = found.iter().filter(|line| line["ok"] == false).collect();
    assert_eq!(wrong.len(), 1, "the other station is fine: {found:#?}");
    let nonsense = config.replace(&two.verifier().to_string(), "two+00000000+nonsense");
    fs::write(path(&bed, "office.toml"), nonsense).unwrap();
    let (what, todo) = next(&bed, 3);
    assert_eq!(what, "stations");
    assert!(
        todo[0].contains("cat /var/lib/camdock/keys/log.pub"),
        "{todo:?}"
    );
    fs::write(path(&bed, "office.toml"), &config).unwrap();
    let started = |recipients: &Value| {
        json!({"version": "0.2.0", "clock": {"synchronised": true}, "log_size": 0, "log_key": "k",
            "recipients": recipients, "recovered": 0})
    };
    let start = two.entry("station.started", &started(&json!(["one"])));
    let note = two.append_bytes(&[start]);
    bed.publish(two, &note);

    let (what, todo) = next(&bed, 0);
    assert_eq!(what, "service");
    assert!(todo[0].contains("office run --config"), "{todo:?}");
    bed.run();
    bed.until("two", |found| found["bucket"]["recipients"] == 1);
    bed.cosigns("one", 1);

    // Everything runs; that one key loss would lose all footage is told, and stands in nobody's way.
    let (ended, _, steps) = checked(&bed);
    assert_eq!(ended, Some(3), "{steps:#?}");
    let open: Vec<_> = steps.iter().filter(|s| s["state"] != "done").collect();
    let recipients = open.iter().find(|step| step["what"] == "recipients");
    let recipients = recipients.unwrap().to_string();
    assert!(
        recipients.contains("two seals to one recipient alone")
            && recipients.contains("camdock keygen recipient"),
        "{recipients}"
    );
    assert!(open.iter().all(|s| s["state"] == "optional"), "{open:#?}");
    let start = two.entry("station.started", &started(&json!(["one", "other"])));
    let note = two.append_bytes(&[start]);
    bed.publish(two, &note);
    bed.until("two", |found| found["bucket"]["recipients"] == 2);
    let ran = bed.camdock(&["office", "check"]);
    let said = String::from_utf8(ran.stdout).unwrap();
    assert_eq!(ran.status.code(), Some(0), "{said}");
    for wanted in [
        "Setting up, step by step:",
        "The office is set up.",
        "with people's own keys where a key desk runs, else with a recipient's private key",
        "the logs of 1 of 2 stations name two or more",
        "nobody has opened a recording with a key of their own of late",
        "witness        127.0.0.1",
    ] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    bed.stop();

    // A certificate that cannot be used is named before anybody restarts the office with it.
    let tls = config.replace(
        "[pages]\n",
        "[pages]\ntls_certificate = \"office.toml\"\ntls_key = \"credentials.toml\"\n",
    );
    fs::write(path(&bed, "office.toml"), tls).unwrap();
    let (what, todo) = next(&bed, 3);
    assert_eq!(what, "pages");
    assert!(todo[0].contains("tls_certificate"), "{todo:?}");
}

//! The office's own log: what it sees, in a log that a stranger verifies.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::bed::{Bed, link, station};
use crate::support::tool;

/// The program in docs/formats.md that checks a log with an independent reader; its output, or what it complained of.
fn checked_by_a_stranger(log: &Path, key: &str) -> Result<String, String> {
    let papers = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/formats.md");
    let papers = fs::read_to_string(papers).unwrap();
    let (_, program) = papers.split_once("```python\n# check_log.py:").unwrap();
    let (program, _) = program.split_once("\n```").unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("check_log.py");
    fs::write(&file, format!("#{program}\n")).unwrap();
    let ran = Command::new(tool("python"))
        .arg(&file)
        .arg(log)
        .arg(key)
        .output()
        .unwrap();
    if ran.status.success() {
        Ok(String::from_utf8(ran.stdout).unwrap())
    } else {
        Err(String::from_utf8_lossy(&ran.stderr).into_owned())
    }
}

fn events(acts: &[Value]) -> Vec<&str> {
    acts.iter().map(|a| a["event"].as_str().unwrap()).collect()
}

#[test]
fn what_an_office_sees_is_in_a_log_of_its_own_that_a_stranger_verifies() {
    let dir = tempfile::tempdir().unwrap();
    let one = station(&dir, "one");
    let mut bed = Bed::new("office-acts", &[&one], dir);
    let note = one.append(&["a", "b", "c"]);
    bed.publish(&one, &note);
    bed.run();
    bed.cosigns("one", 3);
    let witnessed = &bed.until_acts("log.witnessed", 1)[0];
    assert_eq!(witnessed["data"]["size"], 3);
    assert_eq!(witnessed["data"]["key"], one.verifier().to_string());
    let root = one.checkpoint(&note).root.to_string();
    assert_eq!(witnessed["data"]["root"], root);
    // Growth alone is no act: only a change of how the log stands, and the day.
    let grown = one.append(&["d"]);
    bed.publish(&one, &grown);
    bed.cosigns("one", 4);
    bed.stop();
    let acts = bed.acts();
    let wanted = ["office.started", "log.witnessed", "office.stopped"];
    assert_eq!(events(&acts), wanted);
    let started = &acts[0]["data"];
    assert_eq!(started["log_key"], bed.log_key().to_string());
    assert_eq!(started["witness_key"], bed.witness().to_string());
    assert_eq!(acts[2]["data"]["reason"], "SIGTERM");

    // All of it is in the bucket, with an anchor that is locked.
    assert!(bed.is_locked("log/office-1/checkpoints/3"));
    let copy = bed.fetched("office-1");
    let key = bed.log_key().to_string();
    let told = checked_by_a_stranger(copy.path(), &key).unwrap();
    assert_eq!(told.lines().count(), 3);
    let folder = copy.path().to_str().unwrap();
    let verify = ["verify", "--log", folder, "--log-key", &key];
    let verified = bed.camdock(&verify);
    assert!(verified.status.success(), "{verified:?}");
    let bundle = copy.path().join("tile/entries/000.p/3");
    let mut forged = fs::read(&bundle).unwrap();
    let at = forged.len() - 20;
    forged[at] ^= 1;
    fs::write(&bundle, forged).unwrap();
    assert!(checked_by_a_stranger(copy.path(), &key).is_err());
    assert_eq!(bed.camdock(&verify).status.code(), Some(1));

    // Any instant may be the last one, and a restart enters nothing twice.
    bed.run();
    bed.until_acts("office.started", 2);
    bed.kill();
    bed.run();
    bed.until_acts("office.started", 3);
    bed.cosigns("one", 4);
    bed.stop();
    let acts = bed.acts();
    let again = ["office.started", "office.started", "office.stopped"];
    assert_eq!(events(&acts)[3..], again);
    let log = bed.fetched("office-1");
    let told = checked_by_a_stranger(log.path(), &key).unwrap();
    assert_eq!(told.lines().count(), 6);
    let said = bed.camdock(&["office", "acts"]);
    let said = String::from_utf8(said.stdout).unwrap();
    assert!(
        said.contains("The log of one only grew, up to the 3 entries"),
        "{said}"
    );
}

#[test]
fn acts_wait_for_a_store_that_is_away_and_take_effect_when_it_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let one = station(&dir, "one");
    let link = link();
    let mut bed = Bed::behind(&link, "office-away", &[&one], dir);
    let note = one.append(&["a"]);
    bed.publish(&one, &note);
    // An office without a log does not begin one while the bucket cannot be asked.
    link.cut();
    let (code, said) = bed.refuses();
    assert_eq!(code, Some(4), "{said}");
    assert!(
        said.contains("the bucket cannot be asked whether it has one"),
        "{said}"
    );
    link.mend();
    bed.run();
    bed.cosigns("one", 1);
    bed.until_acts("log.witnessed", 1);

    link.cut();
    let (code, said) = bed.decide(&["close", "one"]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("it takes effect once the store"), "{said}");
    assert!(bed.keys("log/office-1/text/").is_empty());
    bed.stop();
    bed.run();
    bed.until("one", |found| found["code"].is_string());
    assert_eq!(bed.standing("one").0["closed"], false);
    link.mend();
    bed.until("one", |found| {
        found["closed"] == true && found["code"].is_null()
    });
    bed.stop();
    let acts = bed.acts();
    assert_eq!(
        events(&acts)[..3],
        ["office.started", "log.witnessed", "log.closed"]
    );
    assert_eq!(acts[2]["reason"], "\"Superintendent Byrne asked for it\"");
    let size = bed
        .log_key()
        .open(&bed.get("log/office-1/checkpoint").unwrap());
    assert_eq!(size.unwrap().size, acts.len() as u64);
    // That the store was away says nothing of the log.
    assert!(!events(&acts).contains(&"log.alarm"), "{acts:#?}");
}

#[test]
fn an_office_follows_the_log_of_another() {
    let dir = tempfile::tempdir().unwrap();
    let one = station(&dir, "one");
    let mut first = Bed::new("office-two", &[&one], dir);
    let note = one.append(&["a"]);
    first.publish(&one, &note);
    first.run();
    first.until_acts("log.witnessed", 1);
    let mut second = Bed::second(&first, tempfile::tempdir().unwrap());
    second.run();
    second.cosigns("office-1", 2);
    let older = first.get("log/office-1/checkpoint").unwrap();
    first.stop();
    second.cosigns("office-1", 3);
    let kept = second.keys("witness/office-2/office-1/3-");
    let cosigned = second.get(&kept[0]).unwrap();
    assert!(second.witness().cosigned(&cosigned).unwrap().is_some());
    // The first office's log is put back: the second says so, in its own log.
    first.put("log/office-1/checkpoint", older.into_bytes());
    second.alarms("office-1", "office_log_rolled_back");
    let alarm = &second.until_acts("log.alarm", 1)[0]["data"];
    assert_eq!((&alarm["cosigned"], &alarm["size"]), (&3.into(), &2.into()));
    // The first one notices it, too, and publishes what is missing again.
    first.run();
    second.until("office-1", |found| {
        found["code"].is_null() && found["cosigned_entries"] == 4
    });
    assert!(
        first.said().contains("bucket_log_older"),
        "{}",
        first.said()
    );
    second.stop();
    first.stop();
}

#[test]
fn a_lost_state_folder_comes_back_from_the_bucket_and_lost_keys_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let one = station(&dir, "one");
    let mut bed = Bed::new("office-recover", &[&one], dir);
    let note = one.append(&["a"]);
    bed.publish(&one, &note);
    bed.run();
    bed.cosigns("one", 1);
    let (code, said) = bed.decide(&["close", "one"]);
    assert_eq!(code, Some(0), "{said}");
    bed.stop();
    let before = bed.acts();
    let older = bed.get("log/office-1/checkpoint").unwrap();

    // Everything but the keys, which have a copy.
    let lose = |bed: &Bed| {
        for name in ["log", "witness"] {
            fs::remove_dir_all(bed.path("state").join(name)).unwrap();
        }
        let _ = fs::remove_dir_all(bed.path("state/texts"));
        fs::remove_file(bed.path("state/published")).unwrap();
    };
    lose(&bed);
    bed.run();
    bed.until("one", |found| {
        found["closed"] == true && found["cosigned_entries"] == 1
    });
    bed.stop();
    assert!(bed.said().contains("log_folder_lost"), "{}", bed.said());
    let after = bed.acts();
    assert_eq!(after[..before.len()], before[..]);
    assert_eq!(
        events(&after[before.len()..]),
        ["office.started", "office.stopped"]
    );

    // Who puts an older log into the bucket is found out by the anchors.
    lose(&bed);
    let newest = bed.get("log/office-1/checkpoint").unwrap();
    bed.put("log/office-1/checkpoint", older.into_bytes());
    let (code, said) = bed.refuses();
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("cannot be fetched from the bucket"), "{said}");
    bed.put("log/office-1/checkpoint", newest.into_bytes());

    // The keys are lost as well, and new ones are made: this is another office, and is told so.
    fs::remove_dir_all(bed.path("state")).unwrap();
    let checked = bed.camdock(&["office", "check"]);
    assert_eq!(checked.status.code(), Some(3));
    let said = String::from_utf8(checked.stdout).unwrap();
    assert!(said.contains("camdock office keygen"), "{said}");
    assert!(bed.camdock(&["office", "keygen"]).status.success());
    let (code, said) = bed.refuses();
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("the key here did not sign"), "{said}");
    let checked = bed.camdock(&["office", "check"]);
    assert_eq!(checked.status.code(), Some(3));
    let said = String::from_utf8(checked.stdout).unwrap();
    assert!(said.contains("give the office a new `name`"), "{said}");
}

//! The keys of an office are rotated as docs/operations.md says it ("Keys: rotation and loss"): everybody who follows its log goes on
//! with the key that their configuration names, and with no other.

use std::fs;
use std::process::Command;

use camdock::audit::LogKey;
use camdock::seal::{Curve, keygen_recipient};
use serde_json::{Value, json};

use crate::bed::{Bed, ROTATION, private, station, store_endpoint};
use crate::disposals::taken_in;
use crate::disposer::{Disposer, codes, objects, put, verify_with};
use crate::place::until;
use crate::searches::{Made, publish};

const CLASSES: &str =
    "\n[retention]\nunclassified = \"month\"\n[class.month]\ndays = 31\nreview = false\n";

/// Two people decide that it goes.
fn decide(bed: &Bed, made: &Made) {
    let id = made.id.to_string();
    let (code, said) = bed.decide(&["dispose", "propose", "--really", &id]);
    assert_eq!(code, Some(0), "{said}");
    let body = json!({"decision": "approve_disposal", "reason": "agreed"});
    let path = format!("/api/disposals/one/{id}");
    let (status, _, body) = bed.post(&path, "camdock_disposer_token", &body);
    assert_eq!(status, 200, "{body}");
}

fn configure(bed: &Bed, earlier: &str) {
    let text = fs::read_to_string(bed.path("office.toml")).unwrap();
    // What is here from an earlier edit goes.
    let lines = text.lines().filter(|line| !line.starts_with("earlier"));
    let text: Vec<_> = lines.collect();
    let text = text.join("\n") + "\n";
    let text = text.replacen("[office]\n", &format!("[office]\n{earlier}"), 1);
    fs::write(bed.path("office.toml"), text).unwrap();
}

/// What a role's own check says of the office's log.
fn checked(verb: &str, config: &std::path::Path) -> (Option<i32>, Value) {
    let mut camdock = Command::new(env!("CARGO_BIN_EXE_camdock"));
    let camdock = camdock
        .arg("--config")
        .arg(config)
        .args(["office", verb, "check", "--json"]);
    let ran = camdock.output().unwrap();
    let told = String::from_utf8(ran.stdout).unwrap();
    let mut lines = told
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let line = lines.find(|line| line["what"] == "office's log");
    (
        ran.status.code(),
        line.unwrap_or_else(|| panic!("{told}{:?}", ran.stderr)),
    )
}

#[test]
fn an_office_with_new_keys_has_a_new_name_and_what_went_by_rule_before_is_still_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let one = station(&dir, "one");
    let mut first = Bed::new(ROTATION, &[&one], dir);
    let with_classes = |bed: &Bed| {
        let text = fs::read_to_string(bed.path("office.toml")).unwrap();
        fs::write(bed.path("office.toml"), text + CLASSES).unwrap();
    };
    with_classes(&first);
    let goes = taken_in("goes.MP4", 40, "4711");
    let later = taken_in("later.MP4", 40, "4712");
    let stays = taken_in("stays.MP4", 3, "4713");
    let all = [goes.clone(), later.clone(), stays.clone()];
    for made in &all {
        put(&first, made);
    }
    publish(&first, &[&one], &all);
    first.run_pages();
    first.until("one", |found| found["bucket"]["items"] == 3);
    decide(&first, &goes);
    first.until_acts("disposal.approved", 1);
    let old = first.log_key();
    let mut disposer = Disposer::of(
        ("disposer-before", ROTATION, "office-1"),
        &old.to_string(),
        "",
    );
    disposer.run("0", "1", "");
    let gone = first.until_acts("item.disposed", 1)[0]["entry"].clone();
    disposer.stop();
    first.stop();
    let entries = first.acts().len() as u64;

    // The state folder is moved aside, and the office gets a new name and new keys. It knows nothing of the other log until it is named.
    let followed = [("one", one.verifier())];
    let dir = tempfile::tempdir().unwrap();
    let mut next = Bed::of_rotation(("rotation-next", "office-9"), &followed, dir);
    with_classes(&next);
    next.run();
    next.until("one", |found| found["bucket"]["missing"] == 2);
    next.stop();
    // By a key that is not that log's, nothing of it is believed, and nothing is compared meanwhile.
    let named = |key: &str, more: &str| {
        format!("earlier = [{{ name = \"office-1\", log_key = \"{key}\"{more} }}]\n")
    };
    let stranger = LogKey::generate().unwrap().0;
    let stranger = stranger.verifier("camdock/office-1").unwrap().to_string();
    configure(&next, &named(&stranger, ""));
    next.run();
    until("the refusal", || next.said().contains("office_earlier_log"));
    next.stop();
    configure(&next, &named(&old.to_string(), ""));
    next.run_with_wait("0");
    next.until("one", |found| found["bucket"]["missing"] == 0);
    let due = next.camdock(&["office", "due", "--within", "1", "--json"]);
    let due = String::from_utf8(due.stdout).unwrap();
    assert!(due.contains(&later.id.to_string()), "{due}");
    assert!(!due.contains(&goes.id.to_string()), "{due}");

    // The disposer and the key desk refuse the old key under the new name, and go on with the new one.
    let new = next.log_key();
    let at_office = ("disposer-next", ROTATION, "office-9");
    decide(&next, &later);
    let mut refuses = Disposer::of(at_office, &old.to_string(), "");
    refuses.run("0", "1", "");
    refuses.until_said("next_step");
    refuses.stop();
    assert_eq!(
        checked("disposer", &refuses.path("disposer.toml")).1["ok"],
        false
    );
    assert_eq!(objects(&next, &later).len(), 6);
    let mut disposer = Disposer::of(at_office, &new.to_string(), "");
    assert_eq!(
        checked("disposer", &disposer.path("disposer.toml")).1["ok"],
        true
    );
    disposer.run("0", "1", "");
    next.until_acts("item.disposed", 1);
    disposer.stop();
    assert_eq!(objects(&next, &later), ["manifest.json", "receipt"]);
    assert_eq!(objects(&next, &stays).len(), 6);
    let size = next.acts().len();
    until("the published acts", || {
        let note = next.get("log/office-9/checkpoint").unwrap();
        note.lines().nth(1).unwrap().parse::<usize>().unwrap() >= size
    });
    let desk = tempfile::tempdir().unwrap();
    let (secret, _) = keygen_recipient(Curve::P384).unwrap();
    private(&desk.path().join("recipient.key.pem"), &secret);
    let keys = "access_key_id = \"keydesk-nextkey\"\nsecret_access_key = \"keydesk-nextsecret\"\n";
    private(&desk.path().join("credentials.toml"), keys);
    for (key, fine) in [(&old, false), (&new, true)] {
        let text = format!(
            "[keydesk]\noffice = \"office-9\"\noffice_log_key = \"{key}\"\nstate_dir = \"state\"\n[store]\nendpoint = \"{}\"\n\
             bucket = \"{ROTATION}\"\nretention_days = 1\ncredentials_file = \"credentials.toml\"\n",
            store_endpoint()
        );
        let file = desk.path().join("keydesk.toml");
        fs::write(&file, text).unwrap();
        assert_eq!(checked("keydesk", &file).1["ok"], fine, "{key}");
    }

    // A station's verification stays green with both logs, and believes none that its configuration does not name with its key.
    let office =
        |earlier: &str| format!("[office]\nname = \"office-9\"\nlog_key = \"{new}\"\n{earlier}");
    let verified = |earlier: &str| verify_with(&next, ROTATION, &one, &office(earlier), "0");
    let both = verified(&named(&old.to_string(), &format!(", entries = {entries}")));
    for made in [&goes, &later] {
        assert_eq!(codes(&both, made), Vec::<String>::new(), "{both:#}");
    }
    let told = |verified: &Value| -> Vec<(Value, Value)> {
        let all = verified["disposed"].as_array().unwrap().iter();
        let mut told: Vec<_> = all
            .map(|it| (it["evidence"].clone(), it["office"].clone()))
            .collect();
        // They are told by their ids, whose order is that of chance here.
        told.sort_by_key(|(_, office)| office != "office-9");
        told
    };
    let of_new = (json!(later.id), json!("office-9"));
    assert_eq!(
        told(&both),
        [of_new.clone(), (json!(goes.id), json!("office-1"))]
    );
    // Without it, by a stranger's key, or only as far as before the act: what is gone is missing.
    for earlier in [
        String::new(),
        named(&stranger, ""),
        named(&old.to_string(), &format!(", entries = {gone}")),
    ] {
        let verified = verified(&earlier);
        let told = told(&verified);
        assert_eq!(told, std::slice::from_ref(&of_new), "{earlier}");
        assert_ne!(codes(&verified, &goes), Vec::<String>::new(), "{earlier}");
        assert_eq!(codes(&verified, &later), Vec::<String>::new(), "{earlier}");
    }

    // Another office follows the new log beside the old one, which it closes.
    next.stop();
    let grown = next.acts().len() as u64;
    let followed = [("office-1", old), ("office-9", new)];
    let dir = tempfile::tempdir().unwrap();
    let mut other = Bed::of_rotation(("rotation-other", "office-2"), &followed, dir);
    other.run();
    other.cosigns("office-1", entries);
    other.cosigns("office-9", grown);
    let (code, said) = other.decide(&["close", "office-1"]);
    assert_eq!(code, Some(0), "{said}");
    other.until("office-1", |found| {
        found["closed"] == true && found["code"].is_null()
    });
    let closed = &other.until_acts("log.closed", 1)[0]["data"];
    assert_eq!(closed["cosigned"]["size"], entries);
    other.stop();
}

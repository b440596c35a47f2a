//! A store that refuses, lies or was tampered with; and a station whose own log was.

use std::fs;
use std::process::Command;

use aws_sdk_s3::primitives::ByteStream;
use camdock::model::Event;

use crate::place::{Place, until};

fn original(evidence: &str) -> String {
    format!("evidence/test-1/{evidence}/original")
}

/// With a lock of two days, longer than the station's.
pub fn put_locked(place: &Place, key: &str, bytes: &[u8]) {
    let until = jiff::Timestamp::now().as_second() + 2 * 86_400;
    let client = place.weed.client();
    let put = client.put_object().bucket("evidence").key(key);
    let put = put
        .object_lock_mode(aws_sdk_s3::types::ObjectLockMode::Compliance)
        .object_lock_retain_until_date(aws_sdk_s3::primitives::DateTime::from_secs(until))
        .body(ByteStream::from(bytes.to_vec()));
    Place::block_on(put.send()).unwrap();
}

/// Returns the new version.
pub fn put(place: &Place, key: &str, bytes: &[u8]) -> Option<String> {
    let client = place.weed.client();
    let put = client.put_object().bucket("evidence").key(key);
    let put = put.body(ByteStream::from(bytes.to_vec()));
    Place::block_on(put.send()).unwrap().version_id
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(copied.unwrap().success());
}

#[test]
fn a_store_that_refuses_is_distinguished_and_never_stops_the_taking() {
    let place = Place::new(&[]);
    place.film("X0000001", "A.MP4", 1, 300_000);
    let (access, secret) = place.weed.admin_keys();
    place.credentials(access, "wrong");
    place
        .drain()
        .ends(3)
        .says("store_credentials")
        .says("next_step");
    assert_eq!(place.item("A.MP4")["state"], "logged");
    place.credentials(access, secret);

    place.configure(&[("store", "bucket = \"nowhere\"")]);
    place.drain().ends(3).says("store_no_bucket");
    Place::block_on(place.weed.create_bucket("unlocked"));
    place.configure(&[("store", "bucket = \"unlocked\"")]);
    place.drain().ends(3).says("store_no_object_lock");
    assert_eq!(place.item("A.MP4")["state"], "logged");
    let listed = place.weed.client().list_objects_v2().bucket("unlocked");
    let listed = Place::block_on(listed.prefix("evidence/").send()).unwrap();
    assert_eq!(
        listed.key_count(),
        Some(0),
        "footage went where nothing protects it"
    );

    place.configure(&[]);
    place.drain().ends(0);
    assert_eq!(place.verify_deep()["items_opened"], 1);
}

#[test]
fn another_content_under_an_items_name_is_an_alarm_and_the_other_items_are_stored() {
    let place = Place::new(&[]);
    place.film("X0000001", "A.MP4", 1, 300_000);
    place.film("X0000001", "B.MP4", 2, 20 << 20);
    place.film("X0000001", "C.MP4", 3, 400_000);
    place
        .camdock(&["run", "--drain", "--until-secured"])
        .ends(0);
    for name in ["A.MP4", "B.MP4"] {
        let item = place.item(name);
        put(
            &place,
            &original(item["evidence"].as_str().unwrap()),
            b"not ours",
        );
    }
    place.drain().ends(3).says("store_content_differs");
    assert_eq!(place.item("C.MP4")["state"], "released");
    for name in ["A.MP4", "B.MP4"] {
        assert_ne!(place.item(name)["state"], "released");
    }
    // The sealed footage is kept on the station.
    assert_eq!(place.path("state/spool").read_dir().unwrap().count(), 2);
}

#[test]
fn what_was_stored_before_a_crash_is_recognised_as_the_same() {
    let place = Place::new(&[]);
    place.film("X0000001", "A.MP4", 1, 300_000);
    place.film("X0000001", "B.MP4", 2, 20 << 20);
    place
        .camdock(&["run", "--drain", "--until-secured"])
        .ends(0);
    // All objects get there, but the station knows nothing of it: its state is as before, except for the log.
    copy(&place.path("state"), &place.path("before"));
    place.drain().ends(0);
    let count = place.events().len();
    for name in [
        "state/journal.db",
        "state/journal.db-wal",
        "state/journal.db-shm",
        "state/journal.db-keys",
    ] {
        let _ = fs::remove_file(place.path(name));
        let before = place.path(&name.replace("state", "before"));
        if before.exists() {
            copy(&before, &place.path(name));
        }
    }
    fs::remove_dir_all(place.path("state/spool")).unwrap();
    copy(&place.path("before/spool"), &place.path("state/spool"));
    place.drain().ends(0);
    let events = place.events();
    let stored = events.iter().filter(|e| matches!(e, Event::ItemStored(_)));
    assert_eq!(stored.count(), 2, "stored was logged once each: {count}");
    assert_eq!(place.verify_deep()["items_opened"], 2);
}

/// A station that stored A and B, and then was put back as it was before B.
fn put_back_from_an_old_copy() -> Place {
    let place = Place::new(&[]);
    place.film("X0000001", "A.MP4", 1, 300_000);
    place.drain().ends(0);
    copy(&place.path("state"), &place.path("before"));
    place.film("X0000001", "B.MP4", 2, 300_000);
    place.drain().ends(0);
    fs::rename(place.path("state"), place.path("real")).unwrap();
    fs::rename(place.path("before"), place.path("state")).unwrap();
    place
}

#[test]
fn a_restored_old_copy_of_the_station_is_refused() {
    let place = put_back_from_an_old_copy();
    place.drain().ends(4).says("behind");
    place
        .camdock(&["verify"])
        .ends(1)
        .says("restored from an old copy");

    // A log of one's own making with the same key, as long and longer than the bucket's: a fork.
    let log = place.path("state/log");
    let bucket = place.path("runs/bucket-of-nothing");
    fs::create_dir(&bucket).unwrap();
    place.configure(&[("store", "prefix = \"elsewhere/\"")]);
    for n in 0..9 {
        place.film("X0000001", &format!("C{n}.MP4"), n, 1000);
        place.drain();
    }
    place.configure(&[]);
    place.drain().ends(4).says("contradict each other");
    place.camdock(&["verify"]).ends(1);
    assert!(log.exists());
}

/// The advice that comes with the refusal.
#[test]
fn an_old_copy_goes_on_once_its_log_is_moved_aside() {
    let place = put_back_from_an_old_copy();
    place.drain().ends(4).says("Move the log folder aside");
    fs::rename(place.path("state/log"), place.path("aside")).unwrap();
    place.drain().ends(0).says("restored from the bucket");
    assert_eq!(place.verify_deep()["items_opened"], 2);
    let stored = place.events();
    let stored = stored.iter().filter(|e| matches!(e, Event::ItemStored(_)));
    assert_eq!(stored.count(), 2);
    // The camera is known to be held, and what is new on it is taken.
    place.film("X0000001", "C.MP4", 3, 300_000);
    place.drain().ends(0);
    assert_eq!(place.verify_deep()["items_opened"], 3);
    assert_eq!(place.items().len(), 3);
}

#[test]
fn verify_names_what_was_done_to_the_store() {
    let place = Place::new(&[]);
    for name in ["A", "B", "C", "D"] {
        place.film("X0000001", &format!("{name}.MP4"), 7, 300_000);
    }
    place.drain().ends(0);
    place.camdock(&["verify"]).ends(0);
    let evidence = |name: &str| place.item(name)["evidence"].as_str().unwrap().to_owned();
    put(&place, &original(&evidence("A.MP4")), b"laid over it");
    let (b, c) = (evidence("B.MP4"), evidence("C.MP4"));
    put(&place, &format!("evidence/test-1/{b}/manifest.json"), b"{}");
    put(&place, &format!("evidence/test-1/{c}/receipt"), b"nothing");
    let client = place.weed.client();
    let key = original(&evidence("D.MP4"));
    let delete = client.delete_object().bucket("evidence").key(&key);
    Place::block_on(delete.send()).unwrap();
    let ran = place.camdock(&["verify", "--json"]).ends(1);
    let found: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    let code = |name: &str| {
        let id = evidence(name);
        let findings = found["findings"].as_array().unwrap();
        let finding = findings.iter().find(|f| f["evidence"] == id.as_str());
        finding.unwrap_or_else(|| panic!("nothing on {name}: {found}"))["code"].clone()
    };
    assert_eq!(code("A.MP4"), "object_covered");
    assert_eq!(code("B.MP4"), "manifest_altered");
    assert_eq!(code("C.MP4"), "receipt_wrong");
    assert_eq!(code("D.MP4"), "object_covered");
}

#[test]
fn verify_names_what_was_done_to_the_log() {
    let place = Place::new(&[]);
    place.film("X0000001", "A.MP4", 1, 300_000);
    place.drain().ends(0);
    let log = place.path("state/log");
    copy(&log, &place.path("good"));
    let restore = || {
        fs::remove_dir_all(&log).unwrap();
        copy(&place.path("good"), &log);
    };
    // All that is public of it: the rest is the station's own scratch.
    let files = || {
        let public = "find \"$1\" -type f \\( -path '*/tile/*' -o -name checkpoint \\)";
        let found = Command::new("sh")
            .args(["-c", public, "sh"])
            .arg(&log)
            .output();
        let text = String::from_utf8(found.unwrap().stdout).unwrap();
        text.lines()
            .map(std::path::PathBuf::from)
            .collect::<Vec<_>>()
    };
    assert!(files().len() > 1);
    for path in files() {
        let mut bytes = fs::read(&path).unwrap();
        if bytes.is_empty() {
            continue;
        }
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(&path, bytes).unwrap();
        let ran = place.camdock(&["verify"]);
        assert_eq!(
            ran.code,
            Some(1),
            "a bit of {} was flipped: {ran:?}",
            path.display()
        );
        restore();
    }
    // An edited entry is named with the item that it named before, as the bucket's copy has it.
    let id = place.item("A.MP4")["evidence"].as_str().unwrap().to_owned();
    for path in files() {
        let text = fs::read(&path).unwrap();
        // The inventory names it, too.
        let sealed = text.windows(7).rposition(|w| w == b"\"A.MP4\"");
        if let Some(at) = sealed {
            let mut edited = text.clone();
            edited[at + 1] = b'B';
            fs::write(&path, edited).unwrap();
            let item = format!("about item {id} (A.MP4).\n    next: Keep this copy");
            let ran = place.camdock(&["verify"]).ends(1);
            let ran = ran.says("WRONG (edited)").says(&item);
            assert_eq!(ran.out.matches("Keep this copy").count(), 1, "{ran:?}");
            restore();
        }
    }
    let other = place.path("keys/other");
    let config = fs::read_to_string(place.config()).unwrap();
    fs::write(
        place.config(),
        config.replace("\"state\"", &format!("{other:?}")),
    )
    .unwrap();
    place.camdock(&["keygen", "station"]).ends(0);
    let key = fs::read_to_string(other.join("keys/log.pub")).unwrap();
    let log = log.to_str().unwrap();
    let ran = place.camdock(&["verify", "--log", log, "--log-key", key.trim()]);
    ran.ends(1).says("key");
    let key = fs::read_to_string(place.path("state/keys/log.pub")).unwrap();
    place
        .camdock(&["verify", "--log", log, "--log-key", key.trim()])
        .ends(0);
}

#[test]
fn a_store_that_is_away_delays_nothing_but_the_storing() {
    let mut place = Place::new(&[]);
    place.film("X0000001", "A.MP4", 1, 300_000);
    place.weed.kill();
    let running = place.start(&["run"]);
    until("the footage to be secured", || {
        let listed = place.camdock(&["items", "--json"]);
        listed.code == Some(0) && listed.out.contains("\"logged\"")
    });
    place.weed.restart();
    until("it to be stored", || {
        place.items()[0]["state"] == "released"
    });
    running.stop().ends(0);
    place.camdock(&["verify"]).ends(0);
}

#[test]
fn a_lock_that_somebody_shortened_is_named_by_verify_and_is_not_confirmed() {
    use aws_sdk_s3::primitives::DateTime;
    use aws_sdk_s3::types::{ObjectLockRetention, ObjectLockRetentionMode};
    let place = Place::new(&[("store", "retention = \"governance\"")]);
    place.film("X0000001", "A.MP4", 1, 300_000);
    place.drain().ends(0);
    place.camdock(&["verify"]).ends(0);
    let evidence = place.item("A.MP4")["evidence"].as_str().unwrap().to_owned();
    let soon = jiff::Timestamp::now().as_second() + 3600;
    let shorter = ObjectLockRetention::builder()
        .mode(ObjectLockRetentionMode::Governance)
        .retain_until_date(DateTime::from_secs(soon))
        .build();
    let client = place.weed.client();
    let shorten = client.put_object_retention().bucket("evidence");
    let shorten = shorten.key(original(&evidence)).retention(shorter);
    Place::block_on(shorten.bypass_governance_retention(true).send()).unwrap();
    let ran = place.camdock(&["verify", "--json"]).ends(1);
    assert!(ran.out.contains("object_unlocked"), "{}", ran.out);
    let ran = place.camdock(&["audit", "gaps", "--json"]).ends(1);
    assert!(ran.out.contains("gap_object_unlocked"), "{}", ran.out);
    let key = place.path("keys/reader");
    let name = ["keygen", "confirmer", "--name", "reader", "--out"];
    let out = key.to_str().unwrap();
    place.camdock(&[&name[..], &[out]].concat()).ends(0);
    let private = format!("{out}.key");
    place
        .camdock(&["confirm", "--key", &private])
        .ends(1)
        .says("in the store, locked");
}

/// The line of `camdock check --store` about one thing.
fn tried(place: &Place, what: &str) -> (bool, String) {
    let ran = place.camdock(&["check", "--store", "--json"]);
    let lines = ran.lines();
    let Some(line) = lines.iter().find(|line| line["what"] == what) else {
        panic!("nothing of {what}: {ran:?}");
    };
    let detail = line["detail"].as_str().unwrap().to_owned();
    (line["ok"] == true, detail)
}

#[test]
fn check_tries_the_store_and_names_what_it_lacks() {
    let place = Place::new(&[]);
    for (what, words) in [
        ("stored object", "SHA-256"),
        ("stored lock", "COMPLIANCE until"),
        ("second object", "refused"),
        ("stored parts", "SHA-256"),
        ("deletion", "a locked version cannot be deleted"),
    ] {
        let (ok, detail) = tried(&place, what);
        assert!(ok && detail.contains(words), "{what}: {detail}");
    }
    Place::block_on(place.weed.create_bucket("unlocked"));
    place.configure(&[("store", "bucket = \"unlocked\"")]);
    let (ok, detail) = tried(&place, "stored object");
    assert!(!ok && detail.contains("Object Lock"), "{detail}");
}

#[test]
fn keys_that_may_not_delete_leave_the_deletion_untried() {
    let policy = crate::policy::policy("station-policy.json", "station");
    let place = Place::with_station(policy);
    for (what, words) in [("stored lock", "COMPLIANCE"), ("deletion", "not tried")] {
        let (ok, detail) = tried(&place, what);
        assert!(ok && detail.contains(words), "{what}: {detail}");
    }
}

#[test]
fn the_first_start_tries_the_store_once() {
    let place = Place::new(&[]);
    let probes = || {
        let listed = place.weed.client().list_objects_v2().bucket("evidence");
        let listed = Place::block_on(listed.prefix("probe/test-1/").send()).unwrap();
        listed.contents().len()
    };
    place.drain().ends(0);
    let first = probes();
    assert!(first > 0);
    place.drain().ends(0);
    assert_eq!(probes(), first);
}

#[test]
fn the_store_is_reached_through_the_proxy_that_the_environment_names() {
    use std::io::{BufRead as _, BufReader};
    let place = Place::new(&[("store", "endpoint = \"https://store.invalid\"")]);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = format!("http://{}", listener.local_addr().unwrap());
    let asked = std::thread::spawn(move || {
        let mut line = String::new();
        let (stream, _) = listener.accept().unwrap();
        BufReader::new(stream).read_line(&mut line).unwrap();
        line
    });
    place
        .start_with(&["check"], &[("HTTPS_PROXY", &proxy)])
        .wait();
    let asked = asked.join().unwrap();
    assert!(asked.starts_with("CONNECT store.invalid:443 "), "{asked}");
}

//! The station's own root cuts or rewrites the log, signs it again and publishes it again: what the bucket keeps tells.

use std::fs;
use std::path::Path;

use camdock::audit::{DirSource, Log, LogKey, VerifierKey, verify_log};

use crate::place::{Place, Ran};
use crate::store::put;

pub fn raw_entries(place: &Place) -> Vec<String> {
    let source = DirSource::new(place.path("state/log"));
    let mut entries = Vec::new();
    let mut see = |_, bytes: &[u8]| entries.push(String::from_utf8(bytes.to_vec()).unwrap());
    verify_log(&source, &log_key(place), &mut see, None).unwrap();
    entries
}

pub fn log_key(place: &Place) -> VerifierKey {
    let text = fs::read_to_string(place.path("state/keys/log.pub")).unwrap();
    text.trim().parse().unwrap()
}

/// Replaces the log by one with other entries, under the station's own signature, here and in the bucket.
pub fn forge(place: &Place, entries: &[String]) {
    let forged = place.path("forged");
    let key = fs::read(place.path("state/keys/station.key")).unwrap();
    let key = LogKey::from_pkcs8(&key).unwrap();
    let mut log = Log::open(&forged, key, log_key(place).name()).unwrap();
    let entries: Vec<Vec<u8>> = entries.iter().map(|e| e.clone().into_bytes()).collect();
    log.append(&entries).unwrap();
    log.close().unwrap();
    fs::remove_dir_all(place.path("state/log")).unwrap();
    fs::rename(&forged, place.path("state/log")).unwrap();
    // The journal remembers how much was published.
    for name in ["journal.db", "journal.db-wal", "journal.db-shm"] {
        let _ = fs::remove_file(place.path("state").join(name));
    }
    publish(place, &place.path("state/log"), "");
}

fn publish(place: &Place, folder: &Path, name: &str) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let file = entry.file_name().into_string().unwrap();
        let name = format!("{name}{file}");
        if entry.path().is_dir() {
            publish(place, &entry.path(), &format!("{name}/"));
        } else if name == "checkpoint" || name.starts_with("tile/") {
            let bytes = fs::read(entry.path()).unwrap();
            put(place, &format!("log/test-1/{name}"), &bytes);
        }
    }
}

/// A station that took one file and stopped; somebody kept the checkpoint in `kept`.
pub fn station() -> Place {
    let place = Place::new(&[]);
    place.film("X0000001", "A.MP4", 1, 300_000);
    place.drain().ends(0);
    let kept = place.path("kept");
    let ran = place.camdock(&["verify", "--keep", kept.to_str().unwrap()]);
    let said = ran.ends(0);
    said.says("continues every checkpoint")
        .says("whose bytes were not read");
    place
}

/// Each way to look names it.
fn named_by_each(place: &Place, code: &str) {
    let wrong = format!("WRONG ({code})");
    let key = place.path("keys/one.key.pem");
    let deep = ["verify", "--deep", "--key", key.to_str().unwrap()];
    let named = |ran: Ran| drop(ran.ends(1).says(&wrong));
    named(place.camdock(&["verify"]));
    named(place.camdock_viewing(&deep));
    named(place.camdock(&["verify", "--bucket"]));
    named(place.camdock(&["audit", "gaps"]));
    let (log, kept) = (place.path("state/log"), place.path("kept"));
    let (log, kept) = (log.to_str().unwrap(), kept.to_str().unwrap());
    let key = log_key(place).to_string();
    let alone = ["verify", "--log", log, "--log-key", &key];
    place.camdock(&alone).ends(0).says("no older checkpoint");
    named(place.camdock(&[&alone[..], &["--since", kept]].concat()));
    // A wrong checkpoint is not kept for next time.
    let again = [&alone[..], &["--since", kept, "--keep", kept]].concat();
    let before = fs::read(place.path("kept")).unwrap();
    named(place.camdock(&again));
    assert_eq!(fs::read(place.path("kept")).unwrap(), before);
}

#[test]
fn entries_that_were_cut_off_after_the_last_receipt_are_missed() {
    let place = station();
    let mut entries = raw_entries(&place);
    let stored = entries.iter().rposition(|e| e.contains("item.stored"));
    assert!(stored.unwrap() + 2 < entries.len());
    entries.pop();
    forge(&place, &entries);
    named_by_each(&place, "truncated");
}

#[test]
fn a_reason_that_was_rewritten_and_signed_again_is_noticed() {
    let place = station();
    let mut entries = raw_entries(&place);
    let last = entries.pop().unwrap();
    assert!(last.contains("station.stopped"));
    entries.push(last.replace("drained", "asked to stop"));
    assert_ne!(entries.last(), Some(&last));
    forge(&place, &entries);
    named_by_each(&place, "fork");
}

#[test]
fn a_checkpoint_that_is_laid_over_an_anchor_hides_nothing() {
    let place = station();
    let mut entries = raw_entries(&place);
    let size = entries.len();
    let last = entries.pop().unwrap();
    entries.push(last.replace("drained", "asked to stop"));
    forge(&place, &entries);
    let note = fs::read(place.path("state/log/checkpoint")).unwrap();
    put(&place, &format!("log/test-1/checkpoints/{size}"), &note);
    place
        .camdock(&["verify"])
        .ends(1)
        .says("two different logs");
}

#[test]
fn items_whose_entries_were_cut_off_are_named_as_items() {
    let place = station();
    place.film("X0000001", "B.MP4", 2, 300_000);
    place.drain().ends(0);
    let entries = raw_entries(&place);
    let cut = entries.iter().rposition(|e| e.contains("item.sealed"));
    forge(&place, &entries[..cut.unwrap()]);
    let ran = place.camdock(&["verify"]).ends(1);
    let ran = ran.says("WRONG (truncated)").says("WRONG (item_cut)");
    assert_eq!(ran.out.matches("WRONG (item_cut)").count(), 1, "{ran:?}");
    assert!(!ran.out.contains("unknown_object"), "{ran:?}");
}

#[test]
fn a_longer_checkpoint_that_was_kept_is_never_replaced_by_a_shorter_one() {
    let place = station();
    let entries = raw_entries(&place);
    let kept = fs::read(place.path("kept")).unwrap();
    forge(&place, &entries[..entries.len() - 1]);
    let (log, file) = (place.path("state/log"), place.path("kept"));
    let key = log_key(&place).to_string();
    let (log, file) = (log.to_str().unwrap(), file.to_str().unwrap());
    let keep = ["verify", "--log", log, "--log-key", &key, "--keep", file];
    place.camdock(&keep).ends(1).says("WRONG (truncated)");
    assert_eq!(fs::read(place.path("kept")).unwrap(), kept);
}

#[test]
fn an_older_checkpoint_in_the_bucket_is_an_alarm() {
    let place = station();
    let old = fs::read(place.path("state/log/checkpoint")).unwrap();
    place.film("X0000001", "B.MP4", 2, 300_000);
    place.drain().ends(0);
    put(&place, "log/test-1/checkpoint", &old);
    let ran = place.camdock(&["verify"]);
    ran.ends(1).says("WRONG (bucket_log_older)");
    let ran = place.camdock(&["audit", "gaps"]);
    ran.ends(1).says("WRONG (bucket_log_older)");
    place.drain().ends(0).says("bucket_log_older");
    place.camdock(&["verify"]).ends(0);
}

#[test]
fn entries_whose_time_goes_backwards_are_named() {
    let place = station();
    let mut entries = raw_entries(&place);
    let last = entries.pop().unwrap();
    let at = last.find("\"time\":\"").unwrap() + 8;
    entries.push(format!("{}2001{}", &last[..at], &last[at + 4..]));
    forge(&place, &entries);
    let place_said = place.camdock(&["verify"]).ends(1);
    let index = entries.len() - 1;
    place_said
        .says("NOTE (time_backwards)")
        .says(&format!("Entry {index} is dated"));
}

#[test]
fn what_was_and_what_was_not_looked_at_is_said() {
    let mut place = Place::new(&[]);
    place.film("X0000001", "A.MP4", 1, 300_000);
    place
        .camdock(&["run", "--drain", "--until-secured"])
        .ends(0);
    let ran = place.camdock(&["verify"]).ends(0);
    ran.says("nothing is stored yet, so no item was looked at")
        .says("1 items wait on the station and were not looked at");
    place.drain().ends(0);
    place
        .camdock(&["verify", "--rolling", "1"])
        .ends(0)
        .says("1 read back whole");

    // Without the store, the log is still reported on, and the rest as unknown.
    place.weed.kill();
    let ran = place.camdock(&["verify"]).ends(4);
    ran.says("each of them read")
        .says("NOT CHECKED (store_error)")
        .says("NOT everything could be looked at");
    let log = place.path("state/log/checkpoint");
    let note = fs::read_to_string(&log).unwrap();
    fs::write(&log, note.replacen('\n', "\n1", 1)).unwrap();
    place.camdock(&["verify"]).ends(1).says("bad_signature");
}

#[test]
fn a_store_that_fails_while_an_item_is_read_back_alters_no_footage() {
    let place = station();
    let key = place.path("keys/one.key.pem");
    let viewing = place.viewing();
    let deep = ["verify", "--deep", "--key", key.to_str().unwrap()];
    let more: Vec<&str> = viewing.iter().map(String::as_str).collect();
    let deep = [&deep[..], &more].concat();
    let failing = |point: &str| {
        place
            .start_with(&deep, &[("CAMDOCK_FAILPOINT", point)])
            .wait()
    };
    // Once: it is fetched again.
    failing("eio:store get range@1")
        .ends(0)
        .says("1 were opened");
    let ran = failing("eio:store get range@1+").ends(4);
    let ran = ran.says("NOT CHECKED (store_error)");
    assert!(!ran.out.contains("WRONG"), "{ran:?}");
}

#[test]
fn junk_over_an_original_hides_nothing_and_is_not_opened() {
    let place = station();
    let id = place.item("A.MP4")["evidence"].as_str().unwrap().to_owned();
    let footage = place.open(&id);
    put(&place, &format!("evidence/test-1/{id}/original"), b"junk");
    assert!(place.open(&id) == footage);
    let key = place.path("keys/one.key.pem");
    let deep = ["verify", "--deep", "--json", "--key", key.to_str().unwrap()];
    let ran = place.camdock_viewing(&deep).ends(1);
    let found: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(found["findings"][0]["code"], "object_covered", "{found}");
    assert_eq!(found["items_opened"], 1, "{found}");
}

#[test]
fn footage_opens_on_a_machine_that_has_only_a_key_and_the_store() {
    let place = station();
    let id = place.item("A.MP4")["evidence"].as_str().unwrap().to_owned();
    let footage = place.open(&id);
    let config = fs::read_to_string(place.config()).unwrap();
    let store = config.find("[store]").unwrap();
    let store = &config[store..];
    let end = store[1..].find("\n[").map_or(store.len(), |end| end + 1);
    let bare = place.path("bare");
    fs::create_dir(&bare).unwrap();
    let store = store[..end].replace("retention", "#");
    fs::write(
        bare.join("camdock.toml"),
        format!("[station]\nname = \"test-1\"\n\n{store}\n"),
    )
    .unwrap();
    for file in fs::read_dir(place.path(".")).unwrap().flatten() {
        let path = file.path();
        if path.extension().is_some_and(|e| e == "toml") && !bare.join(file.file_name()).exists() {
            fs::copy(&path, bare.join(file.file_name())).unwrap();
        }
    }
    let (key, out) = (place.path("keys/one.key.pem"), place.path("alone"));
    let viewing = place.viewing();
    let open = |more: &[&str]| {
        let config = bare.join("camdock.toml");
        let words = ["--config", config.to_str().unwrap(), "open", &id, "--key"];
        let rest = [key.to_str().unwrap(), "--out", out.to_str().unwrap()];
        let _ = fs::remove_file(&out);
        let ran = std::process::Command::new(env!("CARGO_BIN_EXE_camdock"))
            .args(words)
            .args(rest)
            .args(&viewing)
            .args(more)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned();
        assert_eq!(ran.status.code(), Some(0), "{said}");
        assert!(fs::read(&out).unwrap() == footage);
        said
    };
    assert!(open(&[]).contains("the log's signature was not checked"));
    let log = log_key(&place).to_string();
    assert!(open(&["--log-key", &log]).contains("as the custody log says"));
}

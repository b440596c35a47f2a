//! The journal is gone while items are in flight: what becomes of their keys.

use std::fs;

use camdock::model::Event;

use crate::place::Place;
use crate::store::put_locked;

const CAMERA: &str = "X0000001";

fn lose(place: &Place, ends: &[&str]) {
    for end in ends {
        let _ = fs::remove_file(place.path(&format!("state/journal.db{end}")));
    }
}

fn stored_unverified(place: &Place) -> Vec<bool> {
    let events = place.events().into_iter();
    let stored = events.filter_map(|event| match event {
        Event::ItemStored(stored) => Some(stored.unverified),
        _ => None,
    });
    stored.collect()
}

fn item_key(place: &Place, path: &str) -> String {
    let item = place.item(path);
    let evidence = item["evidence"].as_str().unwrap();
    format!("evidence/test-1/{evidence}/item-key")
}

fn slots(place: &Place) -> Vec<u8> {
    fs::read(place.path("state/journal.db-keys")).unwrap()
}

#[test]
fn item_keys_outlive_the_journal_and_are_sealed_to_the_recipients_again() {
    let place = Place::new(&[]);
    let until_secured = ["run", "--drain", "--until-secured"];
    place.film(CAMERA, "A.GPS", 1, 700);
    place.film(CAMERA, "B.MP4", 2, 700_000);
    place.camdock(&until_secured).ends(0);
    // The station was stopped just after it had stored this one's message.
    let message = {
        let journal = rusqlite::Connection::open(place.path("state/journal.db")).unwrap();
        let sql = "SELECT item_key_message FROM items WHERE size = 700";
        let message = journal.query_row(sql, [], |row| row.get::<_, Vec<u8>>(0));
        message.unwrap()
    };
    put_locked(&place, &item_key(&place, "A.GPS"), &message);
    lose(&place, &["", "-wal", "-shm"]);
    let ran = place.drain().ends(0).says("the journal is rebuilt");
    let kept = ran
        .err
        .lines()
        .filter(|line| line.contains("item_key_kept"));
    assert_eq!(kept.count(), 1, "{}", ran.err);
    assert!(!ran.err.contains("item_key_lost"), "{}", ran.err);
    assert_eq!(stored_unverified(&place), [false, false]);
    // Each item has an item-key that a recipient can open, and that opens the footage.
    assert_eq!(place.verify_deep()["items_opened"], 2);
    assert!(slots(&place).iter().all(|byte| *byte == 0));

    // What else lies under that name is nobody's item-key.
    place.film(CAMERA, "C.GPS", 3, 700);
    place.camdock(&until_secured).ends(0);
    put_locked(&place, &item_key(&place, "C.GPS"), &message);
    lose(&place, &["", "-wal", "-shm"]);
    place.drain().ends(3).says("store_conflict_unknown");
    assert_eq!(stored_unverified(&place), [false, false]);
    assert!(slots(&place).iter().any(|byte| *byte != 0));
}

#[test]
fn an_item_whose_key_is_lost_with_the_journal_is_named_and_stored_as_it_lies() {
    let place = Place::new(&[]);
    place.film(CAMERA, "A.MP4", 1, 300_000);
    place
        .camdock(&["run", "--drain", "--until-secured"])
        .ends(0);
    let item = place.item("A.MP4");
    let evidence = item["evidence"].as_str().unwrap();
    lose(&place, &["", "-wal", "-shm", "-keys"]);
    let ran = place.drain().ends(0);
    let named = |line: &&str| line.contains("item_key_lost") && line.contains(evidence);
    assert_eq!(ran.err.lines().filter(named).count(), 1, "{}", ran.err);
    assert_eq!(stored_unverified(&place), [true]);
    assert_eq!(place.verify_deep()["items_opened"], 1);
}

#[test]
fn a_sealed_file_is_kept_when_journal_and_log_are_lost_together() {
    let place = Place::new(&[]);
    let film = place.film(CAMERA, "A.MP4", 1, 300_000);
    place
        .camdock(&["run", "--drain", "--until-secured"])
        .ends(0);
    let item = place.item("A.MP4");
    let evidence = item["evidence"].as_str().unwrap();
    let film = fs::read(film).unwrap();
    fs::remove_dir_all(place.path("docked").join(CAMERA)).unwrap();
    lose(&place, &["", "-wal", "-shm", "-keys"]);
    fs::remove_dir_all(place.path("state/log")).unwrap();
    for _ in 0..2 {
        place.drain();
    }
    let kept = place.path(&format!("state/spool/{evidence}.unknown"));
    let (key, out) = (place.path("keys/one.key.pem"), place.path("opened"));
    let [kept, key, out] = [&kept, &key, &out].map(|path| path.to_str().unwrap());
    let log_key = place.path("state/keys/log.pub");
    assert!(log_key.exists());
    place
        .camdock(&["open", kept, "--key", key, "--out", out])
        .ends(0);
    assert!(fs::read(out).unwrap() == film);
}

//! Other footage under an item's name: sealed with public keys, laid over the first, and, where the station itself is in other
//! hands, entered in its log.

use std::fs;

use camdock::audit::{LogHandle, LogKey, encode_entry};
use camdock::model::{EvidenceId, Part, Sha256Digest};
use camdock::seal::{ItemKey, Recipient, SealSpec, seal_small};
use serde_json::{Value, json};

use crate::log_rewrites::{forge, log_key, raw_entries, station};
use crate::place::{Place, Ran};
use crate::store::{put, put_locked};

const DOCTORED: &[u8] = b"doctored footage";

/// Other footage, sealed as the station seals.
struct Again {
    id: String,
    original: Vec<u8>,
    item_key: Vec<u8>,
    /// The entry about its sealing, as the log would have it.
    manifest: Vec<u8>,
}

impl Again {
    fn of(place: &Place, path: &str) -> Self {
        let id = place.item(path)["evidence"].as_str().unwrap().to_owned();
        let recipients = ["one", "two"].map(|name| {
            let pem = fs::read_to_string(place.path(&format!("keys/{name}.pub.pem"))).unwrap();
            Recipient::from_pem(&pem).unwrap()
        });
        let item = ItemKey::generate().unwrap();
        let seal = |part: Part, item_key: Option<&ItemKey>, bytes: &[u8]| {
            let spec = SealSpec {
                recipients: &recipients,
                item_key,
                evidence: id.parse::<EvidenceId>().unwrap(),
                station: "test-1",
                camera: "folder/X0000001",
                part,
                frame_length: 4096,
            };
            seal_small(&spec, bytes).unwrap()
        };
        let original = seal(Part::Original, Some(&item), DOCTORED);
        let item_key = seal(Part::ItemKey, None, &*item.into_bytes());
        let manifest = changed(place, "item.sealed", &id, |data| {
            data["size"] = json!(DOCTORED.len());
            data["sha256"] = json!(Sha256Digest::of(DOCTORED));
            data["sealed_size"] = json!(original.len());
        });
        Self {
            id,
            original,
            item_key,
            manifest,
        }
    }

    fn key(&self, object: &str) -> String {
        format!("evidence/test-1/{}/{object}", self.id)
    }
}

/// An item's entry in the log with other data.
fn changed(place: &Place, event: &str, id: &str, change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let entries = raw_entries(place).into_iter();
    let mut entry = entries
        .map(|entry| serde_json::from_str::<Value>(&entry).unwrap())
        .find(|entry| entry["event"] == event && entry["data"]["evidence"] == id)
        .unwrap();
    change(&mut entry["data"]);
    encode_entry(&serde_json::from_value(entry).unwrap()).unwrap()
}

fn deep(place: &Place) -> Ran {
    let key = place.path("keys/one.key.pem");
    place.camdock_viewing(&["verify", "--deep", "--key", key.to_str().unwrap()])
}

/// Opens it as somebody who has the log's public key; the footage, or what was said instead.
fn open(place: &Place, id: &str) -> Result<Vec<u8>, Ran> {
    let (key, out) = (place.path("keys/one.key.pem"), place.path("opened"));
    let _ = fs::remove_file(&out);
    let (key, path) = (key.to_str().unwrap(), out.to_str().unwrap());
    let log = log_key(place).to_string();
    let words = ["open", id, "--key", key, "--out", path, "--log-key", &log];
    let ran = place.camdock_viewing(&words);
    if ran.code == Some(0) {
        let ran = ran.says("as the custody log says");
        assert!(!ran.out.contains("its record"), "{ran:?}");
        return Ok(fs::read(out).unwrap());
    }
    assert!(!out.exists());
    Err(ran)
}

#[test]
fn a_second_sealing_that_the_station_itself_entered_is_named_and_the_first_counts() {
    let place = station();
    let footage = fs::read(place.path("docked/X0000001/A.MP4")).unwrap();
    let again = Again::of(&place, "A.MP4");
    let version = put(&place, &again.key("original"), &again.original);
    assert!(version.is_some());
    let stored = changed(&place, "item.stored", &again.id, |data| {
        data["version_id"] = json!(version);
        data["size"] = json!(again.original.len());
        data["checksum"] = json!(Sha256Digest::of(&again.original).to_base64());
        let data = data.as_object_mut().unwrap();
        data.remove("part_size");
        data.remove("retention");
    });
    let mut entries = raw_entries(&place);
    let index = entries.len() as u64 + 1;
    entries.extend([&again.manifest, &stored].map(|e| String::from_utf8(e.clone()).unwrap()));
    forge(&place, &entries);
    let key = fs::read(place.path("state/keys/station.key")).unwrap();
    let key = LogKey::from_pkcs8(&key).unwrap();
    let log = LogHandle::open(&place.path("state/log"), key, log_key(&place).name()).unwrap();
    let receipt = log.proof(index).unwrap();
    log.close().unwrap();
    put(&place, &again.key("manifest.json"), &again.manifest);
    put(&place, &again.key("item-key"), &again.item_key);
    put(&place, &again.key("receipt"), receipt.as_bytes());

    let ran = deep(&place).ends(1).says("WRONG (item_twice)");
    let ran = ran.says("WRONG (object_covered)");
    for object in ["manifest.json", "item-key", "receipt"] {
        let key = again.key(object);
        assert!(
            ran.out.contains(&format!("{key} is written once")),
            "{ran:?}"
        );
    }
    place
        .camdock(&["verify"])
        .ends(1)
        .says("WRONG (item_twice)");
    place
        .camdock(&["audit", "gaps"])
        .ends(1)
        .says("WRONG (item_twice)");
    let (log, key) = (place.path("state/log"), log_key(&place).to_string());
    let alone = ["verify", "--log", log.to_str().unwrap(), "--log-key", &key];
    place.camdock(&alone).ends(1).says("WRONG (item_twice)");
    assert!(open(&place, &again.id).unwrap() == footage);
}

#[test]
fn an_object_that_was_written_again_is_named_even_if_the_newest_version_is_right() {
    let place = station();
    let id = place.item("A.MP4")["evidence"].as_str().unwrap().to_owned();
    let key = |object: &str| format!("evidence/test-1/{id}/{object}");
    let manifest = changed(&place, "item.sealed", &id, |_| {});
    // A store that forgot its answer gets the same bytes once more.
    put_locked(&place, &key("manifest.json"), &manifest);
    place.camdock(&["verify"]).ends(0);
    put(&place, &key("manifest.json"), b"{}");
    put_locked(&place, &key("manifest.json"), &manifest);
    let ran = place.camdock(&["verify"]).ends(1);
    let ran = ran.says("WRONG (several_versions)").says("4 versions");
    assert_eq!(ran.out.matches("WRONG").count(), 1, "{ran:?}");
}

#[test]
fn footage_and_manifest_that_fit_each_other_but_not_the_log_are_not_opened() {
    // Without versions, what is laid over an object replaces it.
    let settings = [
        ("store", "retention = \"none\""),
        ("store", "retention_days = 0"),
        ("store", "bucket = \"plain\""),
    ];
    let place = Place::new(&[]);
    Place::block_on(place.weed.create_bucket("plain"));
    place.configure(&settings);
    place.film("X0000001", "A.MP4", 1, 300_000);
    place.drain().ends(0);
    let again = Again::of(&place, "A.MP4");
    assert!(open(&place, &again.id).is_ok());
    let client = place.weed.client();
    for (object, bytes) in [
        ("original", &again.original),
        ("manifest.json", &again.manifest),
        ("item-key", &again.item_key),
    ] {
        let put = client.put_object().bucket("plain").key(again.key(object));
        Place::block_on(put.body(bytes.clone().into()).send()).unwrap();
    }
    let refused = open(&place, &again.id).unwrap_err();
    refused.ends(4).says("it was not opened");
}

#[test]
fn an_item_key_that_does_not_open_the_footage_is_found_by_opening_both() {
    let place = station();
    let again = Again::of(&place, "A.MP4");
    deep(&place).ends(0);
    put_locked(&place, &again.key("item-key"), &again.item_key);
    let ran = deep(&place).ends(1);
    ran.says("WRONG (item_key_wrong)").says("1 opened");
}

#[test]
fn junk_over_manifest_or_receipt_keeps_nobody_from_the_footage() {
    let place = station();
    let footage = fs::read(place.path("docked/X0000001/A.MP4")).unwrap();
    let id = place.item("A.MP4")["evidence"].as_str().unwrap().to_owned();
    for object in ["manifest.json", "receipt"] {
        put(&place, &format!("evidence/test-1/{id}/{object}"), b"junk");
        assert!(open(&place, &id).unwrap() == footage, "{object}");
    }
}

//! Junk over what stands beside the footage, keys that may not see all of it, and receipts that are still on their way.

use crate::log_rewrites::station;
use crate::place::Place;
use crate::policy::policy;
use crate::store::{put, put_locked};
use crate::support::Station;

#[test]
fn junk_larger_than_any_of_the_stations_small_objects_is_named_for_what_it_covers() {
    let place = station();
    let id = place.item("A.MP4")["evidence"].as_str().unwrap().to_owned();
    let size = place.entries().len();
    let junk = vec![7; 2 << 20];
    for object in ["manifest.json", "receipt", "item-key"] {
        put(&place, &format!("evidence/test-1/{id}/{object}"), &junk);
    }
    put(&place, &format!("log/test-1/checkpoints/{size}"), &junk);
    let ran = place.camdock(&["verify"]).ends(1);
    for code in [
        "manifest_altered",
        "receipt_wrong",
        "item_key_wrong",
        "anchor_covered",
    ] {
        assert!(
            ran.out.contains(&format!("WRONG ({code})")),
            "{code}: {ran:?}"
        );
    }
    assert!(!ran.out.contains("NOT CHECKED"), "{ran:?}");
}

#[test]
fn keys_that_are_not_told_of_versions_are_said_to_have_missed_some() {
    let mut blind = policy("verify-policy.json", "blind").policy;
    for statement in blind["Statement"].as_array_mut().unwrap() {
        let actions = statement["Action"].as_array_mut().unwrap();
        actions.retain(|action| action != "s3:ListBucketVersions");
    }
    let place = Place::with_stations(&[
        policy("station-policy.json", "station"),
        Station {
            name: "blind",
            policy: blind,
        },
    ]);
    place.film("X0000001", "A.MP4", 1, 1000);
    place.drain().ends(0);
    place.credentials("blindkey", "blindsecret");
    let ran = place.camdock(&["verify"]).ends(4);
    let ran = ran.says("NOT CHECKED (versions_hidden)");
    assert!(!ran.out.contains("WRONG"), "{ran:?}");
}

#[test]
fn a_receipt_that_is_still_on_its_way_is_no_alarm_and_one_that_was_deleted_is() {
    let place = Place::new(&[]);
    place.film("X0000001", "A.MP4", 1, 300_000);
    let stopped = [("CAMDOCK_FAILPOINT", "stop:stored: proved@1")];
    let ran = place.start_with(&["run", "--drain"], &stopped).wait();
    assert_ne!(ran.code, Some(0), "{ran:?}");
    let says = "1 receipts are not in the store yet";
    place.camdock(&["verify"]).ends(0).says(says);
    place.camdock(&["audit", "gaps"]).ends(0).says(says);

    place.drain().ends(0);
    let ran = place.camdock(&["verify"]).ends(0);
    assert!(!ran.out.contains(says), "{ran:?}");
    let id = place.item("A.MP4")["evidence"].as_str().unwrap().to_owned();
    let client = place.weed.client();
    let delete = client.delete_object().bucket("evidence");
    let delete = delete.key(format!("evidence/test-1/{id}/receipt"));
    Place::block_on(delete.send()).unwrap();
    let ran = place.camdock(&["verify"]);
    ran.ends(1).says("WRONG (object_missing)");
    let ran = place.camdock(&["audit", "gaps"]);
    ran.ends(1).says("gap_object_missing");
}

fn get(place: &Place, key: &str) -> Vec<u8> {
    let client = place.weed.client();
    let get = client.get_object().bucket("evidence").key(key);
    Place::block_on(async { get.send().await.unwrap().body.collect().await.unwrap() }).to_vec()
}

#[test]
fn what_stands_beside_the_footage_must_be_locked_as_it_is() {
    let place = station();
    let id = place.item("A.MP4")["evidence"].as_str().unwrap().to_owned();
    let locked = place.camdock(&["verify"]).ends(0);
    locked.says(" and 0 without a lock in the bucket");
    let size = place.entries().len();
    let anchor = format!("log/test-1/checkpoints/{size}");
    let beside = ["manifest.json", "receipt", "item-key"]
        .map(|object| format!("evidence/test-1/{id}/{object}"));
    for key in beside.iter().chain([&anchor]) {
        let bytes = get(&place, key);
        put_locked(&place, key, &bytes);
    }
    place.camdock(&["verify"]).ends(0);
    for key in beside.iter().chain([&anchor]) {
        let bytes = get(&place, key);
        put(&place, key, &bytes);
    }
    let ran = place.camdock(&["verify"]).ends(1);
    let ran = ran.says(&format!("{anchor} is not locked"));
    assert_eq!(ran.out.matches("WRONG (anchor_unlocked)").count(), 1);
    for object in ["manifest.json", "receipt", "item-key"] {
        let found = format!("WRONG (object_unlocked): the {object} of item {id}");
        assert!(ran.out.contains(&found), "{object}: {ran:?}");
    }
}

#[test]
fn an_item_key_that_is_not_the_items_is_named() {
    let place = station();
    place.film("X0000001", "B.MP4", 2, 300_000);
    place.drain().ends(0);
    let id = |path: &str| place.item(path)["evidence"].as_str().unwrap().to_owned();
    let key = |path: &str| format!("evidence/test-1/{}/item-key", id(path));
    let other = get(&place, &key("B.MP4"));
    for junk in [&b"junk"[..], &other] {
        put_locked(&place, &key("A.MP4"), junk);
        let ran = place.camdock(&["verify"]).ends(1);
        ran.says("WRONG (item_key_wrong)");
    }
}

#[test]
fn items_that_were_logged_without_a_lock_are_counted() {
    let none = [
        ("store", "retention = \"none\""),
        ("store", "retention_days = 0"),
    ];
    let place = Place::new(&none);
    place.film("X0000001", "A.MP4", 1, 1000);
    place.drain().ends(0);
    let ran = place.camdock(&["verify"]).ends(0);
    ran.says("1 were stored without a lock, as the log says")
        .says("0 locked ones and");
}

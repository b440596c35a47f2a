//! The shipped bucket policy gives a station the rights it needs and no more.

use std::fs;
use std::path::Path;

use crate::place::Place;
use crate::support::Station;

/// A policy of config/ for the bucket `evidence` and this station, for the identity `name` of the test server.
pub fn policy_for(file: &str, station: &str, name: &'static str) -> Station {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("config")
        .join(file);
    let text = fs::read_to_string(path)
        .unwrap()
        .replace("BUCKET", "evidence")
        .replace("STATION", station)
        .replace("OFFICE", "office-1");
    let policy = serde_json::from_str(&text).unwrap();
    Station { name, policy }
}

pub fn policy(file: &str, name: &'static str) -> Station {
    policy_for(file, "test-1", name)
}

#[test]
fn the_shipped_bucket_policy_lets_a_station_work_and_neither_read_nor_delete() {
    let place = Place::with_station(policy("station-policy.json", "station"));
    place.film("X0000001", "A.MP4", 1, 300_000);
    place.film("X0000001", "B.MP4", 2, 20_000_000);
    place.drain().ends(0);
    let evidence = place.item("B.MP4")["evidence"].as_str().unwrap().to_owned();
    place.film("X0000001", "C.MP4", 3, 100_000);
    place.drain().ends(0);

    let client = place.weed.client_of("station");
    let key = format!("evidence/test-1/{evidence}/original");
    let read = client.get_object().bucket("evidence").key(&key).send();
    assert!(Place::block_on(read).is_err(), "it may read footage");
    let deleted = client.delete_object().bucket("evidence").key(&key).send();
    assert!(Place::block_on(deleted).is_err(), "it may delete footage");
    let listed = client.list_objects_v2().bucket("evidence").send();
    assert!(Place::block_on(listed).is_err(), "it may list the bucket");

    let (access, secret) = place.weed.admin_keys();
    place.credentials(access, secret);
    assert_eq!(place.verify_deep()["items_opened"], 3);
}

/// The store evaluates actions and names. It ignores the conditions, so these are compared as text below.
#[test]
fn the_shipped_policies_keep_two_stations_of_one_bucket_apart() {
    let place = Place::with_stations(&[
        policy("station-policy.json", "station"),
        policy_for("station-policy.json", "test-10", "neighbour"),
        policy_for("confirm-policy.json", "test-10", "reader"),
    ]);
    place.film("X0000001", "A.MP4", 1, 1000);
    place.drain().ends(0);
    let evidence = place.item("A.MP4")["evidence"].as_str().unwrap().to_owned();
    let own = format!("evidence/test-1/{evidence}/original");
    for name in ["neighbour", "reader"] {
        let client = place.weed.client_of(name);
        for key in [
            own.as_str(),
            "evidence/test-1/new",
            "evidence/new",
            "log/test-1/checkpoint",
            "log/test-1/checkpoints/1",
            "confirmed/test-1/new",
            "probe/test-1/new",
        ] {
            let put = client.put_object().bucket("evidence").key(key);
            let put = put.body(b"mine".to_vec().into()).send();
            assert!(Place::block_on(put).is_err(), "{name} may put {key}");
            let read = client.get_object().bucket("evidence").key(key).send();
            assert!(Place::block_on(read).is_err(), "{name} may read {key}");
        }
        let later = aws_sdk_s3::primitives::DateTime::from_secs(4_000_000_000);
        let longer = aws_sdk_s3::types::ObjectLockRetention::builder()
            .mode(aws_sdk_s3::types::ObjectLockRetentionMode::Compliance)
            .retain_until_date(later)
            .build();
        let locked = client.put_object_retention().bucket("evidence").key(&own);
        let locked = Place::block_on(locked.retention(longer).send());
        assert!(locked.is_err(), "{name} may lock another's object");
    }
    // The names of its own objects are all that a station may list.
    let client = place.weed.client_of("station");
    for (prefix, allowed) in [
        ("evidence/test-1/", true),
        ("evidence/test-10/", false),
        ("evidence/", false),
        ("", false),
    ] {
        let listed = client.list_object_versions().bucket("evidence");
        let listed = Place::block_on(listed.prefix(prefix).send());
        assert_eq!(listed.is_ok(), allowed, "{prefix:?}");
    }
    // The neighbour may do the same below its own name.
    let client = place.weed.client_of("neighbour");
    let put = client.put_object().bucket("evidence");
    let put = put.key("evidence/test-10/new").body(Vec::new().into());
    Place::block_on(put.send()).unwrap();
}

#[test]
fn the_shipped_policies_forbid_a_second_put_and_a_lock_without_end() {
    let denied = |file: &str, key: &str| {
        let policy = policy(file, "any").policy;
        let statements = policy["Statement"].as_array().unwrap().clone();
        statements.into_iter().any(|statement| {
            let condition = &statement["Condition"];
            statement["Effect"] == "Deny"
                && (condition["Null"][key] == "true"
                    || condition["NumericGreaterThan"][key].is_string())
        })
    };
    assert!(denied("station-policy.json", "s3:if-none-match"));
    assert!(denied("confirm-policy.json", "s3:if-none-match"));
    assert!(denied("open-policy.json", "s3:if-none-match"));
    assert!(denied(
        "station-policy.json",
        "s3:object-lock-remaining-retention-days"
    ));
}

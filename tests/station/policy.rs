//! The shipped bucket policy gives a station the rights it needs and no more.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::place::Place;
use crate::support::Station;

fn leaked(texts: Vec<String>) -> &'static [&'static str] {
    let texts: Vec<&'static str> = texts.into_iter().map(|t| &*t.leak()).collect();
    texts.leak()
}

/// A policy of config/ for this bucket and station, as the test server takes it.
pub fn policy(file: &str, name: &'static str) -> Station {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("config")
        .join(file);
    let text = fs::read_to_string(path)
        .unwrap()
        .replace("BUCKET", "evidence")
        .replace("STATION", "test-1");
    let policy: Value = serde_json::from_str(&text).unwrap();
    let strings = |value: &Value| -> Vec<String> {
        let texts = value
            .as_array()
            .unwrap()
            .iter()
            .map(|v| v.as_str().unwrap());
        texts
            .map(|t| t.trim_start_matches("arn:aws:s3:::").to_owned())
            .collect()
    };
    let statements = policy["Statement"].as_array().unwrap().iter();
    let allowed: Vec<_> = statements
        .map(|s| {
            assert_eq!(s["Effect"], "Allow");
            (
                leaked(strings(&s["Action"])),
                leaked(strings(&s["Resource"])),
            )
        })
        .collect();
    Station {
        name,
        allowed: allowed.leak(),
    }
}

#[test]
fn the_shipped_bucket_policy_lets_a_station_work_and_neither_read_nor_delete() {
    let place = Place::with_station(policy("bucket-policy.json", "station"));
    place.film("X0000001", "A.MP4", 1, 300_000);
    place.film("X0000001", "B.MP4", 2, 20_000_000);
    place.drain().ends(0);
    let evidence = place.item("B.MP4")["evidence"].as_str().unwrap().to_owned();
    place.film("X0000001", "C.MP4", 3, 100_000);
    place.drain().ends(0);

    let client = place.weed.client_of("station");
    let key = format!("evidence/{evidence}/original");
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

//! One round of uploads against each maker's store, and what is done with locks there.

use aws_sdk_s3::Client;
use camdock::model::{ConfirmedBy, Explain as _};
use camdock::upload::{Body, S3Store, Store as _, StoreConfig};

use crate::ceph::Ceph;
use crate::keeping::held_renewed_and_deleted;
use crate::moto;
use crate::process::create_bucket;
use crate::round::{PART, client, seen_lock, small, upload, versions};
use crate::support::{MemoryLedger, SeaweedFs, SeededSource};

/// The behaviour of a maker's store.
struct Expected {
    confirmed_by: ConfirmedBy,
    refuses_second: bool,
}

/// Everything is stored once, confirmed and locked, and stays so when a station that has forgotten it tries again.
async fn round(config: &StoreConfig, client: &Client, expected: &Expected) {
    let (whole, parts) = ("evidence/st/1/receipt", "evidence/st/1/original");
    let made = SeededSource::new(7, 2 * PART + 99);
    let writer = crate::round::client(config);
    for n in 0..3 {
        let store = S3Store::new(config).unwrap();
        if n > 0 {
            store
                .put("log/st/checkpoint", Body::new("x"))
                .await
                .unwrap();
            let seen = store.conduct().refuses_second();
            assert_eq!(seen, Some(expected.refuses_second));
        }
        let one = small(&store, whole, "what is put").await.unwrap();
        let mut ledger = MemoryLedger::default();
        let two = upload(&store, parts, &made, &mut ledger).await.unwrap();
        // The reply to Complete was lost.
        let again = upload(&store, parts, &made, &mut ledger).await.unwrap();
        assert!(again.already_there);
        assert_eq!(again.version_id, two.version_id);
        assert_eq!(two.checksum, made.checksum(PART));
        for stored in [&one, &two] {
            assert_eq!(stored.already_there, n > 0, "{}", stored.key);
            assert_eq!(stored.confirmed_by, expected.confirmed_by);
            let (mode, until) = seen_lock(&writer, &stored.key).await;
            let logged = stored.retention.as_ref().unwrap();
            assert_eq!(
                (mode, until),
                (logged.mode.clone(), logged.until.as_second())
            );
            let versions = versions(client, &stored.key).await;
            assert_eq!(versions.len(), 1, "{}", stored.key);
            let version = versions[0].version_id.clone().unwrap();
            assert_eq!(stored.version_id.as_ref(), Some(&version));
            let deleted = client.delete_object().bucket("evidence").key(&stored.key);
            deleted.version_id(version).send().await.unwrap_err();
        }
        small(&store, whole, "something else").await.unwrap_err();
        assert_eq!(versions(client, whole).await.len(), 1);
    }
}

#[tokio::test]
async fn seaweedfs_stores_each_object_once_confirmed_and_locked() {
    let server = SeaweedFs::start();
    let config = server.config("evidence");
    let client = server.client();
    create_bucket(&client).await;
    let expected = Expected {
        confirmed_by: ConfirmedBy::Sha256,
        refuses_second: true,
    };
    round(&config, &client, &expected).await;
    held_renewed_and_deleted(&config, true).await;
}

#[tokio::test]
async fn moto_stores_each_object_once_confirmed_and_locked() {
    let dir = tempfile::tempdir().unwrap();
    let (_server, config) = moto::start(dir.path());
    let client = client(&config);
    create_bucket(&client).await;
    let expected = Expected {
        confirmed_by: ConfirmedBy::Sha256,
        refuses_second: true,
    };
    round(&config, &client, &expected).await;
    // It lets anybody make a lock shorter.
    held_renewed_and_deleted(&config, false).await;
}

/// The shipped policy as a bucket's policy for Ceph's user.
fn station_policy() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/config/station-policy.json");
    let text = std::fs::read_to_string(path).unwrap();
    let text = text.replace("BUCKET", "evidence").replace("STATION", "st");
    let mut policy: serde_json::Value = serde_json::from_str(&text).unwrap();
    for statement in policy["Statement"].as_array_mut().unwrap() {
        statement["Principal"] = serde_json::json!({"AWS": ["arn:aws:iam:::user/station"]});
    }
    policy.to_string()
}

/// Ceph names no SHA-256 and ignores `If-None-Match`.
#[tokio::test]
async fn ceph_stores_each_object_once_confirmed_by_md5_and_locked() {
    let dir = tempfile::tempdir().unwrap();
    let Some(ceph) = Ceph::start(dir.path()) else {
        panic!("Ceph is missing: run `make setup` first");
    };
    let client = client(&ceph.config("owner"));
    create_bucket(&client).await;
    let expected = Expected {
        confirmed_by: ConfirmedBy::Md5,
        refuses_second: false,
    };
    // With the rights of the shipped policy, and no more.
    let policy = station_policy();
    let put = client.put_bucket_policy().bucket("evidence").policy(policy);
    put.send().await.unwrap();
    round(&ceph.config("station"), &client, &expected).await;
    let other = S3Store::new(&ceph.config("station")).unwrap();
    let put = small(&other, "evidence/st-2/1/receipt", "x").await;
    assert_eq!(put.unwrap_err().label(), "store_forbidden");
    held_renewed_and_deleted(&ceph.config("owner"), true).await;
}

//! What the office and the disposer ask of a store: a lock that is renewed by version, a legal hold, and a deletion of which the store
//! says afterwards that nothing is left.

use std::time::Duration;

use camdock::model::Retention;
use camdock::upload::{Body, S3Store, Store as _, StoreConfig};
use jiff::Timestamp;

const KEY: &str = "evidence/st/2/original";
const SECONDS: i64 = 3;

fn lock_for(seconds: i64) -> Retention {
    Retention {
        mode: "COMPLIANCE".into(),
        until: Timestamp::from_second(Timestamp::now().as_second() + seconds).unwrap(),
    }
}

/// A version stays while a lock or a hold is on it, another one beside it keeps nothing of that, and what is deleted is gone.
pub async fn held_renewed_and_deleted(config: &StoreConfig, refuses_to_shorten: bool) {
    let store = S3Store::new(config).unwrap();
    // With its first `put` a client tries whether the store takes a second version.
    let log = store.put("log/st/checkpoint", Body::new("x")).await;
    log.unwrap();
    let put = async |text: &'static str| {
        let put = store.put(KEY, Body::new(text)).await.unwrap();
        put.version_id.unwrap()
    };
    let (kept, other) = (put("what stays").await, put("what covers it").await);
    assert_ne!(kept, other);
    let lock = async |version: &str| store.retention(KEY, Some(version)).await.unwrap();
    assert_eq!(lock(&kept).await, None);

    let first = lock_for(SECONDS);
    store.set_retention(KEY, Some(&kept), &first).await.unwrap();
    assert_eq!(lock(&kept).await.as_ref(), Some(&first));
    let renewed = lock_for(2 * SECONDS);
    store
        .set_retention(KEY, Some(&kept), &renewed)
        .await
        .unwrap();
    assert_eq!(lock(&kept).await.as_ref(), Some(&renewed));
    assert_eq!(lock(&other).await, None, "by version");
    if refuses_to_shorten {
        let shorter = store.set_retention(KEY, Some(&kept), &first).await;
        shorter.unwrap_err();
        assert_eq!(lock(&kept).await.as_ref(), Some(&renewed));
    }

    let held = async |version: &str| store.legal_hold(KEY, Some(version)).await.unwrap();
    let hold = async |on| store.set_legal_hold(KEY, Some(&kept), on).await.unwrap();
    assert!(!held(&kept).await);
    hold(true).await;
    assert!(held(&kept).await);
    assert!(!held(&other).await, "by version");
    store.delete_version(KEY, &kept).await.unwrap_err();
    // The lock alone keeps it, too.
    hold(false).await;
    assert!(!held(&kept).await);
    store.delete_version(KEY, &kept).await.unwrap_err();
    hold(true).await;
    while Timestamp::now() <= renewed.until + Duration::from_secs(1) {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    // So does the hold alone, once the lock is over.
    store.delete_version(KEY, &kept).await.unwrap_err();
    assert!(store.head(KEY, Some(&kept)).await.unwrap().is_some());
    hold(false).await;

    store.delete_version(KEY, &kept).await.unwrap();
    let versions = async || -> Vec<Option<String>> {
        let all = store.list_versions(KEY, 10).await.unwrap();
        all.into_iter().map(|version| version.version_id).collect()
    };
    assert_eq!(store.head(KEY, Some(&kept)).await.unwrap(), None);
    assert_eq!(versions().await, [Some(other.clone())]);
    // Whoever was stopped in between deletes it once more.
    store.delete_version(KEY, &kept).await.unwrap();
    store.delete_version(KEY, &other).await.unwrap();
    assert_eq!(store.head(KEY, None).await.unwrap(), None);
    assert_eq!(versions().await, []);
}

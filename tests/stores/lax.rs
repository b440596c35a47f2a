//! Stores that do less than they are asked.

use std::sync::OnceLock;

use camdock::model::{ConfirmedBy, Explain as _, RetryClass};
use camdock::upload::{S3Store, UploadError};
use tokio::sync::OnceCell;

use crate::lax_store::{Ignores, LaxStore};
use crate::round::{BUCKET, PART, client, lock, small, upload, versions};
use crate::support::{MemoryLedger, SeaweedFs, SeededSource};

async fn server() -> &'static SeaweedFs {
    static SERVER: OnceLock<SeaweedFs> = OnceLock::new();
    static BUCKETS: OnceCell<()> = OnceCell::const_new();
    let server = SERVER.get_or_init(|| SeaweedFs::shared(&[]));
    BUCKETS
        .get_or_init(|| server.create_bucket_with_object_lock(BUCKET))
        .await;
    server
}

/// A client that has seen nothing of the store yet, as after a start.
async fn store(ignores: Ignores) -> LaxStore<S3Store> {
    let config = server().await.config(BUCKET);
    LaxStore::new(S3Store::new(&config).unwrap(), ignores)
}

async fn count(key: &str) -> usize {
    versions(&server().await.client(), key).await.len()
}

#[tokio::test]
async fn a_lock_that_was_ignored_is_set_on_the_version_that_is_there() {
    let store = store(Ignores {
        lock_at_creation: true,
        ..Ignores::default()
    })
    .await;
    let whole = small(&store, "evidence/ignored/receipt", "x")
        .await
        .unwrap();
    let made = SeededSource::new(1, PART + 1);
    let key = "evidence/ignored/original";
    let parts = upload(&store, key, &made, &mut MemoryLedger::default())
        .await
        .unwrap();
    let client = client(&server().await.config(BUCKET));
    for stored in [whole, parts] {
        let seen = lock(&client, &stored.key).await.unwrap();
        let until = seen.retain_until_date.unwrap().secs();
        let logged = stored.retention.unwrap();
        assert_eq!(seen.mode.unwrap().as_str(), logged.mode);
        assert_eq!(until, logged.until.as_second());
        assert_eq!(count(&stored.key).await, 1);
    }
}

#[tokio::test]
async fn a_store_that_never_locks_is_an_alarm_and_gets_nothing_more() {
    let ignores = Ignores {
        lock_at_creation: true,
        lock_afterwards: true,
        ..Ignores::default()
    };
    let (key, other) = ("evidence/never/receipt", "evidence/never/other");
    // A start, and another one.
    for _ in 0..2 {
        let store = store(ignores).await;
        let error = small(&store, key, "x").await.unwrap_err();
        assert_eq!(error.label(), "store_not_locked", "{error}");
        assert!(error.to_string().contains("no lock"), "{error}");
        assert_ne!(error.retry_class(), RetryClass::Later);
        let made = SeededSource::new(2, PART + 1);
        let next = upload(&store, other, &made, &mut MemoryLedger::default()).await;
        assert!(matches!(next, Err(UploadError::Stopped(_))), "{next:?}");
        let again = small(&store, key, "x").await;
        assert!(matches!(again, Err(UploadError::Stopped(_))), "{again:?}");
        assert_eq!((count(key).await, count(other).await), (1, 0));
    }
}

#[tokio::test]
async fn where_no_sha256_is_named_the_md5_confirms_and_is_logged_as_such() {
    let store = store(Ignores {
        sha256: true,
        ..Ignores::default()
    })
    .await;
    let whole = small(&store, "evidence/md5/receipt", "x").await.unwrap();
    assert_eq!(whole.confirmed_by, ConfirmedBy::Md5);
    let key = "evidence/md5/original";
    let made = SeededSource::new(3, 2 * PART + 1);
    let mut ledger = MemoryLedger::default();
    let parts = upload(&store, key, &made, &mut ledger).await.unwrap();
    assert_eq!(parts.confirmed_by, ConfirmedBy::Md5);
    assert_eq!(parts.checksum, made.checksum(PART));
    // The reply was lost, and so was all that this process knew.
    let read = made.read.load(std::sync::atomic::Ordering::SeqCst);
    let again = upload(&store, key, &made, &mut ledger).await.unwrap();
    assert!(again.already_there && again.version_id == parts.version_id);
    assert!(made.read.load(std::sync::atomic::Ordering::SeqCst) > read);
    assert_eq!(count(key).await, 1);
}

#[tokio::test]
async fn other_bytes_than_ours_are_never_confirmed_by_an_etag() {
    let store = store(Ignores {
        sha256: true,
        ..Ignores::default()
    })
    .await;
    let key = "evidence/etag/receipt";
    small(&store, key, "one").await.unwrap();
    let error = small(&store, key, "two").await.unwrap_err();
    assert_eq!(error.label(), "store_conflict_unknown", "{error}");
    assert_eq!(count(key).await, 1);
}

#[tokio::test]
async fn a_store_that_confirms_nothing_gets_one_object_and_no_second_version() {
    for (n, if_none_match) in [false, true].into_iter().enumerate() {
        let ignores = Ignores {
            sha256: true,
            etag: true,
            if_none_match,
            ..Ignores::default()
        };
        let key = format!("evidence/nothing-{n}/receipt");
        let first = store(ignores).await;
        let error = small(&first, &key, "x").await.unwrap_err();
        assert_eq!(error.label(), "store_unconfirmed", "{error}");
        for _ in 0..5 {
            small(&first, &key, "x").await.unwrap_err();
        }
        // After a start.
        let second = store(ignores).await;
        for _ in 0..5 {
            small(&second, &key, "x").await.unwrap_err();
        }
        assert_eq!(count(&key).await, 1);
    }
}

#[tokio::test]
async fn where_if_none_match_is_ignored_no_object_gets_a_second_version() {
    let ignores = Ignores {
        if_none_match: true,
        ..Ignores::default()
    };
    let made = SeededSource::new(4, PART + 1);
    for n in 0..3 {
        let store = store(ignores).await;
        let whole = small(&store, "evidence/second/receipt", "x").await.unwrap();
        let key = "evidence/second/original";
        let parts = upload(&store, key, &made, &mut MemoryLedger::default())
            .await
            .unwrap();
        assert_eq!((whole.already_there, parts.already_there), (n > 0, n > 0));
        let other = small(&store, "evidence/second/receipt", "other").await;
        other.unwrap_err();
        assert_eq!(count("evidence/second/receipt").await, 1);
        assert_eq!(count(key).await, 1);
    }
}

//! The S3 store's single calls against a real SeaweedFS.

mod support;

use std::sync::OnceLock;

use bytes::Bytes;
use camdock::model::{Explain as _, RetryClass, Sha256Digest};
use camdock::upload::{
    Body, BucketAnswer, Completed, DonePart, LockMode, RetentionPolicy, S3Store, Store,
    UploadError, list_all, put_small_once,
};
use jiff::Timestamp;
use support::{SeaweedFs, Station};
use tokio::sync::OnceCell;

const BUCKET: &str = "evidence";
const LOCKED: RetentionPolicy = RetentionPolicy {
    mode: LockMode::Compliance,
    days: 2,
};

/// The rights that the shipped policy gives a station, without any right to read or list evidence.
fn write_only() -> Station {
    let writes = [
        "s3:PutObject",
        "s3:PutObjectRetention",
        "s3:GetObjectRetention",
        "s3:AbortMultipartUpload",
        "s3:ListMultipartUploadParts",
    ];
    let allowed: [(&[&str], &[&str]); 2] = [
        (&writes, &["evidence/*"]),
        (&["s3:GetObject"], &["evidence/log/*"]),
    ];
    Station::allowing("writer", &allowed)
}

async fn server() -> &'static SeaweedFs {
    static SERVER: OnceLock<SeaweedFs> = OnceLock::new();
    static BUCKETS: OnceCell<()> = OnceCell::const_new();
    let server = SERVER.get_or_init(|| SeaweedFs::shared(&[write_only()]));
    BUCKETS
        .get_or_init(|| async {
            server.create_bucket_with_object_lock(BUCKET).await;
            server.create_bucket("plain").await;
        })
        .await;
    server
}

async fn store() -> S3Store {
    S3Store::new(&server().await.config(BUCKET)).unwrap()
}

async fn put(store: &S3Store, key: &str, text: &'static str) -> Result<bool, UploadError> {
    let bytes = Bytes::from_static(text.as_bytes());
    put_small_once(store, key, bytes, Some(LOCKED))
        .await
        .map(|stored| stored.already_there)
}

#[tokio::test]
async fn an_object_is_written_once_the_same_again_is_fine_and_another_is_an_alarm() {
    let store = store().await;
    let key = "evidence/once/manifest.json";
    assert!(!put(&store, key, "one").await.unwrap());
    assert!(put(&store, key, "one").await.unwrap());
    for other in ["two", "longer"] {
        let error = put(&store, key, other).await.unwrap_err();
        assert!(error.is_alarm() && error.retry_class() == RetryClass::Never);
        assert_eq!(error.label(), "store_content_differs");
    }
    let there = store.get(key, 100).await.unwrap().unwrap();
    assert_eq!(there, "one");
}

#[tokio::test]
async fn the_empty_object_can_be_stored() {
    let store = store().await;
    assert!(!put(&store, "evidence/empty", "").await.unwrap());
    assert!(put(&store, "evidence/empty", "").await.unwrap());
    assert_eq!(
        store.get("evidence/empty", 0).await.unwrap().unwrap().len(),
        0
    );
}

#[tokio::test]
async fn the_stores_answer_names_our_checksum_and_the_version() {
    let store = store().await;
    let body = Body::new("hello");
    let put = store
        .put_once("evidence/answer", body.clone(), None)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(put.checksum, Some(body.sha256.to_base64()));
    assert!(put.version_id.is_some());
}

#[tokio::test]
async fn a_body_that_does_not_match_its_checksum_is_refused_and_not_stored() {
    let store = store().await;
    let wrong = Body {
        bytes: Bytes::from_static(b"bits flipped on the way"),
        sha256: Sha256Digest::of(b"what was sent"),
        md5: None,
    };
    let error = store
        .put_once("evidence/wrong", wrong.clone(), None)
        .await
        .unwrap_err();
    assert_eq!(error.label(), "store_checksum_refused");
    assert_eq!(error.retry_class(), RetryClass::Later);
    assert_eq!(store.head("evidence/wrong", None).await.unwrap(), None);

    let upload = store
        .create_multipart("evidence/wrong", None)
        .await
        .unwrap();
    let error = store
        .upload_part("evidence/wrong", &upload, 1, wrong)
        .await
        .unwrap_err();
    assert_eq!(error.label(), "store_checksum_refused");
    assert!(
        store
            .list_parts("evidence/wrong", &upload)
            .await
            .unwrap()
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_locked_version_cannot_be_deleted_before_its_time() {
    let store = store().await;
    let before = Timestamp::now();
    let stored = put_small_once(
        &store,
        "evidence/locked",
        Bytes::from_static(b"x"),
        Some(LOCKED),
    )
    .await
    .unwrap();
    let retention = stored.retention.unwrap();
    assert_eq!(retention.mode, "COMPLIANCE");
    let days = (retention.until.as_second() - before.as_second()) as f64 / 86_400.0;
    assert!((1.99..2.01).contains(&days), "{days}");
    let seen = store.retention("evidence/locked", None).await.unwrap();
    assert_eq!(seen, Some(retention));

    let client = server().await.client();
    let deleted = client
        .delete_object()
        .bucket(BUCKET)
        .key("evidence/locked")
        .version_id(stored.version_id.unwrap())
        .send()
        .await;
    let refused = deleted.unwrap_err().raw_response().unwrap().status();
    assert_eq!(refused.as_u16(), 403);
}

#[tokio::test]
async fn log_files_are_replaced_and_read_back_whole() {
    let store = store().await;
    let key = "log/st/checkpoint";
    assert_eq!(store.get(key, 100).await.unwrap(), None);
    for text in ["size 1", "size 2"] {
        let put = store.put(key, Body::new(text)).await.unwrap();
        assert_eq!(
            put.checksum,
            Some(Sha256Digest::of(text.as_bytes()).to_base64())
        );
        assert_eq!(store.get(key, 6).await.unwrap().unwrap(), text);
    }
    let error = store.get(key, 5).await.unwrap_err();
    assert_eq!(error.label(), "store_oversized");
}

#[tokio::test]
async fn ranges_are_cut_at_the_end_of_the_object() {
    let store = store().await;
    let stored = put_small_once(&store, "evidence/range", Bytes::from("0123456789"), None)
        .await
        .unwrap();
    let version = stored.version_id.as_deref();
    let range = |offset, len| store.get_range("evidence/range", version, offset, len);
    assert_eq!(range(0, 10).await.unwrap(), "0123456789");
    assert_eq!(range(3, 4).await.unwrap(), "3456");
    assert_eq!(range(8, 100).await.unwrap(), "89");
    assert_eq!(range(10, 5).await.unwrap(), "");
    assert_eq!(range(2, 0).await.unwrap(), "");
}

#[tokio::test]
async fn more_keys_than_a_page_are_all_listed_in_order_and_bounded() {
    let store = store().await;
    let keys: Vec<String> = (0..1_203).map(|n| format!("many/{n:04} +ü%")).collect();
    for chunk in keys.chunks(100) {
        let puts = chunk.iter().map(|key| store.put(key, Body::new("x")));
        for put in futures_util::future::join_all(puts).await {
            put.unwrap();
        }
    }
    let listed = list_all(&store, "many/", 2_000).await.unwrap();
    let names: Vec<_> = listed.iter().map(|object| object.key.clone()).collect();
    assert_eq!(names, keys);
    assert!(listed.iter().all(|object| object.size == 1));
    let error = list_all(&store, "many/", 1_000).await.unwrap_err();
    assert_eq!(error.label(), "store_oversized");
    assert!(list_all(&store, "none/", 10).await.unwrap().is_empty());
}

#[tokio::test]
async fn more_parts_than_a_page_are_all_listed() {
    let store = store().await;
    let key = "evidence/parts";
    let upload = store.create_multipart(key, None).await.unwrap();
    // Tiny parts can be sent but not completed. Only every second number is sent, and the gaps stay.
    let numbers: Vec<u32> = (1..=1_203).map(|n| n * 2).collect();
    for chunk in numbers.chunks(100) {
        let sent = chunk.iter().map(|&number| {
            let body = Body::new(number.to_string());
            store.upload_part(key, &upload, number, body)
        });
        for sent in futures_util::future::join_all(sent).await {
            sent.unwrap().unwrap();
        }
    }
    let listed = store.list_parts(key, &upload).await.unwrap().unwrap();
    let found: Vec<_> = listed.iter().map(|part| part.number).collect();
    assert_eq!(found, numbers);
    assert_eq!(listed[600].size, 4);
    store.abort(key, &upload).await.unwrap();
    assert_eq!(store.list_parts(key, &upload).await.unwrap(), None);
    assert_eq!(
        store
            .upload_part(key, &upload, 1, Body::new("x"))
            .await
            .unwrap(),
        None
    );
    store.abort(key, &upload).await.unwrap();
}

#[tokio::test]
async fn completing_with_parts_that_the_store_does_not_hold_is_noticed() {
    let store = store().await;
    let key = "evidence/partsdiffer";
    let upload = store.create_multipart(key, None).await.unwrap();
    let body = Body::new(vec![7; 5 << 20]);
    let sha256 = body.sha256;
    let etag = store
        .upload_part(key, &upload, 1, body)
        .await
        .unwrap()
        .unwrap();
    for (etag, sha256) in [
        (etag.as_str(), Sha256Digest::of(b"other")),
        ("\"00000000000000000000000000000000\"", sha256),
    ] {
        let tag = DonePart {
            number: 1,
            etag: etag.into(),
            sha256,
        };
        assert_eq!(
            store.complete(key, &upload, &[tag], true).await.unwrap(),
            Completed::PartsDiffer
        );
    }
    assert_eq!(store.head(key, None).await.unwrap(), None);
}

#[tokio::test]
async fn the_bucket_check_tells_what_is_wrong() {
    let server = server().await;
    let facts = store().await.check_bucket().await.unwrap();
    assert_eq!(
        (facts.object_lock, facts.versioning),
        (BucketAnswer::Yes, BucketAnswer::Yes)
    );
    assert!(facts.clock_ahead.unwrap().abs() <= 2);

    let check = |config| async move { S3Store::new(&config).unwrap().check_bucket().await };
    let plain = check(server.config("plain")).await.unwrap();
    assert_eq!(
        (plain.object_lock, plain.versioning),
        (BucketAnswer::No, BucketAnswer::No)
    );
    let error = check(server.config("nosuch")).await.unwrap_err();
    assert_eq!(error.label(), "store_no_bucket");
    let (key, _) = server.admin_keys();
    let error = check(server.config_as(BUCKET, key, "wrong"))
        .await
        .unwrap_err();
    assert_eq!(error.label(), "store_credentials");
    let error = check(server.config_as(BUCKET, "nobody", "x"))
        .await
        .unwrap_err();
    assert_eq!(error.label(), "store_credentials");
    assert_eq!(error.retry_class(), RetryClass::Operator);
    let facts = check(server.config_of(BUCKET, "writer")).await.unwrap();
    assert_eq!(facts.object_lock, BucketAnswer::NotAllowedToAsk);
}

#[tokio::test]
async fn refusals_of_a_put_are_told_apart() {
    let server = server().await;
    let to = |config| S3Store::new(&config).unwrap();
    let label = |result: Result<bool, UploadError>| result.unwrap_err().label();
    let (admin, _) = server.admin_keys();
    assert_eq!(
        label(put(&to(server.config("nosuch")), "a", "x").await),
        "store_no_bucket"
    );
    assert_eq!(
        label(put(&to(server.config_as(BUCKET, admin, "wrong")), "a", "x").await),
        "store_credentials"
    );
    assert_eq!(
        label(put(&to(server.config_of("plain", "writer")), "a", "x").await),
        "store_forbidden"
    );
    // Retention asked of a bucket without Object Lock.
    let error = put(&to(server.config("plain")), "a", "x")
        .await
        .unwrap_err();
    assert_eq!(error.label(), "store_no_object_lock");
    assert_eq!(error.retry_class(), RetryClass::Operator);
}

#[tokio::test]
async fn nothing_listening_is_a_matter_of_time() {
    let mut config = server().await.config(BUCKET);
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    config.endpoint = Some(format!("http://127.0.0.1:{port}"));
    let error = put(&S3Store::new(&config).unwrap(), "a", "x")
        .await
        .unwrap_err();
    assert_eq!(error.label(), "store_unreachable");
    assert_eq!(error.retry_class(), RetryClass::Later);
    assert!(error.may_have_happened());
    config.endpoint = Some("http://no-such-host.invalid".into());
    let error = put(&S3Store::new(&config).unwrap(), "a", "x")
        .await
        .unwrap_err();
    assert_eq!(error.label(), "store_unreachable");
}

#[tokio::test]
async fn without_the_right_to_look_a_taken_key_is_said_to_be_unknown() {
    let server = server().await;
    let store = S3Store::new(&server.config_of(BUCKET, "writer")).unwrap();
    assert!(
        !put(&store, "evidence/blind/manifest.json", "one")
            .await
            .unwrap()
    );
    let error = put(&store, "evidence/blind/manifest.json", "one")
        .await
        .unwrap_err();
    assert_eq!(error.label(), "store_conflict_unknown");
    assert_eq!(error.retry_class(), RetryClass::Operator);
    assert!(
        error.next_step().contains("s3:GetObject"),
        "{}",
        error.next_step()
    );
    // The station may read the log.
    store.put("log/blind", Body::new("x")).await.unwrap();
    assert_eq!(store.get("log/blind", 1).await.unwrap().unwrap(), "x");
}

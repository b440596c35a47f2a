//! Whole uploads against a real SeaweedFS: sizes, resume after a kill of either side, lost replies, conflicts.

mod support;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aws_sdk_s3::types::ObjectVersion;
use bytes::Bytes;
use camdock::model::{Explain as _, RetryClass, Sha256Digest};
use camdock::upload::{
    Ledger as _, LockMode, Multipart, Pacer, PartMemory, RetentionPolicy, S3Store, Store,
    StoredObject, Upload, UploadError, put_small_once,
};
use support::{Fault, Faulty, MemoryLedger, Op, SeaweedFs, SeededSource, Station};
use tokio::sync::{OnceCell, watch};

const BUCKET: &str = "evidence";
const MIB: u64 = 1 << 20;
const PART: u64 = 8 * MIB;
const LOCKED: RetentionPolicy = RetentionPolicy {
    mode: LockMode::Compliance,
    days: 1,
};

/// An identity that may write evidence but not read it.
fn write_only() -> Station {
    let actions = [
        "s3:PutObject",
        "s3:PutObjectRetention",
        "s3:GetObjectRetention",
        "s3:AbortMultipartUpload",
        "s3:ListMultipartUploadParts",
    ];
    Station::allowing("writer", &[(&actions, &["evidence/*"])])
}

async fn server() -> &'static SeaweedFs {
    static SERVER: OnceLock<SeaweedFs> = OnceLock::new();
    static BUCKETS: OnceCell<()> = OnceCell::const_new();
    let server = SERVER.get_or_init(|| SeaweedFs::shared(&[write_only()]));
    BUCKETS
        .get_or_init(|| server.create_bucket_with_object_lock(BUCKET))
        .await;
    server
}

async fn store() -> Faulty<S3Store> {
    Faulty::new(S3Store::new(&server().await.config(BUCKET)).unwrap())
}

async fn writer() -> Faulty<S3Store> {
    Faulty::new(S3Store::new(&server().await.config_of(BUCKET, "writer")).unwrap())
}

async fn upload(
    store: &dyn Store,
    key: &str,
    made: &SeededSource,
    ledger: &mut MemoryLedger,
) -> Result<StoredObject, UploadError> {
    upload_told(store, key, made, ledger, &|_| ()).await
}

async fn upload_told(
    store: &dyn Store,
    key: &str,
    made: &SeededSource,
    ledger: &mut MemoryLedger,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<StoredObject, UploadError> {
    let (_keep, cancel) = watch::channel(false);
    Upload {
        store,
        key,
        retention: Some(LOCKED.from(jiff::Timestamp::now())),
        pacer: &Pacer::unlimited(),
        part_size: PART,
        parts_at_once: 3,
        memory: &PartMemory::new(3 * PART),
        progress,
        cancel,
    }
    .run(made.boxed(), ledger)
    .await
}

/// Asks the bucket without our code.
async fn versions(key: &str) -> Vec<ObjectVersion> {
    let client = server().await.client();
    let listed = client.list_object_versions().bucket(BUCKET).prefix(key);
    let listed = listed.send().await.unwrap();
    assert!(listed.delete_markers.unwrap_or_default().is_empty());
    listed.versions.unwrap_or_default()
}

async fn open_uploads(key: &str) -> usize {
    let client = server().await.client();
    let listed = client.list_multipart_uploads().bucket(BUCKET).prefix(key);
    listed
        .send()
        .await
        .unwrap()
        .uploads
        .unwrap_or_default()
        .len()
}

async fn content(key: &str) -> Vec<u8> {
    let client = server().await.client();
    let object = client.get_object().bucket(BUCKET).key(key).send().await;
    let body = object.unwrap().body.collect().await;
    body.unwrap().to_vec()
}

/// Checks that the object is stored once, whole, locked, and with the checksum that was computed here.
async fn assert_stored(key: &str, made: &SeededSource, stored: &StoredObject, size: u64) {
    assert_eq!(stored.size, size);
    let expected = match stored.part_size {
        Some(part_size) => made.checksum(part_size),
        None => Sha256Digest::of(&made.whole()).to_base64(),
    };
    assert_eq!(stored.checksum, expected);
    let versions = versions(key).await;
    assert_eq!(versions.len(), 1, "one version of {key}");
    assert_eq!(versions[0].version_id, stored.version_id);
    assert_eq!(versions[0].size, Some(i64::try_from(size).unwrap()));
    assert!(content(key).await == made.whole(), "content of {key}");
    let retention = stored.retention.as_ref().unwrap();
    assert_eq!(retention.mode, "COMPLIANCE");
}

#[tokio::test]
async fn objects_of_every_size_class_arrive_bit_for_bit() {
    let store = store().await;
    for (seed, size, part_size) in [
        (1, 0, None),
        (2, 1, None),
        (3, PART - 1, None),
        (4, PART, None),
        (5, PART + 1, Some(PART)),
        (6, 2 * PART, Some(PART)),
        (7, 2 * PART + 12_345, Some(PART)),
    ] {
        let key = format!("evidence/size-{size}/original");
        let made = SeededSource::new(seed, size);
        let told = AtomicU64::new(0);
        let progress = |bytes| told.store(bytes, Ordering::SeqCst);
        let mut ledger = MemoryLedger::default();
        let stored = upload_told(&store, &key, &made, &mut ledger, &progress)
            .await
            .unwrap();
        assert_eq!(stored.part_size, part_size);
        assert!(!stored.already_there);
        assert_stored(&key, &made, &stored, size).await;
        assert_eq!(told.load(Ordering::SeqCst), size);
        assert_eq!(
            made.read.load(Ordering::SeqCst),
            size,
            "each byte is read once"
        );
    }
}

#[tokio::test]
async fn a_lost_call_of_any_kind_ends_in_one_whole_object() {
    use Fault::{Done, NotDone};
    let faults = [
        (Op::PutOnce, 1, false),
        (Op::Create, 1, true),
        (Op::UploadPart, 1, true),
        (Op::UploadPart, 2, true),
        (Op::UploadPart, 3, true),
        (Op::Complete, 1, true),
    ];
    for (n, (op, nth, multipart)) in faults.into_iter().enumerate() {
        for fault in [NotDone, Done] {
            let store = store().await;
            let key = format!("evidence/lost-{n}-{fault:?}/original");
            let size = if multipart { 2 * PART + 5 } else { 100 };
            let made = SeededSource::new(20 + n as u64, size);
            let mut ledger = MemoryLedger::default();
            store.fail(op, nth, fault);
            let error = upload(&store, &key, &made, &mut ledger).await.unwrap_err();
            assert_eq!(error.retry_class(), RetryClass::Later, "{op:?} {fault:?}");
            // Each call of the second attempt fails as well, once before and once after it took effect.
            for op in [Op::ListParts, Op::Head] {
                for fault in [NotDone, Done] {
                    store.fail(op, 1, fault);
                    let _ = upload(&store, &key, &made, &mut ledger).await;
                }
            }
            let stored = upload(&store, &key, &made, &mut ledger).await.unwrap();
            assert_stored(&key, &made, &stored, size).await;
            // Only a Create whose reply was lost leaves an upload that is not in the ledger.
            let orphans = usize::from(op == Op::Create && fault == Done);
            assert!(open_uploads(&key).await <= orphans, "{op:?} {fault:?}");
        }
    }
}

#[tokio::test]
async fn after_a_kill_of_our_side_only_the_missing_parts_are_sent() {
    let store = store().await;
    let key = "evidence/killed/original";
    // A station puts the manifest first, which shows what this store confirms.
    let manifest = Bytes::from_static(b"{}");
    put_small_once(&store, "evidence/killed/manifest.json", manifest, None)
        .await
        .unwrap();
    let made = SeededSource::new(40, 7 * PART + 3);
    let mut ledger = MemoryLedger::default();
    let (stop, mut stopped) = watch::channel(0);
    let progress = |bytes| {
        stop.send_replace(bytes);
    };
    tokio::select! {
        _ = upload_told(&store, key, &made, &mut ledger, &progress) => panic!("too fast to kill"),
        _ = stopped.wait_for(|&bytes| bytes >= 3 * PART) => {}
    }
    let noted = ledger.resume.as_ref().unwrap().parts.len();
    assert!((3..8).contains(&noted));
    let sent = store.calls(Op::UploadPart);
    // A read that was under way at the kill ends by itself.
    let mut read = made.read.load(Ordering::SeqCst);
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        let now = made.read.load(Ordering::SeqCst);
        if now == read {
            break;
        }
        read = now;
    }

    let first_told = AtomicU64::new(u64::MAX);
    let progress = |bytes| {
        first_told.fetch_min(bytes, Ordering::SeqCst);
    };
    let stored = upload_told(&store, key, &made, &mut ledger, &progress)
        .await
        .unwrap();
    assert_stored(key, &made, &stored, 7 * PART + 3).await;
    assert_eq!(
        store.calls(Op::UploadPart) - sent,
        8 - u32::try_from(noted).unwrap()
    );
    // One more part: the one that was being read at the kill.
    let again = made.read.load(Ordering::SeqCst) - read;
    assert!(
        again <= (8 - noted as u64 + 1) * PART,
        "{again} bytes with {noted} parts noted"
    );
    assert_eq!(first_told.load(Ordering::SeqCst), noted as u64 * PART);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_of_the_store_the_upload_goes_on_where_it_was() {
    let mut server = tokio::task::spawn_blocking(SeaweedFs::start).await.unwrap();
    server.create_bucket_with_object_lock(BUCKET).await;
    let store = Faulty::new(S3Store::new(&server.config(BUCKET)).unwrap());
    let key = "evidence/storekilled/original";
    let size = 9 * PART + 77;
    let made = SeededSource::new(41, size);
    let mut ledger = MemoryLedger::default();
    let (tell, mut told) = watch::channel(0);
    let progress = move |bytes| {
        tell.send_replace(bytes);
    };
    let killer = tokio::spawn(async move {
        told.wait_for(|&bytes| bytes >= 3 * PART).await.unwrap();
        tokio::task::spawn_blocking(move || {
            server.kill();
            server
        })
        .await
        .unwrap()
    });
    let error = upload_told(&store, key, &made, &mut ledger, &progress)
        .await
        .unwrap_err();
    assert_eq!(error.retry_class(), RetryClass::Later, "{error:?}");
    let noted = ledger.resume.as_ref().unwrap().parts.len();
    assert!(noted >= 3, "{noted}");
    let sent = store.calls(Op::UploadPart);
    let mut server = killer.await.unwrap();
    let _server = tokio::task::spawn_blocking(move || {
        server.restart();
        server
    })
    .await
    .unwrap();

    let stored = retried(&store, key, &made, &mut ledger).await;
    assert_eq!(stored.checksum, made.checksum(PART));
    assert!(
        store.calls(Op::UploadPart) - sent <= 10 - u32::try_from(noted).unwrap() + 3,
        "parts that were noted are not sent again"
    );
    let mut offset = 0;
    while offset < size {
        let there = store.get_range(key, None, offset, PART).await.unwrap();
        assert!(there == made.bytes(offset, PART.min(size - offset)));
        offset += PART;
    }
}

/// Tries again like the retry loop does, for a store that is still starting.
async fn retried(
    store: &dyn Store,
    key: &str,
    made: &SeededSource,
    ledger: &mut MemoryLedger,
) -> StoredObject {
    for _ in 0..60 {
        match upload(store, key, made, ledger).await {
            Ok(stored) => return stored,
            Err(error) => assert_eq!(error.retry_class(), RetryClass::Later, "{error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("never stored");
}

#[tokio::test]
async fn a_damaged_spool_file_is_never_completed_and_leaves_nothing_behind() {
    let store = store().await;
    for (key, size, at) in [
        ("evidence/damaged-1", 100, 50),
        ("evidence/damaged-2", 4 * PART, 2 * PART + 1),
    ] {
        let made = SeededSource::new(50, size).damaged_at(at);
        let mut ledger = MemoryLedger::default();
        let error = upload(&store, key, &made, &mut ledger).await.unwrap_err();
        assert_eq!(
            (error.label(), error.retry_class()),
            ("spool_damaged", RetryClass::Never)
        );
        assert!(error.is_alarm());
        assert!(versions(key).await.is_empty());
        assert_eq!(open_uploads(key).await, 0);
        assert_eq!(ledger.resume, None);
    }
}

#[tokio::test]
async fn other_content_at_the_key_is_an_alarm_and_stays_as_it_is() {
    let store = store().await;
    let key = "evidence/other/original";
    let theirs = SeededSource::new(60, 2 * PART);
    upload(&store, key, &theirs, &mut MemoryLedger::default())
        .await
        .unwrap();
    for ours in [SeededSource::new(61, 2 * PART), SeededSource::new(61, 100)] {
        let mut ledger = MemoryLedger::default();
        let error = upload(&store, key, &ours, &mut ledger).await.unwrap_err();
        assert_eq!(error.label(), "store_content_differs");
        assert!(error.is_alarm() && error.retry_class() == RetryClass::Never);
    }
    assert_eq!(versions(key).await.len(), 1);
    assert!(content(key).await == theirs.whole());
    assert_eq!(open_uploads(key).await, 0);
}

#[tokio::test]
async fn the_same_content_at_the_key_is_fine_even_when_nothing_was_noted() {
    let store = store().await;
    let key = "evidence/same/original";
    let made = SeededSource::new(62, PART + 9);
    let first = upload(&store, key, &made, &mut MemoryLedger::default())
        .await
        .unwrap();
    let again = upload(&store, key, &made, &mut MemoryLedger::default())
        .await
        .unwrap();
    assert!(again.already_there && !first.already_there);
    assert_eq!(again.version_id, first.version_id);
    assert_eq!(again.retention, first.retention);
    assert_stored(key, &made, &again, PART + 9).await;
    assert_eq!(open_uploads(key).await, 0);
}

#[tokio::test]
async fn a_finished_upload_is_known_again_although_its_notes_were_lost() {
    let store = store().await;
    let key = "evidence/notes/original";
    let made = SeededSource::new(63, 3 * PART);
    let mut ledger = MemoryLedger::default();
    store.fail(Op::Complete, 1, Fault::Done);
    upload(&store, key, &made, &mut ledger).await.unwrap_err();
    ledger.resume.as_mut().unwrap().parts.drain(1..);
    let sent = store.calls(Op::UploadPart);
    let stored = upload(&store, key, &made, &mut ledger).await.unwrap();
    assert!(stored.already_there);
    assert_eq!(store.calls(Op::UploadPart), sent, "nothing is sent twice");
    assert_stored(key, &made, &stored, 3 * PART).await;
}

#[tokio::test]
async fn a_writer_that_may_not_look_learns_of_a_lost_reply_by_repeating_complete() {
    let store = writer().await;
    let key = "evidence/blind/original";
    let made = SeededSource::new(64, 2 * PART + 1);
    let mut ledger = MemoryLedger::default();
    store.fail(Op::Complete, 1, Fault::Done);
    upload(&store, key, &made, &mut ledger).await.unwrap_err();
    let stored = upload(&store, key, &made, &mut ledger).await.unwrap();
    assert!(stored.already_there);
    assert_stored(key, &made, &stored, 2 * PART + 1).await;
}

#[tokio::test]
async fn a_writer_that_may_not_look_says_so_when_the_key_is_taken() {
    let key = "evidence/blind-taken/original";
    let theirs = SeededSource::new(65, 2 * PART);
    upload(&store().await, key, &theirs, &mut MemoryLedger::default())
        .await
        .unwrap();
    let mut ledger = MemoryLedger::default();
    for made in [SeededSource::new(66, 2 * PART), SeededSource::new(66, 9)] {
        let error = upload(&writer().await, key, &made, &mut ledger)
            .await
            .unwrap_err();
        assert_eq!(error.label(), "store_conflict_unknown");
        assert_eq!(error.retry_class(), RetryClass::Operator);
        ledger.clear().unwrap();
    }
    assert_eq!(versions(key).await.len(), 1);
    assert!(content(key).await == theirs.whole());
}

#[tokio::test]
async fn a_part_that_the_store_does_not_hold_as_noted_is_sent_again() {
    let store = store().await;
    let key = "evidence/changed/original";
    let made = SeededSource::new(67, 3 * PART);
    let mut ledger = MemoryLedger::default();
    store.fail(Op::Complete, 1, Fault::NotDone);
    upload(&store, key, &made, &mut ledger).await.unwrap_err();
    let noted = &mut ledger.resume.as_mut().unwrap().parts;
    noted.iter_mut().find(|part| part.number == 2).unwrap().etag = "\"0\"".into();
    let sent = store.calls(Op::UploadPart);
    let stored = upload(&store, key, &made, &mut ledger).await.unwrap();
    assert_eq!(store.calls(Op::UploadPart) - sent, 1);
    assert_stored(key, &made, &stored, 3 * PART).await;
}

#[tokio::test]
async fn an_upload_that_the_store_dropped_is_begun_anew() {
    let store = store().await;
    let key = "evidence/dropped/original";
    let made = SeededSource::new(68, 2 * PART);
    let mut ledger = MemoryLedger::default();
    store.fail(Op::Complete, 1, Fault::NotDone);
    upload(&store, key, &made, &mut ledger).await.unwrap_err();
    let upload_id = ledger.resume.as_ref().unwrap().multipart.upload_id.clone();
    store.abort(key, &upload_id).await.unwrap();
    let error = upload(&store, key, &made, &mut ledger).await.unwrap_err();
    assert_eq!(
        (error.label(), error.retry_class()),
        ("store_upload_lost", RetryClass::Later)
    );
    let stored = upload(&store, key, &made, &mut ledger).await.unwrap();
    assert_stored(key, &made, &stored, 2 * PART).await;
}

#[tokio::test]
async fn an_upload_begun_with_another_part_size_goes_on_with_it() {
    let store = store().await;
    let key = "evidence/partsize/original";
    let made = SeededSource::new(69, 11 * MIB);
    let mut ledger = MemoryLedger::default();
    let upload_id = store.create_multipart(key, None).await.unwrap();
    let multipart = Multipart {
        upload_id,
        part_size: 5 * MIB,
        retention: Some(LOCKED.from(jiff::Timestamp::now())),
    };
    ledger.begin(&multipart).unwrap();
    let stored = upload(&store, key, &made, &mut ledger).await.unwrap();
    assert_eq!(stored.part_size, Some(5 * MIB));
    assert_stored(key, &made, &stored, 11 * MIB).await;
}

#[tokio::test]
async fn a_stop_is_obeyed_at_once_and_the_next_run_goes_on() {
    let store = store().await;
    let key = "evidence/stopped/original";
    let made = SeededSource::new(70, 6 * PART);
    let mut ledger = MemoryLedger::default();
    let (stop, cancel) = watch::channel(false);
    let progress = |bytes| {
        if bytes >= 2 * PART {
            stop.send_replace(true);
        }
    };
    let pacer = Pacer::unlimited();
    let attempt = Upload {
        store: &store,
        key,
        retention: Some(LOCKED.from(jiff::Timestamp::now())),
        pacer: &pacer,
        part_size: PART,
        parts_at_once: 2,
        memory: &PartMemory::new(2 * PART),
        progress: &progress,
        cancel,
    };
    let error = attempt.run(made.boxed(), &mut ledger).await.unwrap_err();
    assert_eq!(error.label(), "cancelled");
    let noted = ledger.resume.as_ref().unwrap().parts.len();
    assert!((2..6).contains(&noted), "{noted}");
    let error = attempt.run(made.boxed(), &mut ledger).await.unwrap_err();
    assert_eq!(error.label(), "cancelled");
    let stored = upload(&store, key, &made, &mut ledger).await.unwrap();
    assert_stored(key, &made, &stored, 6 * PART).await;
}

#[tokio::test]
async fn no_more_parts_are_in_memory_than_allowed() {
    let store = store().await;
    let made = SeededSource::new(71, 12 * PART);
    let most = Arc::new(AtomicU64::new(0));
    let progress = |taken| {
        // Called right after a part was dropped: parts that were read and not yet taken are in memory.
        let read = made.read.load(Ordering::SeqCst);
        most.fetch_max(read - taken, Ordering::SeqCst);
    };
    let mut ledger = MemoryLedger::default();
    upload_told(
        &store,
        "evidence/memory/original",
        &made,
        &mut ledger,
        &progress,
    )
    .await
    .unwrap();
    let most = most.load(Ordering::SeqCst);
    assert!(most <= 3 * PART, "{most}");
    assert!(most >= PART, "reading and sending go side by side");
}

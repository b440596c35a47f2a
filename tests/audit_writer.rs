//! The shared handle: many writers, one thread, group commits.

use camdock::audit::{AuditError, LogHandle, LogKey, verify_receipt};
use camdock::model::{Entry, Event, StationStopped};

const ORIGIN: &str = "example.org/leeds-1";

fn entry(reason: String) -> Entry {
    Entry {
        v: 1,
        time: "2026-01-02T03:04:05.678Z".parse().unwrap(),
        station: "leeds-1".parse().unwrap(),
        session: None,
        event: Event::StationStopped(StationStopped { reason }),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_acknowledged_entry_is_readable_and_provable() {
    let dir = tempfile::tempdir().unwrap();
    let (key, pkcs8) = LogKey::generate().unwrap();
    let log = LogHandle::open(dir.path(), key, ORIGIN).unwrap();
    let mut size = log.watch();
    let tasks: Vec<_> = (0..16)
        .map(|writer| {
            let log = log.clone();
            tokio::spawn(async move {
                let mut all = Vec::new();
                for round in 0..20 {
                    let pair = ["a", "b"].map(|half| entry(format!("{writer} {round} {half}")));
                    let got = log.append(pair.to_vec()).await.unwrap();
                    assert_eq!(got[0].index + 1, got[1].index, "a request stays together");
                    for committed in &got {
                        assert_eq!(log.entry(committed.index).unwrap(), committed.bytes);
                        let receipt = log.proof(committed.index).unwrap();
                        let (index, _) =
                            verify_receipt(&receipt, &committed.bytes, log.verifier()).unwrap();
                        assert_eq!(index, committed.index);
                    }
                    all.extend(got);
                }
                all
            })
        })
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.unwrap());
    }
    all.sort_by_key(|committed| committed.index);
    assert!(all.iter().map(|c| c.index).eq(0..640));
    size.wait_for(|size| *size == 640).await.unwrap();
    let (before, _) = log.latest();
    let last = log.clone();
    tokio::task::spawn_blocking(move || {
        last.append_blocking(&[entry("last".into())]).unwrap();
        last.close().unwrap();
    })
    .await
    .unwrap();
    let closed = log.append(vec![entry("late".into())]).await;
    assert!(matches!(closed, Err(AuditError::Closed)));
    assert_eq!(log.files_since(before.size).0.size, 641);
    drop(log);
    let key = LogKey::from_pkcs8(&pkcs8).unwrap();
    let log = LogHandle::open(dir.path(), key, ORIGIN).unwrap();
    for committed in all {
        assert_eq!(log.entry(committed.index).unwrap(), committed.bytes);
    }
}

#[tokio::test]
async fn an_entry_that_is_too_long_fails_alone() {
    let dir = tempfile::tempdir().unwrap();
    let key = LogKey::generate().unwrap().0;
    let log = LogHandle::open(dir.path(), key, ORIGIN).unwrap();
    let (long, short) = tokio::join!(
        log.append(vec![entry("x".repeat(70_000))]),
        log.append(vec![entry("y".into())])
    );
    assert!(matches!(long, Err(AuditError::TooLarge { .. })));
    assert_eq!(short.unwrap()[0].index, 0);
    assert!(log.append(Vec::new()).await.unwrap().is_empty());
}

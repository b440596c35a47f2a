//! The custody log as a whole: what is acknowledged survives crashes; what is damaged is noticed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use camdock::audit::{AuditError, DirSource, Log, LogKey, LogSource as _, verify_receipt};

const ORIGIN: &str = "example.org/leeds-1";

fn key() -> (LogKey, Vec<u8>) {
    let (key, pkcs8) = LogKey::generate().unwrap();
    (key, pkcs8.to_vec())
}

fn open(dir: &Path, pkcs8: &[u8]) -> Result<Log, AuditError> {
    Log::open(dir, LogKey::from_pkcs8(pkcs8).unwrap(), ORIGIN)
}

fn entry(index: u64) -> Vec<u8> {
    format!("{{\"n\":{index}}}").into_bytes()
}

fn entries(range: std::ops::Range<u64>) -> Vec<Vec<u8>> {
    range.map(entry).collect()
}

fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut todo = vec![dir.to_owned()];
    while let Some(folder) = todo.pop() {
        for item in fs::read_dir(folder).unwrap() {
            let path = item.unwrap().path();
            if path.is_dir() {
                todo.push(path);
            } else {
                found.insert(path.clone(), fs::read(path).unwrap());
            }
        }
    }
    found
}

fn copy(from: &Path, to: &Path) {
    for (path, bytes) in files(from) {
        let target = to.join(path.strip_prefix(from).unwrap());
        fs::create_dir_all(target.parent().unwrap()).unwrap();
        fs::write(target, bytes).unwrap();
    }
}

fn check_all(log: &Log, size: u64) {
    assert_eq!(log.size(), size);
    for index in (0..size).step_by(37).chain(size.checked_sub(1)) {
        assert_eq!(log.entry(index).unwrap(), entry(index));
    }
}

#[test]
fn every_growth_is_readable_and_provable_after_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let (key, pkcs8) = key();
    let verifier = key.verifier(ORIGIN).unwrap();
    let mut log = Log::open(dir.path(), key, ORIGIN).unwrap();
    let mut size = 0;
    for (round, step) in [1, 254, 1, 1, 255, 300, 7, 700].into_iter().enumerate() {
        assert_eq!(
            log.append(&entries(size..size + step)).unwrap(),
            size..size + step
        );
        size += step;
        check_all(&log, size);
        assert_eq!(&verifier.open(log.note()).unwrap(), log.checkpoint());
        for index in [0, size / 2, size - 1] {
            let receipt = log.proof(index).unwrap();
            let (at, under) = verify_receipt(&receipt, &entry(index), &verifier).unwrap();
            assert_eq!((at, under.size), (index, size));
            assert!(verify_receipt(&receipt, &entry(index + 1), &verifier).is_err());
        }
        let note = log.note().to_owned();
        if round % 2 == 0 {
            log.close().unwrap();
        } else {
            drop(log);
        }
        log = open(dir.path(), &pkcs8).unwrap();
        assert_eq!(log.note(), note);
        check_all(&log, size);
    }
    assert!(matches!(
        log.proof(size),
        Err(AuditError::OutOfRange { .. })
    ));
}

#[test]
fn a_write_ahead_file_cut_at_every_byte_loses_no_earlier_batch() {
    let (whole, start) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (key, pkcs8) = key();
    let mut log = Log::open(whole.path(), key, ORIGIN).unwrap();
    log.append(&entries(0..250)).unwrap();
    log.close().unwrap();
    copy(whole.path(), start.path());
    let mut log = open(whole.path(), &pkcs8).unwrap();
    let mut ends = vec![(0, 250)];
    for (from, to) in [(250, 251), (251, 258), (258, 262)] {
        log.append(&entries(from..to)).unwrap();
        let written = fs::metadata(whole.path().join("pending.wal"))
            .unwrap()
            .len();
        ends.push((written, to));
    }
    drop(log);
    let wal = fs::read(whole.path().join("pending.wal")).unwrap();
    for cut in 0..=wal.len() {
        let dir = tempfile::tempdir().unwrap();
        copy(start.path(), dir.path());
        fs::write(dir.path().join("pending.wal"), &wal[..cut]).unwrap();
        let expected = ends
            .iter()
            .rev()
            .find(|(end, _)| *end <= cut as u64)
            .unwrap()
            .1;
        let mut log = open(dir.path(), &pkcs8).unwrap();
        assert_eq!(log.size(), expected, "cut at {cut}");
        if cut % 41 == 0 {
            check_all(&log, expected);
            log.append(&entries(expected..270)).unwrap();
            check_all(&log, 270);
        }
    }
}

#[test]
fn what_a_power_cut_does_to_unsynced_files_is_repaired() {
    let dir = tempfile::tempdir().unwrap();
    let (key, pkcs8) = key();
    let mut log = Log::open(dir.path(), key, ORIGIN).unwrap();
    log.append(&entries(0..300)).unwrap();
    log.close().unwrap();
    let synced = files(dir.path());
    let mut log = open(dir.path(), &pkcs8).unwrap();
    for at in 300..320 {
        log.append(&entries(at..at + 1)).unwrap();
    }
    log.append(&entries(320..900)).unwrap();
    let note = log.note().to_owned();
    drop(log);
    for torn in [None, Some(&b""[..]), Some(&b"\0\0\0\0\0\0\0\0"[..])] {
        let after = tempfile::tempdir().unwrap();
        copy(dir.path(), after.path());
        for (path, _) in files(after.path()) {
            let name = path.strip_prefix(after.path()).unwrap();
            if name.starts_with("pending.wal")
                || synced.contains_key(&dir.path().join(name)) && !name.starts_with("checkpoint")
            {
                continue;
            }
            match torn {
                None => fs::remove_file(&path).unwrap(),
                Some(bytes) => fs::write(&path, bytes).unwrap(),
            }
        }
        let log = open(after.path(), &pkcs8).unwrap();
        assert_eq!(log.note(), note);
        check_all(&log, 900);
        log.close().unwrap();
        let log = open(after.path(), &pkcs8).unwrap();
        check_all(&log, 900);
        let partial = files(after.path())
            .keys()
            .filter(|p| p.to_string_lossy().contains(".p/"))
            .count();
        assert_eq!(partial, 3, "one unfinished bundle and two unfinished tiles");
    }
}

#[test]
fn an_old_copy_put_back_beside_a_newer_checkpoint_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (key, pkcs8) = key();
    let mut log = Log::open(dir.path(), key, ORIGIN).unwrap();
    log.append(&entries(0..10)).unwrap();
    log.close().unwrap();
    let old = files(dir.path());
    let mut log = open(dir.path(), &pkcs8).unwrap();
    log.append(&entries(10..20)).unwrap();
    log.close().unwrap();
    for name in ["durable", "tile/0/000.p/10", "tile/entries/000.p/10"] {
        let path = dir.path().join(name);
        fs::write(&path, &old[&path]).unwrap();
    }
    let error = open(dir.path(), &pkcs8).err().unwrap();
    assert!(
        error.to_string().contains("ahead of its entries"),
        "{error}"
    );
}

#[test]
fn another_key_and_a_second_writer_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (key, pkcs8) = key();
    let mut log = Log::open(dir.path(), key, ORIGIN).unwrap();
    log.append(&entries(0..3)).unwrap();
    assert!(matches!(
        open(dir.path(), &pkcs8),
        Err(AuditError::Read { .. })
    ));
    drop(log);
    let (other, _) = self::key();
    let error = Log::open(dir.path(), other, ORIGIN).err().unwrap();
    assert!(matches!(error, AuditError::ForeignKey { .. }), "{error}");
    check_all(&open(dir.path(), &pkcs8).unwrap(), 3);
}

#[test]
fn a_changed_right_edge_is_refused_at_opening() {
    let dir = tempfile::tempdir().unwrap();
    let (key, pkcs8) = key();
    let mut log = Log::open(dir.path(), key, ORIGIN).unwrap();
    log.append(&entries(0..300)).unwrap();
    log.close().unwrap();
    for name in [
        "tile/0/001.p/44",
        "tile/1/000.p/1",
        "tile/entries/001.p/44",
        "durable",
    ] {
        let path = dir.path().join(name);
        let good = fs::read(&path).unwrap();
        let mut bad = good.clone();
        bad[20] ^= 1;
        fs::write(&path, bad).unwrap();
        assert!(open(dir.path(), &pkcs8).is_err(), "{name}");
        fs::write(&path, good).unwrap();
    }
    check_all(&open(dir.path(), &pkcs8).unwrap(), 300);
}

#[test]
fn published_files_are_enough_to_begin_again() {
    let (dir, bucket) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (key, pkcs8) = key();
    let mut log = Log::open(dir.path(), key, ORIGIN).unwrap();
    let mut published = 0;
    for to in [3, 255, 256, 600, 601] {
        log.append(&entries(published..to)).unwrap();
        let mut keys = log.files_since(published);
        assert!(keys.len() <= 9 && !keys.iter().any(|k| k == "checkpoint"));
        keys.push("checkpoint".into());
        for key in keys {
            let bytes = log.source().read(&key).unwrap().unwrap();
            let path = bucket.path().join(key);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        published = to;
    }
    drop(log);
    let mut log = open(bucket.path(), &pkcs8).unwrap();
    log.append(&entries(601..602)).unwrap();
    check_all(&log, 602);
}

#[test]
fn an_older_partial_tile_is_still_served_after_growth() {
    let dir = tempfile::tempdir().unwrap();
    let (key, _) = key();
    let mut log = Log::open(dir.path(), key, ORIGIN).unwrap();
    log.append(&entries(0..7)).unwrap();
    let source = DirSource::new(dir.path());
    let keys = ["tile/0/000.p/7", "tile/entries/000.p/7"];
    let first = keys.map(|k| source.read(k).unwrap().unwrap());
    for to in [9, 300] {
        log.append(&entries(log.size()..to)).unwrap();
        assert_eq!(keys.map(|k| source.read(k).unwrap().unwrap()), first);
    }
    for outside in ["../x", "pending.wal", "durable", "tile/0/../../durable"] {
        assert!(source.read(outside).unwrap().is_none());
    }
}

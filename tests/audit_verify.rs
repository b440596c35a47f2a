//! Every kind of tampering is found and named.

use std::fs;
use std::path::Path;
use std::time::Instant;

use camdock::audit::{
    AuditError, Checkpoint, DirSource, Log, LogFinding, LogKey, LogReport, Standing, VerifierKey,
    compare, verify_log,
};
use camdock::model::Sha256Digest;

const ORIGIN: &str = "example.org/leeds-1";
/// Level-1 and level-0 tiles, full and unfinished.
const SIZE: u64 = 1000;

fn entry(index: u64) -> Vec<u8> {
    format!("{{\"n\":{index}}}").into_bytes()
}

struct Made {
    dir: tempfile::TempDir,
    pkcs8: Vec<u8>,
    key: VerifierKey,
    checkpoint: Checkpoint,
}

fn made(size: u64, content: impl Fn(u64) -> Vec<u8>) -> Made {
    let (key, pkcs8) = LogKey::generate().unwrap();
    made_by(key, pkcs8.to_vec(), size, content)
}

fn made_by(key: LogKey, pkcs8: Vec<u8>, size: u64, content: impl Fn(u64) -> Vec<u8>) -> Made {
    let dir = tempfile::tempdir().unwrap();
    let verifier = key.verifier(ORIGIN).unwrap();
    let mut log = Log::open(dir.path(), key, ORIGIN).unwrap();
    log.append(&(0..size).map(content).collect::<Vec<_>>())
        .unwrap();
    let checkpoint = log.checkpoint().clone();
    log.close().unwrap();
    Made {
        dir,
        pkcs8,
        key: verifier,
        checkpoint,
    }
}

impl Made {
    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    fn source(&self) -> DirSource {
        DirSource::new(self.dir.path())
    }

    fn verify(&self, remembered: Option<&Checkpoint>) -> LogReport {
        verify_log(&self.source(), &self.key, &mut |_, _| (), remembered).unwrap()
    }

    fn findings(&self) -> Vec<LogFinding> {
        self.verify(None).findings
    }

    fn bundle(&self, name: &str, change: impl FnOnce(&mut Vec<Vec<u8>>)) {
        let path = self.path(name);
        let mut entries = unbundle(&fs::read(&path).unwrap());
        change(&mut entries);
        fs::write(path, rebundle(&entries)).unwrap();
    }
}

fn unbundle(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut entries = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<2>() {
        let (entry, rest) = rest.split_at(usize::from(u16::from_be_bytes(*length)));
        entries.push(entry.to_vec());
        bytes = rest;
    }
    entries
}

fn rebundle(entries: &[Vec<u8>]) -> Vec<u8> {
    let framed = entries
        .iter()
        .map(|e| [&u16::try_from(e.len()).unwrap().to_be_bytes()[..], e].concat());
    framed.collect::<Vec<_>>().concat()
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn an_untouched_log_is_clean_and_each_entry_is_seen_once() {
    for size in [0, 1, 256, 257, SIZE] {
        let log = made(size, entry);
        let mut seen = 0;
        let mut see = |index, bytes: &[u8]| {
            assert_eq!((index, bytes), (seen, &entry(seen)[..]));
            seen += 1;
        };
        let report = verify_log(&log.source(), &log.key, &mut see, Some(&log.checkpoint)).unwrap();
        assert_eq!((report.findings, report.size, seen), (vec![], size, size));
    }
}

#[test]
fn an_edited_entry_is_named() {
    for (name, at, index) in [("000", 5, 5), ("002", 0, 512), ("003.p/232", 231, 999)] {
        let log = made(SIZE, entry);
        log.bundle(&format!("tile/entries/{name}"), |e| {
            e[at] = b"{\"n\":0}x"[..7].to_vec();
        });
        assert_eq!(log.findings(), [LogFinding::Edited { index }]);
    }
}

#[test]
fn removed_added_reordered_and_cut_off_entries_are_named() {
    let tampered = |name: &str, change: fn(&mut Vec<Vec<u8>>)| {
        let log = made(SIZE, entry);
        log.bundle(&format!("tile/entries/{name}"), change);
        log.findings()
    };
    let removed = tampered("001", |e| drop(e.drain(4..6)));
    assert_eq!(
        removed,
        [LogFinding::Removed {
            first: 260,
            last: 261
        }]
    );
    let added = tampered("001", |e| e.insert(4, b"{}".to_vec()));
    assert_eq!(added, [LogFinding::Added { index: 260 }]);
    let reordered = tampered("001", |e| e.swap(2, 9));
    assert_eq!(
        reordered,
        [LogFinding::Reordered {
            first: 258,
            last: 265
        }]
    );
    let cut = tampered("003.p/232", |e| e.truncate(200));
    assert_eq!(
        cut,
        [LogFinding::Truncated {
            had: SIZE,
            has: 968
        }]
    );
}

#[test]
fn removed_files_are_named() {
    let log = made(SIZE, entry);
    fs::remove_file(log.path("tile/entries/001")).unwrap();
    assert_eq!(
        log.findings(),
        [LogFinding::Removed {
            first: 256,
            last: 511
        }]
    );
    for name in ["002", "003.p/232"] {
        fs::remove_file(log.path(&format!("tile/entries/{name}"))).unwrap();
    }
    let findings = log.findings();
    assert_eq!(
        findings,
        [LogFinding::Truncated {
            had: SIZE,
            has: 256
        }]
    );
    fs::remove_file(log.path("checkpoint")).unwrap();
    assert_eq!(log.findings()[0].label(), "bad_signature");
}

#[test]
fn a_changed_or_missing_tile_is_named_and_no_entry_is_blamed() {
    for key in ["tile/0/000", "tile/0/003.p/232", "tile/1/000.p/3"] {
        let log = made(SIZE, entry);
        let expected = [LogFinding::TileMismatch { key: key.into() }];
        flip(&log.path(key), 40);
        assert_eq!(log.findings(), expected);
        fs::remove_file(log.path(key)).unwrap();
        assert_eq!(log.findings(), expected);
    }
}

#[test]
fn an_entry_edited_together_with_its_tile_is_narrowed_to_its_bundle() {
    let (log, other) = (
        made(SIZE, entry),
        made(SIZE, |i| if i == 300 { b"{}".to_vec() } else { entry(i) }),
    );
    for name in ["tile/entries/001", "tile/0/001"] {
        fs::copy(other.path(name), log.path(name)).unwrap();
    }
    assert_eq!(
        log.findings(),
        [LogFinding::EditedWithin {
            first: 256,
            last: 511
        }]
    );
}

#[test]
fn entries_and_all_tiles_rewritten_under_an_old_checkpoint_are_noticed() {
    let (log, other) = (
        made(SIZE, entry),
        made(SIZE, |i| if i == 300 { b"{}".to_vec() } else { entry(i) }),
    );
    fs::copy(log.path("checkpoint"), other.path("checkpoint")).unwrap();
    let mixed = Made {
        key: log.key,
        ..other
    };
    let labels: Vec<_> = mixed.findings().iter().map(LogFinding::label).collect();
    assert_eq!(labels, ["tile_mismatch", "edited"]);
}

#[test]
fn a_log_rewritten_under_another_key_is_named() {
    let (log, other) = (made(SIZE, entry), made(SIZE, entry));
    let found = ORIGIN.to_owned();
    let mixed = Made {
        key: log.key,
        ..other
    };
    assert_eq!(mixed.findings(), [LogFinding::ReplacedKey { found }]);
}

#[test]
fn every_changed_byte_of_the_checkpoint_is_noticed() {
    let log = made(3, entry);
    let good = fs::read(log.path("checkpoint")).unwrap();
    for at in 0..good.len() {
        flip(&log.path("checkpoint"), at);
        let findings = log.findings();
        let label = findings[0].label();
        assert!(
            ["bad_signature", "replaced_key"].contains(&label),
            "{at}: {findings:?}"
        );
        fs::write(log.path("checkpoint"), &good).unwrap();
    }
}

#[test]
fn a_rewritten_log_under_the_same_key_is_a_fork_of_what_was_remembered() {
    let log = made(600, entry);
    let fork = |size, changed| {
        let key = LogKey::from_pkcs8(&log.pkcs8).unwrap();
        made_by(key, log.pkcs8.clone(), size, move |i| {
            entry(if i == changed { 7777 } else { i })
        })
    };
    let forked = fork(SIZE, 300);
    let report = forked.verify(Some(&log.checkpoint));
    assert_eq!(report.findings, [LogFinding::Fork { size: 600 }]);
    let grown = fork(SIZE, u64::MAX);
    assert!(grown.verify(Some(&log.checkpoint)).is_clean());
    let report = log.verify(Some(&grown.checkpoint));
    assert_eq!(
        report.findings,
        [LogFinding::Truncated {
            had: SIZE,
            has: 600
        }]
    );
    let same_size = fork(600, 3).verify(Some(&log.checkpoint));
    assert_eq!(same_size.findings, [LogFinding::Fork { size: 600 }]);

    let note = |made: &Made| fs::read_to_string(made.path("checkpoint")).unwrap();
    let standing = |local: &Made, other: &Made| compare(&local.source(), &note(other), &log.key);
    assert_eq!(standing(&log, &log).unwrap(), Standing::Same);
    let (local, other) = (SIZE, 600);
    assert_eq!(
        standing(&grown, &log).unwrap(),
        Standing::Ahead { local, other }
    );
    let (local, other) = (600, SIZE);
    assert_eq!(
        standing(&log, &grown).unwrap(),
        Standing::Behind { local, other }
    );
    assert_eq!(
        standing(&forked, &log).unwrap(),
        Standing::Fork { size: 600 }
    );
    let stranger = made(3, entry);
    let error = standing(&log, &stranger).unwrap_err();
    assert!(matches!(error, AuditError::ForeignKey { .. }));
}

#[test]
fn a_signed_entry_that_is_not_canonical_is_named() {
    let log = made(300, |i| {
        if i == 270 {
            b"{\"b\":1,\"a\":2}".to_vec()
        } else {
            entry(i)
        }
    });
    assert_eq!(log.findings(), [LogFinding::NotCanonical { index: 270 }]);
}

#[test]
fn a_signed_size_that_no_file_bears_out_ends_at_once() {
    let (key, pkcs8) = LogKey::generate().unwrap();
    let huge = Checkpoint {
        origin: ORIGIN.into(),
        size: u64::MAX,
        root: Sha256Digest([1; 32]),
    };
    let note = key.sign(&huge).unwrap();
    let log = made_by(key, pkcs8.to_vec(), SIZE, entry);
    fs::write(log.path("checkpoint"), note).unwrap();
    let begun = Instant::now();
    assert!(!log.verify(None).is_clean());
    assert!(begun.elapsed().as_secs() < 20);
}

/// Run with `cargo test --release --test audit_verify -- --ignored --nocapture`.
#[test]
#[ignore = "a speed figure, for release builds"]
fn a_million_entries_verify_in_five_seconds() {
    let content = |i: u64| {
        let text = format!(
            r#"{{"data":{{"bucket":"evidence","checksum":"{i:044}","evidence":"0190-{i:016}","key":"leeds/{i}","size":{i}}},"event":"item.stored","session":"0190","station":"leeds-1","time":"2026-01-02T03:04:05.678Z","v":1}}"#
        );
        text.into_bytes()
    };
    let begun = Instant::now();
    let log = made(1_000_000, content);
    println!("append: {:?}", begun.elapsed());
    let begun = Instant::now();
    let report = log.verify(Some(&log.checkpoint));
    println!("verify: {:?}", begun.elapsed());
    assert!(report.is_clean());
    assert!(begun.elapsed().as_secs_f64() < 5.0);
}

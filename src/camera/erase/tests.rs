use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::*;
use crate::model::{CameraId, EvidenceId};

struct MediumDir {
    _dir: tempfile::TempDir,
    root: PathBuf,
    medium: Medium,
}

const BYTES: &[u8] = b"footage of a shift";

impl MediumDir {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("medium");
        fs::create_dir_all(root.join("DCIM")).unwrap();
        fs::write(root.join("DCIM/A.MP4"), BYTES).unwrap();
        fs::write(root.join("B.MP4"), "another").unwrap();
        for path in ["DCIM/A.MP4", "B.MP4"] {
            at(&root.join(path), 1_700_000_000);
        }
        let medium = Medium(Arc::new(RootDir::new(&root).unwrap()));
        Self {
            _dir: dir,
            root,
            medium,
        }
    }

    fn hold(&self, proven: &Proven, rehash: bool) -> Result<CheckedFile, &'static str> {
        let held = self.medium.hold(&proven.path, proven, rehash, &|| false);
        held.map_err(|left| left.code)
    }

    fn paths(&self) -> Vec<String> {
        let listed = |dir: &str| {
            let names = fs::read_dir(self.root.join(dir)).unwrap();
            let mut names: Vec<_> = names
                .map(|e| e.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        };
        [listed(""), listed("DCIM")].concat()
    }
}

fn at(path: &std::path::Path, seconds: u64) {
    let file = fs::File::options().append(true).open(path).unwrap();
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    file.set_modified(time).unwrap();
}

fn proven(path: &str) -> Proven {
    Proven {
        evidence: EvidenceId::new(),
        camera: CameraId::new("acme", "X1").unwrap(),
        path: SourcePath::new(path).unwrap(),
        size: BYTES.len() as u64,
        modified: Some(jiff::Timestamp::from_second(1_700_000_000).unwrap()),
        sha256: Sha256Digest::of(BYTES),
    }
}

#[test]
fn just_the_proven_file_goes_and_everything_else_stays() {
    let place = MediumDir::new();
    for rehash in [true, false] {
        let place = MediumDir::new();
        let held = place.hold(&proven("DCIM/A.MP4"), rehash).unwrap();
        place.medium.erase(held).unwrap();
        assert_eq!(place.paths(), ["B.MP4", "DCIM"]);
    }
    // In the top folder, and where there is no openat2(2).
    for path in ["B.MP4", "DCIM/A.MP4"] {
        let mut place = MediumDir::new();
        place.medium = Medium(Arc::new(RootDir::new(&place.root).unwrap().going_by_name()));
        let whole = fs::read(place.root.join(path)).unwrap();
        let proven = Proven {
            size: whole.len() as u64,
            sha256: Sha256Digest::of(&whole),
            ..proven(path)
        };
        place
            .medium
            .erase(place.hold(&proven, true).unwrap())
            .unwrap();
        sync(&place.medium).unwrap();
        assert!(!place.root.join(path).exists() && place.paths().len() == 2);
    }
    // Held and never erased: nothing happens.
    drop(place.hold(&proven("DCIM/A.MP4"), true).unwrap());
    assert_eq!(place.paths(), ["B.MP4", "DCIM", "A.MP4"]);
}

#[test]
fn a_file_that_is_not_what_was_stored_is_left() {
    let place = MediumDir::new();
    let good = proven("DCIM/A.MP4");
    let size = Proven {
        size: 3,
        ..good.clone()
    };
    let time = Proven {
        modified: Some(jiff::Timestamp::from_second(1_700_000_002).unwrap()),
        ..good.clone()
    };
    let untimed = Proven {
        modified: None,
        ..good.clone()
    };
    let hash = Proven {
        sha256: Sha256Digest::of(b"x"),
        ..good.clone()
    };
    for rehash in [true, false] {
        assert_eq!(place.hold(&size, rehash).err(), Some("file_changed"));
        assert_eq!(place.hold(&time, rehash).err(), Some("file_changed"));
    }
    assert_eq!(place.hold(&hash, true).err(), Some("file_changed"));
    assert_eq!(place.hold(&untimed, false).err(), Some("no_time"));
    assert!(place.hold(&untimed, true).is_ok());
    // Changed after it was pulled, with the old size and the old time.
    let path = place.root.join("DCIM/A.MP4");
    fs::write(&path, b"footage of a shifT").unwrap();
    at(&path, 1_700_000_000);
    assert_eq!(place.hold(&good, true).err(), Some("file_changed"));
    assert_eq!(place.paths(), ["B.MP4", "DCIM", "A.MP4"]);
}

#[test]
fn links_folders_and_ways_out_of_the_medium_are_never_followed() {
    let place = MediumDir::new();
    let outside = place.root.with_file_name("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("A.MP4"), BYTES).unwrap();
    at(&outside.join("A.MP4"), 1_700_000_000);
    symlink(&outside, place.root.join("OUT")).unwrap();
    symlink(outside.join("A.MP4"), place.root.join("L.MP4")).unwrap();
    symlink("DCIM", place.root.join("IN")).unwrap();
    for (path, code) in [
        ("OUT/A.MP4", "path_escapes"),
        ("L.MP4", "path_escapes"),
        ("IN/A.MP4", "path_escapes"),
        ("DCIM", "not_regular"),
        ("DCIM/Z.MP4", "file_gone"),
    ] {
        assert_eq!(place.hold(&proven(path), true).err(), Some(code), "{path}");
    }
    for out in ["../outside/A.MP4", "/etc/passwd", "DCIM/../B.MP4"] {
        assert!(SourcePath::new(out).is_err());
    }
    assert!(outside.join("A.MP4").exists());
}

#[test]
fn a_file_that_was_exchanged_or_written_to_after_its_check_is_left() {
    for trick in 0..4 {
        let place = MediumDir::new();
        let held = place.hold(&proven("DCIM/A.MP4"), true).unwrap();
        let path = place.root.join("DCIM/A.MP4");
        match trick {
            0 => fs::rename(place.root.join("B.MP4"), &path).unwrap(),
            1 => fs::write(&path, b"other bytes here..").unwrap(),
            2 => fs::rename(place.root.join("DCIM"), place.root.join("MOVED")).unwrap(),
            _ => {
                fs::rename(&path, place.root.join("C.MP4")).unwrap();
                symlink("../B.MP4", &path).unwrap();
            }
        }
        let left = place.medium.erase(held).unwrap_err();
        assert_eq!(left.code, "file_changed", "{trick}: {left:?}");
        let count = fs::read_dir(&place.root).unwrap().count();
        assert!(count >= if trick == 0 { 1 } else { 2 }, "{trick}");
        assert!(trick != 0 || fs::read(&path).unwrap() == b"another");
    }
}

#[test]
fn work_that_is_stopped_leaves_the_file() {
    let place = MediumDir::new();
    let good = proven("DCIM/A.MP4");
    let held = place.medium.hold(&good.path, &good, true, &|| true);
    assert_eq!(held.err().map(|left| left.code), Some("stopped"));
}

#[test]
fn a_folder_is_no_mounted_medium() {
    let place = MediumDir::new();
    assert!(Medium::mounted(&place.root, "8:17").is_err());
    assert!(Medium::mounted(Path::new("/proc"), "8:17").is_err());
}

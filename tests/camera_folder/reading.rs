//! Listing and reading.

use super::*;

#[test]
fn every_file_is_listed_with_its_kind_and_the_same_bytes_are_read() {
    let place = Place::new();
    place.put("DCIM/100MEDIA/REC_0001.MP4", b"video");
    place.put("DCIM/100MEDIA/rec_0001.gps", b"track");
    place.put("DCIM/100MEDIA/REC_0002_IMP.mov", b"flagged");
    place.put("DCIM/EVENT1/REC_0003.TS", b"flagged too");
    place.put(".Trashes/._x", b"hidden");
    place.put("firmware.bin", b"other");
    place.put("empty.mp4", b"");
    let mut camera = place.camera();
    let listing = Listing::of(&mut camera);
    assert!(listing.refused.is_empty(), "{:?}", listing.refused);
    let told: Vec<_> = listing
        .files
        .values()
        .map(|f| (f.path.to_string(), f.size, f.kind, f.flagged))
        .collect();
    use ItemKind::{Other, Sidecar, Video};
    let expected = [
        (".Trashes/._x", 6, Other, false),
        ("DCIM/100MEDIA/REC_0001.MP4", 5, Video, false),
        ("DCIM/100MEDIA/REC_0002_IMP.mov", 7, Video, true),
        ("DCIM/100MEDIA/rec_0001.gps", 5, Sidecar, false),
        ("DCIM/EVENT1/REC_0003.TS", 11, Video, true),
        ("empty.mp4", 0, Video, false),
        ("firmware.bin", 5, Other, false),
    ]
    .map(|(name, size, kind, flagged)| (name.to_owned(), size, kind, flagged));
    assert_eq!(told, expected);
    assert_eq!(read(&mut camera, "DCIM/EVENT1/REC_0003.TS"), b"flagged too");
    assert_eq!(read(&mut camera, "empty.mp4"), b"");
    // A second listing starts from the beginning.
    assert_eq!(Listing::of(&mut camera).names(), listing.names());
}

#[test]
fn a_read_only_file_is_flagged_where_the_profile_says_so() {
    let place = Place::new();
    let file = place.put("a.mp4", b"x");
    place.put("b.mp4", b"x");
    fs::set_permissions(file, fs::Permissions::from_mode(0o444)).unwrap();
    let profiles = tempfile::tempdir().unwrap();
    fs::write(profiles.path().join("ro.toml"), "flag_read_only = true").unwrap();
    let profiles = Profiles::load(profiles.path()).unwrap();
    let mut camera = FolderCamera::open(&place.root(), "ro", &profiles).unwrap();
    let listing = Listing::of(&mut camera);
    assert!(listing.files[&b"a.mp4"[..]].flagged && !listing.files[&b"b.mp4"[..]].flagged);
    assert!(!Listing::of(&mut place.camera()).files[&b"a.mp4"[..]].flagged);
}

#[test]
fn a_file_that_changes_while_it_is_read_is_noticed() {
    let place = Place::new();
    let change = |act: &dyn Fn(&Path)| {
        let file = place.put("a.mp4", b"0123456789");
        let mut camera = place.camera();
        let mut open = camera.open(&path("a.mp4")).unwrap();
        let mut first = [0; 5];
        open.read_exact(&mut first).unwrap();
        assert_eq!(open.recheck().unwrap(), None);
        // Longer than the resolution of file times.
        std::thread::sleep(Duration::from_millis(20));
        act(&file);
        open.recheck().unwrap()
    };
    let append = |file: &Path| {
        let mut file = File::options().append(true).open(file).unwrap();
        file.write_all(b"more").unwrap();
    };
    assert_eq!(change(&append), Some(Change::Size { was: 10, now: 14 }));
    let overwrite = |file: &Path| {
        let mut file = File::options().write(true).open(file).unwrap();
        file.write_all(b"X").unwrap();
    };
    assert_eq!(change(&overwrite), Some(Change::Touched));
    // Also when the old time is restored.
    let disguised = |file: &Path| {
        let modified = fs::metadata(file).unwrap().modified().unwrap();
        overwrite(file);
        File::options()
            .write(true)
            .open(file)
            .unwrap()
            .set_modified(modified)
            .unwrap();
    };
    assert_eq!(change(&disguised), Some(Change::Touched));
    let replace = |file: &Path| {
        fs::write(file.with_extension("new"), b"0123456789").unwrap();
        fs::rename(file.with_extension("new"), file).unwrap();
    };
    assert_eq!(change(&replace), Some(Change::Replaced));
    assert_eq!(
        change(&|file| fs::remove_file(file).unwrap()),
        Some(Change::Removed)
    );
    assert_eq!(change(&|_| ()), None);
}

#[test]
fn reading_goes_on_at_an_offset() {
    let place = Place::new();
    place.put("a.mp4", b"0123456789");
    let mut camera = place.camera();
    let mut open = camera.open(&path("a.mp4")).unwrap();
    for (offset, expected) in [(7, "789"), (0, "0123456789"), (10, ""), (1 << 40, "")] {
        open.seek_to(offset).unwrap();
        let mut text = String::new();
        open.read_to_string(&mut text).unwrap();
        assert_eq!(text, expected);
    }
    assert!(open.seek_to(u64::MAX).is_err());
}

#[test]
fn reading_does_not_change_the_camera() {
    let place = Place::new();
    let file = place.put("DCIM/a.mp4", b"x");
    let old = SystemTime::now() - Duration::from_hours(400 * 24);
    let times = fs::FileTimes::new().set_accessed(old).set_modified(old);
    File::options()
        .write(true)
        .open(&file)
        .unwrap()
        .set_times(times)
        .unwrap();
    let before = (
        fs::metadata(&file).unwrap(),
        fs::metadata(place.root().join("DCIM")).unwrap(),
    );
    let mut camera = place.camera();
    Listing::of(&mut camera);
    read(&mut camera, "DCIM/a.mp4");
    let after = (
        fs::metadata(&file).unwrap(),
        fs::metadata(place.root().join("DCIM")).unwrap(),
    );
    assert_eq!(before.0.accessed().unwrap(), after.0.accessed().unwrap());
    assert_eq!(before.0.modified().unwrap(), after.0.modified().unwrap());
    assert_eq!(before.1.accessed().unwrap(), after.1.accessed().unwrap());
    assert_eq!(before.1.modified().unwrap(), after.1.modified().unwrap());
}

#[test]
fn a_camera_that_leaves_while_it_is_listed_or_read_is_an_error_never_a_short_list() {
    let place = Place::new();
    for n in 0..50 {
        place.put(format!("d{n}/a.mp4"), b"x");
    }
    let mut camera = place.camera();
    assert!(camera.still_there());
    let mut seen = 0;
    let result = camera.list(&mut |_| {
        seen += 1;
        if seen == 1 {
            fs::rename(place.root(), place.0.path().join("gone")).unwrap();
        }
        ControlFlow::Continue(())
    });
    assert!(
        matches!(result, Err(CameraError::Gone { .. })),
        "{result:?}"
    );
    assert!(!camera.still_there());
    assert!(matches!(
        error(&mut camera, "nothing.mp4"),
        CameraError::Gone { .. }
    ));
    // A different folder under the same name is another camera.
    fs::create_dir(place.root()).unwrap();
    assert!(!camera.still_there());
    assert!(place.camera().still_there());
}

#[test]
fn a_listing_ends_when_the_caller_has_seen_enough() {
    let place = Place::new();
    for n in 0..100 {
        place.put(format!("{n}.mp4"), b"x");
    }
    let mut seen = 0;
    let stop = &mut |_| {
        seen += 1;
        if seen == 3 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    place.camera().list(stop).unwrap();
    assert_eq!(seen, 3);
}

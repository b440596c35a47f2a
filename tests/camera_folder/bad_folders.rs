//! Contents of hostile and broken cameras.

use super::*;

#[test]
fn names_that_are_not_utf8_or_hold_newlines_or_dots_are_kept_byte_for_byte() {
    let place = Place::new();
    let names: [&[u8]; 7] = [
        b"\xff\xfe.mp4",
        b"a\nb\x1b[2J.mp4",
        b"..mp4",
        b"... ",
        b"..\\..\\etc",
        b"D\xe9/\xf1.gps",
        &[b'n'; 255],
    ];
    for name in names {
        place.put(OsStr::from_bytes(name), name);
    }
    let mut camera = place.camera();
    let listing = Listing::of(&mut camera);
    assert_eq!(listing.files.len(), names.len(), "{:?}", listing.refused);
    for name in names {
        assert_eq!(read(&mut camera, name), name);
    }
    assert_eq!(listing.files[&b"\xff\xfe.mp4"[..]].kind, ItemKind::Video);
    let shown = listing.files[&b"a\nb\x1b[2J.mp4"[..]].path.to_string();
    assert!(!shown.contains(['\n', '\x1b']), "{shown}");
}

#[test]
fn symbolic_links_are_refused_and_never_followed() {
    let place = Place::new();
    place.put("real/a.mp4", b"x");
    let secret = place.0.path().join("secret");
    fs::write(&secret, b"secret").unwrap();
    symlink(&secret, place.root().join("link.mp4")).unwrap();
    symlink("real/a.mp4", place.root().join("inside.mp4")).unwrap();
    symlink("/etc", place.root().join("folder")).unwrap();
    symlink("..", place.root().join("up")).unwrap();
    symlink("real", place.root().join("alias")).unwrap();
    symlink("loop", place.root().join("loop")).unwrap();
    let mut camera = place.camera();
    let listing = Listing::of(&mut camera);
    assert_eq!(listing.names(), ["real/a.mp4"]);
    for name in ["link.mp4", "inside.mp4", "folder", "up", "alias", "loop"] {
        assert_eq!(listing.code(name), "symlink");
    }
    for name in [
        "link.mp4",
        "inside.mp4",
        "folder/passwd",
        "up/secret",
        "alias/a.mp4",
        "loop",
        "loop/x",
    ] {
        let error = error(&mut camera, name);
        assert!(
            matches!(error, CameraError::Escapes { .. }),
            "{name}: {error:?}"
        );
    }
    // The camera's top folder must be a folder, too.
    let link = place.0.path().join("bay-2");
    symlink(place.root(), &link).unwrap();
    assert!(FolderCamera::open(&link, "folder", &Profiles::builtin()).is_err());
}

#[test]
fn a_folder_swapped_for_a_link_after_listing_is_not_followed() {
    let place = Place::new();
    place.put("DCIM/passwd", b"mine");
    let mut camera = place.camera();
    assert_eq!(Listing::of(&mut camera).names(), ["DCIM/passwd"]);
    fs::rename(place.root().join("DCIM"), place.0.path().join("away")).unwrap();
    symlink("/etc", place.root().join("DCIM")).unwrap();
    assert!(matches!(
        error(&mut camera, "DCIM/passwd"),
        CameraError::Escapes { .. }
    ));
}

#[test]
fn fifos_sockets_devices_and_other_mounts_are_refused_without_being_opened() {
    let place = Place::new();
    let fifo = place.root().join("fifo.mp4");
    rustix::fs::mkfifoat(CWD, &fifo, Mode::from_raw_mode(0o600)).unwrap();
    let _socket = UnixListener::bind(place.root().join("socket.mp4")).unwrap();
    let mut camera = place.camera();
    let listing = Listing::of(&mut camera);
    assert!(listing.files.is_empty());
    for name in ["fifo.mp4", "socket.mp4"] {
        assert_eq!(listing.code(name), "not_regular");
        // Opening a FIFO without a writer would hang.
        assert!(matches!(
            error(&mut camera, name),
            CameraError::NotRegular { .. }
        ));
    }
    // /dev holds devices, links and mounts of other file systems on every Linux machine.
    let mut dev = FolderCamera::open(Path::new("/dev"), "folder", &Profiles::builtin()).unwrap();
    let listing = Listing::of(&mut dev);
    assert_eq!(listing.code("null"), "not_regular");
    assert_eq!(listing.code("fd"), "symlink");
    assert_eq!(listing.code("pts"), "other_filesystem");
    assert!(matches!(
        error(&mut dev, "zero"),
        CameraError::NotRegular { .. }
    ));
    assert!(matches!(
        error(&mut dev, "pts/ptmx"),
        CameraError::Escapes { .. }
    ));
    assert!(matches!(
        error(&mut dev, "fd/0"),
        CameraError::Escapes { .. }
    ));
}

#[test]
fn a_folder_loop_ends() {
    let place = Place::new();
    place.put("DCIM/a.mp4", b"x");
    let inner = place.root().join("DCIM/loop");
    fs::create_dir(&inner).unwrap();
    // Only a mount can make a loop on Linux; where mounting is not allowed, only the links above are tried.
    let bound = std::process::Command::new("mount")
        .arg("--bind")
        .args([&place.root(), &inner])
        .output();
    let bound = bound.is_ok_and(|output| output.status.success());
    let mut camera = place.camera();
    let listing = Listing::of(&mut camera);
    if bound {
        let unmounted = std::process::Command::new("umount").arg(&inner).status();
        assert!(unmounted.unwrap().success());
        assert_eq!(listing.code("DCIM/loop"), "other_filesystem");
    }
    assert_eq!(listing.names(), ["DCIM/a.mp4"]);
}

#[test]
fn folders_deeper_than_a_path_may_be_are_named_and_not_entered() {
    let place = Place::new();
    let deep = "d/".repeat(63);
    place.put(format!("{deep}last.mp4"), b"x");
    place.put(format!("{deep}d/beyond.mp4"), b"x");
    let mut camera = place.camera();
    let listing = Listing::of(&mut camera);
    assert_eq!(listing.names(), [format!("{deep}last.mp4")]);
    assert_eq!(listing.refused.len(), 1);
    assert_eq!(listing.refused[0].code, "too_deep");
    assert_eq!(read(&mut camera, format!("{deep}last.mp4")), b"x");
}

#[test]
fn a_path_that_is_too_long_is_named_with_its_end() {
    let place = Place::new();
    // Longer than PATH_MAX: only reachable folder by folder.
    let name = "l".repeat(250);
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut dir = rustix::fs::openat(CWD, place.root(), flags, Mode::empty()).unwrap();
    for _ in 0..20 {
        rustix::fs::mkdirat(&dir, &name, Mode::from_raw_mode(0o755)).unwrap();
        dir = rustix::fs::openat(&dir, &name, flags, Mode::empty()).unwrap();
    }
    let mut camera = place.camera();
    let listing = Listing::of(&mut camera);
    assert_eq!(listing.refused.len(), 1);
    let refused = &listing.refused[0];
    assert_eq!((refused.code, &refused.path), ("path_too_long", &None));
    assert!(refused.name.starts_with('…') && refused.name.chars().count() < 300);
}

#[test]
fn sparse_files_read_as_zeros_and_files_no_store_takes_are_refused() {
    let place = Place::new();
    let mut file = File::create(place.root().join("sparse.mp4")).unwrap();
    file.write_all(b"head").unwrap();
    file.set_len(3 << 30).unwrap();
    let huge = File::create(place.root().join("huge.mp4")).unwrap();
    huge.set_len(FILE_BYTES_MAX + 1).unwrap();
    let most = File::create(place.root().join("most.mp4")).unwrap();
    most.set_len(FILE_BYTES_MAX).unwrap();
    let mut camera = place.camera();
    let listing = Listing::of(&mut camera);
    assert_eq!(listing.names(), ["most.mp4", "sparse.mp4"]);
    assert_eq!(listing.code("huge.mp4"), "too_large");
    assert_eq!(listing.refused[0].size, Some(FILE_BYTES_MAX + 1));
    let mut sparse = camera.open(&path("sparse.mp4")).unwrap();
    assert_eq!(sparse.facts().size, 3 << 30);
    sparse.seek_to((3 << 30) - 5).unwrap();
    let mut tail = Vec::new();
    sparse.read_to_end(&mut tail).unwrap();
    assert_eq!(tail, [0; 5]);
    assert_eq!(sparse.recheck().unwrap(), None);
}

#[test]
fn times_before_1980_and_in_the_future_are_kept_as_claims() {
    let place = Place::new();
    for (name, seconds) in [
        ("1903", -2_114_380_800),
        ("1970", 0),
        ("1979", 315_532_799),
        ("2400", 13_569_465_600),
    ] {
        let file = place.put(name, b"x");
        let time = Timespec {
            tv_sec: seconds,
            tv_nsec: 5,
        };
        let times = Timestamps {
            last_access: time,
            last_modification: time,
        };
        rustix::fs::utimensat(CWD, &file, &times, AtFlags::empty()).unwrap();
        // The file system may have changed the time.
        let kept = fs::metadata(&file).unwrap().modified().unwrap();
        let expected = jiff::Timestamp::try_from(kept).unwrap();
        let mut camera = place.camera();
        let listing = Listing::of(&mut camera);
        assert_eq!(
            listing.files[name.as_bytes()].modified,
            Some(expected),
            "{name}"
        );
        assert_eq!(
            camera.open(&path(name)).unwrap().facts().modified,
            Some(expected)
        );
        if name == "1979" {
            assert_eq!(expected.as_second(), seconds);
        }
    }
}

/// Runs as a user without rights: root may read everything, and tests often run as root.
fn as_nobody<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::spawn(move || {
        if rustix::process::geteuid().is_root() {
            let nobody = rustix::process::Uid::from_raw(65_534);
            // For this thread only; the kernel drops root's capabilities with it.
            rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
        }
        work()
    })
    .join()
    .unwrap()
}

#[test]
fn what_may_not_be_read_is_named_with_the_reason_and_the_rest_goes_on() {
    let place = Place::new();
    fs::set_permissions(place.0.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let locked = place.put("locked.mp4", b"x");
    place.put("closed/b.mp4", b"x");
    let closed = place.root().join("closed");
    place.put("fine.mp4", b"fine");
    for path in [&locked, &closed] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o000)).unwrap();
    }
    let root = place.root();
    as_nobody(move || {
        let mut camera = FolderCamera::open(&root, "folder", &Profiles::builtin()).unwrap();
        let listing = Listing::of(&mut camera);
        // A file's size and times can be seen without the right to read it.
        assert_eq!(listing.names(), ["fine.mp4", "locked.mp4"]);
        assert_eq!(listing.code("closed"), "folder_unreadable");
        let error = error(&mut camera, "locked.mp4");
        assert!(matches!(error, CameraError::Denied { .. }), "{error:?}");
        assert!(
            error.next_step().contains("camdock"),
            "{}",
            error.next_step()
        );
        assert_eq!(read(&mut camera, "fine.mp4"), b"fine");
    });
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o755)).unwrap();
}

#[test]
fn a_hundred_thousand_files_are_listed_in_seconds_and_not_collected() {
    let place = Place::new();
    let root = place.root();
    for folder in 0..10 {
        let dir = root.join(format!("{folder}MEDIA"));
        fs::create_dir(&dir).unwrap();
        for n in 0..10_000 {
            File::create(dir.join(format!("REC_{n:05}.MP4"))).unwrap();
        }
    }
    let resident = || {
        let status = fs::read_to_string("/proc/self/status").unwrap();
        let line = status
            .lines()
            .find(|line| line.starts_with("VmRSS:"))
            .unwrap()
            .to_owned();
        line.split_whitespace()
            .nth(1)
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    let mut camera = place.camera();
    let (start, before) = (Instant::now(), resident());
    let (mut files, mut bytes) = (0u64, 0u64);
    let count = &mut |entry| {
        match entry {
            CameraEntry::File(facts) => bytes += facts.path.as_bytes().len() as u64,
            CameraEntry::Refused(refused) => panic!("{refused:?}"),
        }
        files += 1;
        ControlFlow::Continue(())
    };
    camera.list(count).unwrap();
    let (took, grew) = (start.elapsed(), resident().saturating_sub(before));
    eprintln!("100,000 files listed in {took:?}, {grew} KiB more memory");
    assert_eq!((files, bytes), (100_000, 100_000 * (6 + 1 + 13)));
    assert!(took < Duration::from_secs(20), "{took:?}");
    // Generous, because other tests run in the same process, but far below the cost of collecting everything.
    assert!(grew < 64 << 10, "{grew} KiB");

    let mut limited = place.camera().with_max_files(1000);
    let listing = Listing::of(&mut limited);
    assert!(listing.files.len() <= 1000);
    let last = listing.refused.last().unwrap();
    assert_eq!((last.code, &last.path), ("too_many_files", &None));
    assert!(last.reason.contains("max_files"), "{}", last.reason);
}

//! A folder camera against everything that a hostile or broken camera can hold. Real files, real kernel.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use camdock::camera::{Camera, CameraError, Change, FILE_BYTES_MAX, FolderCamera, Listed, Refused};
use camdock::config::Profiles;
use camdock::model::{Explain as _, FileFacts, ItemKind, SourcePath};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, Timespec, Timestamps};

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::create_dir(place.root()).unwrap();
        place
    }

    /// The camera's folder; markers lie beside it.
    fn root(&self) -> PathBuf {
        self.0.path().join("bay-1")
    }

    fn put(&self, name: impl AsRef<OsStr>, bytes: &[u8]) -> PathBuf {
        let path = self.root().join(name.as_ref());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }

    fn camera(&self) -> FolderCamera {
        FolderCamera::open(&self.root(), "folder", &Profiles::builtin()).unwrap()
    }
}

#[derive(Default)]
struct Listing {
    files: BTreeMap<Vec<u8>, FileFacts>,
    refused: Vec<Refused>,
}

impl Listing {
    fn of(camera: &mut dyn Camera) -> Self {
        let mut listing = Self::default();
        camera
            .list(&mut |entry| {
                match entry {
                    Listed::File(facts) => {
                        let name = facts.path.as_bytes().to_vec();
                        assert!(listing.files.insert(name, facts).is_none());
                    }
                    Listed::Refused(refused) => listing.refused.push(refused),
                }
                ControlFlow::Continue(())
            })
            .unwrap();
        listing
    }

    fn code(&self, name: &str) -> &'static str {
        let found = self.refused.iter().find(|refused| refused.name == name);
        found
            .unwrap_or_else(|| panic!("{name}: {:?}", self.refused))
            .code
    }

    fn names(&self) -> Vec<&str> {
        self.files
            .keys()
            .map(|name| std::str::from_utf8(name).unwrap())
            .collect()
    }
}

fn path(text: impl AsRef<[u8]>) -> SourcePath {
    SourcePath::new(text.as_ref()).unwrap()
}

fn read(camera: &mut dyn Camera, name: impl AsRef<[u8]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut file = camera.open(&path(name)).unwrap();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}

fn error(camera: &mut dyn Camera, name: impl AsRef<[u8]>) -> CameraError {
    match camera.open(&path(name)) {
        Ok(_) => panic!("it opened"),
        Err(error) => error,
    }
}

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
    // A second listing begins anew.
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
    symlink("loop", place.root().join("loop")).unwrap();
    let mut camera = place.camera();
    let listing = Listing::of(&mut camera);
    assert_eq!(listing.names(), ["real/a.mp4"]);
    for name in ["link.mp4", "inside.mp4", "folder", "up", "loop"] {
        assert_eq!(listing.code(name), "symlink");
    }
    for name in [
        "link.mp4",
        "inside.mp4",
        "folder/passwd",
        "up/secret",
        "loop",
        "loop/x",
    ] {
        let error = error(&mut camera, name);
        assert!(
            matches!(error, CameraError::Escapes { .. }),
            "{name}: {error:?}"
        );
    }
    // The camera's folder itself must be one, too.
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
        // Opening a FIFO without a writer would hang for ever.
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
    // Only a mount can make a loop on Linux; where mounting is not allowed, the links above are all there is.
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
        // What the file system made of it is the claim.
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
            // Of this thread only; the kernel takes root's capabilities away with it.
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
fn a_file_that_changes_while_it_is_read_is_noticed() {
    let place = Place::new();
    let change = |act: &dyn Fn(&Path)| {
        let file = place.put("a.mp4", b"0123456789");
        let mut camera = place.camera();
        let mut open = camera.open(&path("a.mp4")).unwrap();
        let mut first = [0; 5];
        open.read_exact(&mut first).unwrap();
        assert_eq!(open.recheck().unwrap(), None);
        // Longer than the clock's tick that times are kept in.
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
    // Even when the old time is put back.
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
    let old = SystemTime::now() - Duration::from_secs(400 * 86_400);
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
    // Another camera under the same name is not the same camera.
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
            Listed::File(facts) => bytes += facts.path.as_bytes().len() as u64,
            Listed::Refused(refused) => panic!("{refused:?}"),
        }
        files += 1;
        ControlFlow::Continue(())
    };
    camera.list(count).unwrap();
    let (took, grew) = (start.elapsed(), resident().saturating_sub(before));
    eprintln!("100,000 files listed in {took:?}, {grew} KiB more memory");
    assert_eq!((files, bytes), (100_000, 100_000 * (6 + 1 + 13)));
    assert!(took < Duration::from_secs(20), "{took:?}");
    // Other tests run in the same process: wide, but far below what collecting would take.
    assert!(grew < 64 << 10, "{grew} KiB");

    let mut limited = place.camera().with_max_files(1000);
    let listing = Listing::of(&mut limited);
    assert!(listing.files.len() <= 1000);
    let last = listing.refused.last().unwrap();
    assert_eq!((last.code, &last.path), ("too_many_files", &None));
    assert!(last.reason.contains("max_files"), "{}", last.reason);
}

#[test]
fn a_camera_says_who_it_is_by_marker_then_by_file_and_else_stays_unknown() {
    let place = Place::new();
    let id = || {
        place
            .camera()
            .identity()
            .id
            .as_ref()
            .map(ToString::to_string)
    };
    assert_eq!(id(), None);
    assert_eq!(place.camera().identity().label(), "unknown");
    place.put("camera.txt", b"serial=FROM-FILE\n");
    assert_eq!(id().as_deref(), Some("folder/FROM-FILE"));
    let marker = place.0.path().join("bay-1.camera");
    fs::write(&marker, r#"{"make":"acme","serial":"X8"}"#).unwrap();
    assert_eq!(id().as_deref(), Some("acme/X8"));
    // An unusable marker is passed over.
    for bad in [
        "",
        "junk",
        r#"{"make":"acme","serial":""}"#,
        r#"{"make":"a b","serial":"1"}"#,
        &"x".repeat(9000),
    ] {
        fs::write(&marker, bad).unwrap();
        assert_eq!(id().as_deref(), Some("folder/FROM-FILE"), "{bad:.20}");
    }
    // A link is not a marker, nor an identity file.
    fs::remove_file(&marker).unwrap();
    fs::write(
        place.0.path().join("other"),
        r#"{"make":"acme","serial":"X9"}"#,
    )
    .unwrap();
    symlink(place.0.path().join("other"), &marker).unwrap();
    fs::remove_file(place.root().join("camera.txt")).unwrap();
    symlink(
        place.0.path().join("other"),
        place.root().join("CAMERA.TXT"),
    )
    .unwrap();
    rustix::fs::mkfifoat(
        CWD,
        place.root().join("DEVICE.TXT"),
        Mode::from_raw_mode(0o600),
    )
    .unwrap();
    assert_eq!(id(), None);
}

#[test]
fn a_marker_chooses_the_profile_and_a_folders_name_counts_only_where_the_profile_says_so() {
    let place = Place::new();
    let dir = tempfile::tempdir().unwrap();
    let profile = "make = \"acme\"\nidentity = [\"folder_name\"]\nvideo = [\"*.xyz\"]";
    fs::write(dir.path().join("acme.toml"), profile).unwrap();
    let profiles = Profiles::load(dir.path()).unwrap();
    place.put("a.XYZ", b"x");
    let open = || FolderCamera::open(&place.root(), "folder", &profiles).unwrap();
    assert_eq!(open().identity().profile, "folder");
    assert_eq!(open().identity().id, None);
    let marker = place.0.path().join("bay-1.camera");
    fs::write(&marker, r#"{"make":"m","serial":"s","profile":"acme"}"#).unwrap();
    let mut camera = open();
    assert_eq!(camera.identity().profile, "acme");
    assert_eq!(
        camera.identity().id.as_ref().unwrap().as_str(),
        "acme/bay-1"
    );
    assert_eq!(
        Listing::of(&mut camera).files[&b"a.XYZ"[..]].kind,
        ItemKind::Video
    );
    fs::write(&marker, r#"{"make":"m","serial":"s","profile":"nosuch"}"#).unwrap();
    assert_eq!(open().identity().profile, "folder");
}

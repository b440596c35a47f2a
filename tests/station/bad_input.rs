//! Bad input through the whole station: nothing panics, nothing else is lost, nothing becomes a path.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use camdock::model::{Event, ItemFailed};

use crate::place::{Place, age, until};
use crate::support::SeededSource;

fn failed(place: &Place) -> Vec<ItemFailed> {
    let events = place.events().into_iter();
    events
        .filter_map(|event| match event {
            Event::ItemFailed(failed) => Some(failed),
            _ => None,
        })
        .collect()
}

fn wild(root: PathBuf) {
    let put = |name: &[u8], bytes: &[u8]| {
        let path = root.join(OsStr::from_bytes(name));
        fs::write(&path, bytes).unwrap();
        age(&File::open(&path).unwrap());
        path
    };
    put(b"EMPTY.MP4", b"");
    put(b"not-\xff\xfe-utf8.MP4", b"bytes in a name");
    put(b"line\nbreak \x1b[31m.MP4", b"a newline and an escape");
    put(b"..\\..\\etc\\passwd", b"a path on another system");
    put(b"%2e%2e%2f.MP4", b"encoded");
    let sparse = put(b"SPARSE.MP4", b"");
    File::options()
        .write(true)
        .open(&sparse)
        .unwrap()
        .set_len(50 << 20)
        .unwrap();
    age(&File::open(&sparse).unwrap());
    for (name, time) in [
        ("EPOCH.MP4", SystemTime::UNIX_EPOCH),
        (
            "OLD.MP4",
            SystemTime::UNIX_EPOCH - Duration::from_hours(24 * 4000),
        ),
        (
            "FUTURE.MP4",
            SystemTime::now() + Duration::from_hours(24 * 365 * 30),
        ),
    ] {
        let path = put(name.as_bytes(), name.as_bytes());
        File::open(&path).unwrap().set_modified(time).unwrap();
    }
    symlink("/etc/passwd", root.join("LINK.MP4")).unwrap();
    symlink(&root, root.join("LOOP")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        root.join("FIFO.MP4"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
}

#[test]
fn a_camera_full_of_traps_gives_up_all_its_footage_and_nothing_of_the_station() {
    let place = Place::new(&[]);
    let root = place.camera("X0000001");
    wild(root.clone());
    place.film("X0000001", "GOOD.MP4", 1, 3 << 20);
    // A path longer than the kernel takes in one call.
    let mut deep = rustix::fs::open(
        &root,
        rustix::fs::OFlags::DIRECTORY,
        rustix::fs::Mode::empty(),
    )
    .unwrap();
    for _ in 0..40 {
        let name = "d".repeat(200);
        rustix::fs::mkdirat(&deep, &name, rustix::fs::Mode::RWXU).unwrap();
        let flags = rustix::fs::OFlags::DIRECTORY;
        deep = rustix::fs::openat(&deep, &name, flags, rustix::fs::Mode::empty()).unwrap();
    }
    let flags = rustix::fs::OFlags::CREATE | rustix::fs::OFlags::WRONLY;
    rustix::fs::openat(&deep, "BOTTOM.MP4", flags, rustix::fs::Mode::RUSR).unwrap();

    // Refused things are named, so that a person knows; everything else is stored.
    let ran = place.drain().ends(3);
    assert!(!ran.err.contains("panicked"), "{}", ran.err);
    let items = place.items();
    assert_eq!(items.len(), 10, "{items:#?}");
    let wild = items
        .iter()
        .find(|i| i["path"].as_str().unwrap().contains("%FF%FE"));
    assert!(
        wild.is_some() || items.iter().any(|i| i["path"].to_string().contains("utf8")),
        "{items:#?}"
    );
    for item in &items {
        let path = item["path"].as_str().unwrap();
        assert!(
            !path.contains(['\n', '\u{1b}']) && !path.contains("../"),
            "{path}"
        );
    }
    let named = format!("{:?}", failed(&place));
    for name in ["LINK.MP4", "LOOP", "FIFO.MP4", "dddd"] {
        assert!(named.contains(name), "{name} is not named in {named}");
    }
    assert_eq!(place.verify_deep()["items_opened"], 10);
    let evidence = place.item("GOOD.MP4")["evidence"].clone();
    assert!(place.open(evidence.as_str().unwrap()) == SeededSource::new(1, 3 << 20).whole());
    for item in &items {
        place
            .camdock(&["show", item["evidence"].as_str().unwrap()])
            .ends(0);
    }
}

#[test]
fn a_file_that_may_not_be_read_is_named_and_the_others_are_taken() {
    let place = Place::new(&[]);
    let path = place.film("X0000001", "A.MP4", 1, 1000);
    place.film("X0000001", "B.MP4", 2, 1000);
    let inner = place.film("X0000001", "SHUT/C.MP4", 3, 1000);
    if fs::File::open("/proc/1/mem").is_ok() || rustix::process::geteuid().is_root() {
        // Rights do not hold the superuser back: a directory where the listing saw a file does.
        fs::remove_file(&path).unwrap();
        symlink("/proc/self/mem", &path).unwrap();
        fs::remove_file(&inner).unwrap();
        symlink("/proc/1/mem", &inner).unwrap();
    } else {
        fs::set_permissions(&path, fs::Permissions::from_mode(0o0)).unwrap();
        fs::set_permissions(inner.parent().unwrap(), fs::Permissions::from_mode(0o0)).unwrap();
    }
    place.drain().ends(3);
    assert_eq!(place.items().len(), 1);
    assert_eq!(place.item("B.MP4")["state"], "released");
    assert!(failed(&place).len() >= 2, "{:?}", failed(&place));
    let _ = fs::set_permissions(inner.parent().unwrap(), fs::Permissions::from_mode(0o700));
}

#[test]
fn unknown_nameless_and_doubled_cameras_are_taken_in_quarantine() {
    let place = Place::new(&[]);
    place.film("X9999999", "UNKNOWN.MP4", 1, 1000);
    let nameless = place.nameless("slot-7");
    fs::write(nameless.join("NAMELESS.MP4"), b"whose?").unwrap();
    for bay in ["left", "right"] {
        let root = place.camera_in(bay, "X0000001");
        fs::write(root.join(format!("{bay}.MP4")), bay).unwrap();
    }
    place.drain().ends(3);
    let items = place.items();
    assert_eq!(items.len(), 4, "{items:#?}");
    assert!(items.iter().all(|i| i["state"] == "released"), "{items:#?}");
    for (path, officer) in [("UNKNOWN.MP4", None), ("NAMELESS.MP4", None)] {
        let item = place.item(path);
        assert!(item["quarantine"].is_string(), "{item}");
        assert_eq!(item["officer"].as_str(), officer);
    }
    let doubled = [place.item("left.MP4"), place.item("right.MP4")];
    assert!(
        doubled.iter().any(|i| i["quarantine"].is_string()),
        "{doubled:#?}"
    );
    let quarantined = place
        .events()
        .into_iter()
        .filter(|e| matches!(e, Event::ItemQuarantined(_)));
    assert!(quarantined.count() >= 3);
    assert_eq!(place.verify_deep()["items_opened"], 4);
}

#[test]
fn an_unknown_camera_is_left_alone_where_the_rule_is_refuse() {
    let place = Place::new(&[("ingest", "accept_unknown = \"refuse\"")]);
    place.film("X9999999", "UNKNOWN.MP4", 1, 1000);
    place.film("X0000001", "KNOWN.MP4", 2, 1000);
    place.drain().ends(3);
    assert_eq!(place.items().len(), 1);
    let refused = place
        .events()
        .into_iter()
        .filter(|e| matches!(e, Event::CameraRefused(_)));
    assert_eq!(refused.count(), 1);
}

#[test]
fn wrong_configuration_is_refused_with_the_place_and_the_next_step() {
    let place = Place::new(&[]);
    let good = fs::read_to_string(place.config()).unwrap();
    for (from, to, says) in [
        ("retention_days", "retension_days", "retension_days"),
        ("keys/one.pub.pem", "keys/one.key.pem", "private"),
        ("keys/one.pub.pem", "keys/missing.pem", "missing.pem"),
        ("name = \"test-1\"", "name = \"../up\"", "name"),
        (
            "settle_seconds = 0.2",
            "settle_seconds = -1",
            "settle_seconds",
        ),
        ("[store]", "[stroe]", "stroe"),
        ("bucket", "= =", "camdock.toml"),
    ] {
        fs::write(place.config(), good.replace(from, to)).unwrap();
        for verb in [&["run", "--drain"][..], &["check"]] {
            let ran = place.camdock(verb).ends(2).says(says);
            assert!(!ran.err.contains("panicked"), "{}", ran.err);
        }
    }
    fs::write(place.config(), &good).unwrap();
    fs::write(
        place.path("roster.toml"),
        "[cameras]\n\"folder/X1\" = { oficer = \"1\" }\n",
    )
    .unwrap();
    place.camdock(&["run", "--drain"]).ends(2).says("oficer");
}

#[test]
fn a_spoilt_edit_of_the_roster_leaves_the_last_good_one_in_use() {
    let place = Place::new(&[]);
    let running = place.start(&["run"]);
    until("the station to be ready", || {
        running.said().contains("the station is ready")
    });
    fs::write(place.path("roster.toml"), "[cameras").unwrap();
    until("the edit to be refused", || {
        running.said().contains("edit was refused")
    });
    place.film("X0000001", "A.MP4", 1, 1000);
    until("the footage", || !place.items().is_empty());
    assert_eq!(place.item("A.MP4")["officer"], "4711");
    place.roster(&["X0000003"]);
    until("the new roster", || {
        running.said().contains("configuration reloaded")
    });
    running.stop().ends(0);
    let changes: Vec<_> = place
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::ConfigChanged(change) => Some(change.accepted),
            _ => None,
        })
        .collect();
    assert_eq!(changes, [false, true]);
}

#[test]
fn a_clock_that_nobody_keeps_right_is_in_the_log_with_each_docking() {
    let place = Place::new(&[]);
    place.film("X0000001", "A.MP4", 1, 1000);
    place.drain().ends(0);
    // What the kernel says of its clock now: it can't be changed without rights, so both answers are looked for.
    let docked = place.events().into_iter().find_map(|event| match event {
        Event::CameraDocked(docked) => Some(docked.clock),
        _ => None,
    });
    let here = camdock::sys::clock_state();
    assert_eq!(docked.unwrap().synchronised, here.synchronised);
}

#[test]
fn a_hundred_thousand_files_are_all_there() {
    let place = Place::new(&[("ingest", "max_files = 200000")]);
    let root = place.camera("X0000001");
    for folder in 0..100 {
        let dir = root.join(format!("DCIM/{folder:03}"));
        fs::create_dir_all(&dir).unwrap();
        for file in 0..1000 {
            fs::write(
                dir.join(format!("F{file:04}.GPS")),
                format!("{folder} {file}"),
            )
            .unwrap();
        }
    }
    place
        .start(&["run", "--drain", "--until-secured"])
        .wait_at_most(Duration::from_mins(8))
        .ends(0);
    let sealed = place
        .events()
        .into_iter()
        .filter(|e| matches!(e, Event::ItemSealed(_)));
    assert_eq!(sealed.count(), 100_000);
    let counted = place
        .camdock(&["items", "--json"])
        .ends(0)
        .out
        .lines()
        .count();
    assert_eq!(counted, 100_000);
}

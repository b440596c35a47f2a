//! Files that grow or change while they are taken, full spools, and many cameras at once.

use std::fs::{self, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use camdock::model::Event;

use crate::place::{Place, until};
use crate::support::SeededSource;

#[test]
fn a_growing_file_is_taken_once_it_is_quiet_and_whole() {
    let place = Place::new(&[]);
    place.film("X0000001", "A.MP4", 1, 1000);
    let path = place.camera("X0000001").join("GROWS.MP4");
    let mut file = fs::File::create(&path).unwrap();
    let running = place.start(&["run"]);
    let made = SeededSource::new(2, 4 << 20);
    for step in 0..64 {
        file.write_all(&made.bytes(step << 16, 1 << 16)).unwrap();
        std::thread::sleep(Duration::from_millis(40));
        let early = place
            .path("state/spool")
            .read_dir()
            .map_or(0, Iterator::count);
        assert!(early <= 1, "taken while it grew, at step {step}");
    }
    drop(file);
    until("both to be stored", || {
        let items = place.items();
        items.iter().filter(|i| i["state"] == "released").count() == 2
    });
    running.stop().ends(0);
    let items = place.items();
    assert_eq!(items.len(), 2, "{items:?}");
    let evidence = place.item("GROWS.MP4")["evidence"].clone();
    assert!(place.open(evidence.as_str().unwrap()) == made.whole());
}

#[test]
fn a_file_that_changes_while_it_is_read_is_taken_again_whole() {
    let place = Place::new(&[]);
    let len = 300 << 20;
    let path = place.film("X0000001", "LONG.MP4", 1, len);
    let running = place.start(&["run", "--drain"]);
    let spool = place.path("state/spool");
    let partial = || {
        let entries = fs::read_dir(&spool).into_iter().flatten().flatten();
        entries
            .filter_map(|e| e.metadata().ok())
            .map(|m| m.len())
            .max()
            .unwrap_or(0)
    };
    until("a part of the file in the spool", || partial() > 16 << 20);
    let mut file = OpenOptions::new().write(true).open(&path).unwrap();
    file.seek(SeekFrom::Start(5)).unwrap();
    file.write_all(b"changed").unwrap();
    drop(file);
    running
        .wait()
        .ends(0)
        .says("the file changed while it was read");
    let items = place.items();
    assert_eq!(items.len(), 1, "{items:?}");
    assert!(place.open(items[0]["evidence"].as_str().unwrap()) == fs::read(&path).unwrap());
    let sealed = place
        .events()
        .into_iter()
        .filter(|e| matches!(e, Event::ItemSealed(_)));
    assert_eq!(sealed.count(), 1);
}

#[test]
fn a_file_that_changed_since_it_was_stored_is_a_new_item() {
    let place = Place::new(&[]);
    let path = place.film("X0000001", "A.MP4", 1, 1000);
    place.drain().ends(0);
    fs::write(&path, b"something else").unwrap();
    place.drain().ends(0);
    let items = place.items();
    assert_eq!(items.len(), 2, "{items:?}");
    assert_eq!(place.verify_deep()["items_opened"], 2);
}

/// Puts a recording with this time onto the camera.
fn record(path: &Path, content: &[u8], time: SystemTime) {
    fs::write(path, content).unwrap();
    let file = OpenOptions::new().write(true).open(path).unwrap();
    file.set_modified(time).unwrap();
}

#[test]
fn a_new_recording_with_the_path_size_and_time_of_a_stored_one_is_a_new_item() {
    let place = Place::new(&[]);
    let camera = place.camera("X0000001");
    // A clock that was never set, and one that was.
    let unset = UNIX_EPOCH + Duration::from_hours(87_648);
    let set = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let files = [
        ("UNSET.MP4", unset, 250_000),
        ("SET.MP4", set, 499_999),
        ("START.MP4", set, 0),
    ];
    let mut contents: Vec<Vec<u8>> = (0..3)
        .map(|n| SeededSource::new(n, 500_000).whole())
        .collect();
    for ((name, time, _), content) in files.iter().zip(&contents) {
        record(&camera.join(name), content, *time);
    }
    place.drain().ends(0);
    assert_eq!(place.items().len(), 3);
    // A single byte differs.
    for ((name, time, at), content) in files.iter().zip(&mut contents) {
        content[*at] ^= 1;
        record(&camera.join(name), content, *time);
    }
    place.drain().ends(0).says("another content: it is new");
    let items = place.items();
    assert_eq!(items.len(), 6, "{items:?}");
    assert_eq!(place.verify_deep()["items_opened"], 6);
    let mut stored: Vec<Vec<u8>> = items
        .iter()
        .map(|item| place.open(item["evidence"].as_str().unwrap()))
        .collect();
    for content in &contents {
        let at = stored.iter().position(|stored| stored == content);
        stored.remove(at.expect("what is on the camera is stored"));
    }
    // Both contents of each file are known now: neither is taken again.
    place.drain().ends(0);
    contents[0][250_000] ^= 1;
    record(&camera.join("UNSET.MP4"), &contents[0], unset);
    place.drain().ends(0);
    assert_eq!(place.items().len(), 6);
    let held = place.events().into_iter();
    let held: Vec<usize> = held
        .filter_map(|event| match event {
            Event::ItemHeld(held) => Some(held.files().count()),
            _ => None,
        })
        .collect();
    assert_eq!(held, [3, 3], "one entry a look");
}

#[test]
fn a_full_spool_stops_the_pulling_says_so_and_goes_on_when_there_is_room() {
    // Memory, where nothing else takes and frees room as on a disk.
    let spool = tempfile::tempdir_in("/dev/shm").unwrap();
    let free = rustix::fs::statvfs(spool.path()).unwrap();
    let free = free.f_bavail * free.f_frsize;
    let (file, room) = (10 << 20, 45 << 20);
    let dir = format!("dir = {:?}", spool.path());
    let reserve = format!("reserve_bytes = {}", free - room);
    let mut place = Place::new(&[("spool", &dir), ("spool", &reserve)]);
    for n in 0..12 {
        place.film("X0000001", &format!("F{n:02}.MP4"), n, file);
    }
    place.weed.kill();
    let running = place.start(&["run"]);
    until("the station to say that its spool is full", || {
        let Some(status) = place.status() else {
            return false;
        };
        status["bays"].to_string().contains("spool is full")
    });
    assert!(running.said().contains("spool_full"));
    let used: u64 = fs::read_dir(spool.path())
        .unwrap()
        .map(|e| e.unwrap().metadata().unwrap().len())
        .sum();
    assert!(used <= room, "{used}");
    assert!(place.items().len() < 12);
    place.weed.restart();
    until("everything to be stored", || {
        let items = place.items();
        items.iter().filter(|i| i["state"] == "released").count() == 12
    });
    until("the bay to be safe", || {
        place
            .status()
            .is_some_and(|s| !s["bays"].to_string().contains("spool is full"))
    });
    running.stop().ends(0);
    assert_eq!(place.verify_deep()["items_opened"], 12);
}

#[test]
fn a_file_that_does_not_fit_into_the_spool_lets_the_others_go_first() {
    let spool = tempfile::tempdir_in("/dev/shm").unwrap();
    let free = rustix::fs::statvfs(spool.path()).unwrap();
    let free = free.f_bavail * free.f_frsize;
    let dir = format!("dir = {:?}", spool.path());
    let reserve = format!("reserve_bytes = {}", free - (45 << 20));
    let place = Place::new(&[("spool", &dir), ("spool", &reserve)]);
    // First by its name, and flagged.
    place.film("X0000001", "EVENT/A_LOCK.MP4", 1, 60 << 20);
    for n in 0..4 {
        place.film("X0000001", &format!("F{n:02}.MP4"), n + 2, 5 << 20);
    }
    let running = place.start(&["run"]);
    until("the station to run", || place.status().is_some());
    until("all others to be stored", || {
        let items = place.items();
        items.iter().filter(|i| i["state"] == "released").count() == 4
    });
    until("the bay to name the one that waits", || {
        let status = place.status().map(|status| status["bays"].to_string());
        status.is_some_and(|bays| bays.contains("no room for EVENT/A_LOCK.MP4 (62914560 bytes)"))
    });
    running.stop().ends(0);
    assert_eq!(place.verify_deep()["items_opened"], 4);
}

#[test]
fn several_cameras_are_taken_side_by_side_and_none_waits_for_all_of_another() {
    let place = Place::new(&[("ingest", "parallel_cameras = 2")]);
    let serials: Vec<String> = (1..=6).map(|n| format!("X000000{n}")).collect();
    place.roster(&serials.iter().map(String::as_str).collect::<Vec<_>>());
    for (n, serial) in (0..).zip(&serials) {
        for file in 0..20 {
            place.film(serial, &format!("F{file:02}.MP4"), n * 100 + file, 2 << 20);
        }
    }
    place.drain().ends(0);
    let sealed: Vec<_> = place
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::ItemSealed(sealed) => sealed.camera.map(|c| c.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(sealed.len(), 120);
    for serial in &serials {
        let first = sealed
            .iter()
            .position(|camera| camera.ends_with(serial.as_str()))
            .unwrap();
        assert!(
            first < 90,
            "{serial} waited for {first} files of the others"
        );
    }
    assert_eq!(place.verify_deep()["items_opened"], 120);
}

#[test]
fn flagged_recordings_go_first_and_sidecars_before_the_bulk() {
    let place = Place::new(&[]);
    place.film("X0000001", "DCIM/100/B0001.MP4", 1, 5 << 20);
    place.film("X0000001", "DCIM/100/B0001.GPS", 2, 500);
    place.film("X0000001", "DCIM/EVENT_RO/Z0009.MP4", 3, 6 << 20);
    place.drain().ends(0);
    let sealed: Vec<_> = place
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::ItemSealed(sealed) => Some((sealed.path.to_string(), sealed.flagged)),
            _ => None,
        })
        .collect();
    let expected = [
        ("DCIM/EVENT_RO/Z0009.MP4".to_owned(), true),
        ("DCIM/100/B0001.GPS".to_owned(), false),
        ("DCIM/100/B0001.MP4".to_owned(), false),
    ];
    assert_eq!(sealed, expected);
}
